"""Copies, disguised, are told from pictures of their own."""

import numpy as np
import pytest
from flowers import blurred, clip, draw, noised

from gans_n_roses.quality import copying
from gans_n_roses.quality.copying import COPY, diversity, nearest


def thumbnails(pictures):
    return copying.thumbnails(pictures, np.arange(len(pictures)))


def disguised(pictures):
    """Shifted 2 pixels, mirrored, blurred, 10 % brighter and darker."""
    shifted = np.pad(pictures, [(0, 0), (2, 0), (2, 0), (0, 0)], 'edge')[:, :-2, :-2]
    brighter, darker = clip(pictures * 1.1), clip(pictures * 0.9)
    return np.concatenate([shifted, pictures[:, :, ::-1], blurred(pictures, 2), brighter, darker])


def faded(pictures, share):
    return clip(128 + share * (pictures - 128.))


def test_disguised_copies_are_told_from_unseen_pictures():
    shown, unseen = draw(60, 1), draw(60, 2)
    real = thumbnails(shown)
    copies, others = nearest(real, disguised(shown)), nearest(real, unseen)
    assert (copies.ratios[:, np.newaxis] < others.ratios).mean() >= 0.99
    assert np.array_equal(copies.rows, np.tile(np.arange(60), 5))
    assert np.mean(copies.ratios < COPY) > 0.9 and np.mean(others.ratios < COPY) < 0.05


def test_the_mirror_image_is_found_as_such():
    shown = draw(20, 1)
    found = nearest(thumbnails(shown), np.stack([shown[3], shown[4, :, ::-1]]))
    assert found.rows.tolist() == [3, 4]
    assert found.mirrored.tolist() == [False, True]
    assert found.ratios.max() < 0.01


def test_contrast_changes_nothing():
    shown = draw(30, 1)
    copies = nearest(thumbnails(shown), faded(shown, 0.5))
    assert copies.ratios.max() < COPY
    strong, weak = (nearest(thumbnails(faded(shown, share)), noised(faded(draw(30, 2), share), 0.1)).ratios
                    for share in (0.9, 0.6))
    assert strong == pytest.approx(weak, rel=0.1)


def test_a_rough_copy_of_an_odd_picture_comes_before_a_stranger_among_its_like():
    """Nine pictures nearly alike, and an odd one: a stranger near the nine is no copy, what is near the odd one is."""
    def changed(pictures, strength, seed):
        cells = np.random.RandomState(seed).normal(size=[len(pictures), 4, 4, 3])
        return clip(pictures + strength * cells.repeat(16, 1).repeat(16, 2))

    alike, odd = changed(draw(1, 1).repeat(9, 0), 30, 0), draw(1, 7)
    stranger, rough = changed(draw(1, 1), 30, 1), changed(odd, 40, 2)
    found = nearest(thumbnails(np.concatenate([alike, odd])), np.concatenate([stranger, rough]))
    assert found.rows[1] == 9
    assert found.ratios[1] < found.ratios[0]


def test_a_picture_as_far_as_all_are_from_each_other_has_ratio_1():
    """One bright cell each: any two are equally far apart, mirrored or not."""
    pictures = np.full([6, 16, 16, 3], 100, np.uint8)
    for k, picture in enumerate(pictures):
        picture[4 * (k // 2):4 * (k // 2) + 4, 4 * (k % 2):4 * (k % 2) + 4] = 200
    assert nearest(thumbnails(pictures[:5]), pictures[5:]).ratios == pytest.approx([1], abs=1e-3)


def test_duplicates_do_not_hide_copies():
    """A picture's surroundings are the other pictures, not its own duplicate, mirrored or not."""
    shown, unseen = draw(20, 1), draw(20, 2)
    real = thumbnails(np.concatenate([shown, shown, shown[:, :, ::-1]]))
    assert np.mean(nearest(real, disguised(shown)).ratios < COPY) > 0.9
    assert np.mean(nearest(real, unseen).ratios < COPY) < 0.1


@pytest.mark.parametrize('count', [1, 2])
def test_very_few_real_pictures_give_figures_all_the_same(count):
    shown = draw(count, 1)
    found = nearest(thumbnails(shown), np.concatenate([shown, draw(3, 2)]))
    assert np.isfinite(found.ratios).all()
    assert found.ratios[:count].max() < 0.01 < found.ratios[count:].min()


def test_pictures_of_one_grey_are_no_fault():
    assert np.isfinite(nearest(thumbnails(np.zeros([4, 16, 16, 3], np.uint8)), draw(3, 1, 16)).ratios).all()


def test_diversity_is_the_mean_distance_of_two_pictures():
    pictures = np.full([3, 16, 16, 3], 100, np.uint8)
    pictures[1, :8] = 140  # beside its own mean, 120: 20 above and below; two pictures of one grey are alike
    assert diversity(pictures) == pytest.approx(20 * 4 / 6, rel=1e-5)
    assert diversity(pictures[:1]) == 0
