"""The measures on pictures whose answer is known."""

import numpy as np
import pytest
from conftest import REPO
from PIL import Image, ImageFilter

from gans_n_roses.pictures.folder import load_dataset
from gans_n_roses.quality import metrics
from gans_n_roses.quality.metrics import COPY, describe_real, diversity, measure, nearest, sliced_wasserstein


@pytest.fixture(scope='module')
def roses():
    """The drawn roses in an order of no meaning, uint8 [67, 64, 64, 3]."""
    pictures = load_dataset(REPO / 'Dataset' / 'Roses', 64)
    return pictures[np.random.RandomState(0).permutation(len(pictures))]


def disguise(pictures):
    """What a copy looks like: shifted 2 pixels, brighter, darker, mirrored, blurred, or all of it at once."""
    rng = np.random.RandomState(1)
    disguised = []
    for picture in pictures:
        padded = np.pad(picture, [(2, 2), (2, 2), (0, 0)], 'edge')
        y, x = rng.choice([0, 4], 2)
        shifted = padded[y:y + len(picture), x:x + len(picture)]
        brighter, darker = (np.clip(picture * factor, 0, 255).astype(np.uint8) for factor in (1.1, 0.9))
        blurred, all_of_it = (np.asarray(Image.fromarray(each).filter(ImageFilter.GaussianBlur(1)))
                              for each in (picture, np.clip(shifted[:, ::-1] * 0.9, 0, 255).astype(np.uint8)))
        disguised += [shifted, brighter, darker, picture[:, ::-1], blurred, all_of_it]
    return np.stack(disguised)


def area_under_curve(copies, unseen):
    """Share of pairs in which the copy has the lower ratio."""
    return (copies[:, np.newaxis] < unseen).mean()


def test_copies_are_told_from_unseen_drawn_roses(roses):
    shown, unseen = roses[:34], roses[34:]
    real = describe_real(shown)
    rows, ratios = nearest(real, disguise(shown))
    assert np.array_equal(rows % len(shown), np.repeat(np.arange(len(shown)), 6))
    assert area_under_curve(ratios, nearest(real, unseen)[1]) >= 0.97
    assert np.mean(ratios < COPY) > 0.9
    assert np.mean(nearest(real, unseen)[1] < COPY) < 0.1


def test_a_mirrored_copy_is_found_as_such(roses):
    rows, ratios = nearest(describe_real(roses[:20]), roses[3:5, :, ::-1])
    assert rows.tolist() == [23, 24]
    assert ratios.max() < 1e-3


def test_ratio_is_1_at_the_distance_of_real_neighbours():
    # Thumbnails of one bright cell each: any two are equally far apart, and so is an unseen one.
    pictures = np.full([6, 16, 16, 3], 100, np.uint8)
    for k, picture in enumerate(pictures):
        picture[4 * (k // 3):4 * (k // 3) + 2, 6 * (k % 3):6 * (k % 3) + 2] = 200
    assert nearest(describe_real(pictures[:5]), pictures[5:])[1] == pytest.approx([1], abs=1e-3)


def test_exact_duplicates_do_not_shrink_the_typical_distance(roses):
    alone = describe_real(roses[:20]).typical
    assert describe_real(np.concatenate([roses[:20], roses[:20]])).typical == pytest.approx(alone, rel=1e-6)


def test_a_pictures_own_mirror_is_no_other_picture():
    rng = np.random.RandomState(0)
    halves = np.kron(rng.randint(0, 256, [9, 8, 4, 3]), np.ones([1, 2, 2, 1])).astype(np.uint8)
    pictures = np.concatenate([halves, halves[:, :, ::-1]], axis=2)  # symmetric, but for a little noise
    noisy = np.clip(pictures + rng.normal(0, 20, pictures.shape), 0, 255).astype(np.uint8)
    assert describe_real(noisy).typical > 50
    assert np.mean(nearest(describe_real(pictures), noisy)[1]) < COPY / 2


def test_many_pictures_are_compared_in_parts(roses, monkeypatch):
    real = describe_real(roses[:30])
    whole, distances = nearest(real, roses[30:]), sliced_wasserstein(real, roses[30:])
    monkeypatch.setattr(metrics, 'CHUNK', 7)
    rows, ratios = nearest(describe_real(roses[:30]), roses[30:])
    assert np.array_equal(rows, whole[0])
    np.testing.assert_allclose(ratios, whole[1], rtol=1e-5)
    assert sliced_wasserstein(describe_real(roses[:30]), roses[30:]) == pytest.approx(distances, rel=1e-6)


def test_diversity_is_the_mean_distance_of_two_pictures(roses):
    thumbs = roses[:9].astype(float).reshape(9, 8, 8, 8, 8, 3).mean((2, 4)).reshape(9, -1)
    thumbs -= thumbs.mean(1, keepdims=True)
    pairs = [np.sqrt(((thumbs[a] - thumbs[b])**2).mean()) for a in range(9) for b in range(a)]
    assert diversity(roses[:9]) == pytest.approx(np.mean(pairs), rel=1e-4)
    assert diversity(np.repeat(roses[:1], 5, 0)) == pytest.approx(0, abs=0.05)


def test_pyramid_adds_up_to_the_picture(roses):
    finest, middle, coarsest = metrics._laplacian_pyramid(roses[:2])
    assert finest.shape[1:3] == (64, 64) and coarsest.shape[1:3] == (16, 16)
    image = coarsest
    for level in (middle, finest):
        spread = np.zeros_like(level)
        spread[:, ::2, ::2] = image
        image = level + 4 * metrics._smooth(spread)
    np.testing.assert_allclose(image, roses[:2], atol=1e-3)


def test_smoothing_keeps_a_flat_picture_and_spreads_a_point_by_the_binomial():
    assert metrics._smooth(np.full([1, 8, 8, 3], 7, np.float32)) == pytest.approx(7)
    point = np.zeros([1, 9, 9, 1], np.float32)
    point[0, 4, 4] = 256
    binomial = np.array([1, 4, 6, 4, 1])
    np.testing.assert_allclose(metrics._smooth(point)[0, 2:7, 2:7, 0], np.outer(binomial, binomial), atol=1e-4)


def test_sliced_wasserstein_is_0_for_the_same_pictures_and_grows_with_the_fault(roses):
    real = describe_real(roses)
    assert sliced_wasserstein(real, roses) == [0, 0, 0]
    rng = np.random.RandomState(0)
    noisy = [np.clip(roses + rng.normal(0, level, roses.shape), 0, 255).astype(np.uint8) for level in (10, 30)]
    blurred = np.stack([np.asarray(Image.fromarray(rose).filter(ImageFilter.GaussianBlur(2))) for rose in roses])
    little, much = (sliced_wasserstein(real, each) for each in noisy)
    assert 0 < little[0] < much[0] and much[0] > 3 * much[2]  # noise is fine
    assert sliced_wasserstein(real, blurred)[0] > 0.02


def test_one_projection_of_patches_is_numpys_distance_of_sorted_values(roses):
    real = describe_real(roses[:30])
    other = metrics._projected_patches(roses[30:])
    expected = [np.mean([np.abs(np.sort(a) - np.sort(b)).mean() for a, b in zip(*each, strict=True)])
                for each in zip(real.projected, other, strict=True)]
    np.testing.assert_allclose(sliced_wasserstein(real, roses[30:]), expected, rtol=1e-4)
    assert all(level.shape == (metrics.PROJECTIONS, metrics.PATCHES) for level in other)
    # Patches have mean 0 and variance 1 in each channel, so that a random direction of length 1 sees variance near 1.
    assert all(0.5 < np.mean(level.astype(float)**2) < 2 for level in other)


def test_measures_have_the_documented_names_and_ranges(roses):
    measures = measure(describe_real(roses[:40]), roses[40:])
    assert measures.keys() == {'Copying', 'Copies', 'Diversity_Generated', 'Diversity_Real', 'Sliced_Wasserstein',
                               'Sliced_Wasserstein_64', 'Sliced_Wasserstein_32', 'Sliced_Wasserstein_16'}
    assert all(type(value) is float for value in measures.values())
    assert 0.5 < measures['Copying'] < 2 and measures['Copies'] < 0.2
    assert measures['Sliced_Wasserstein'] == pytest.approx(
        np.mean([measures[f'Sliced_Wasserstein_{size}'] for size in (64, 32, 16)]))


@pytest.mark.parametrize('size', [16, 32, 128])
@pytest.mark.parametrize('count', [1, 2])
def test_any_size_and_hardly_any_pictures_are_measured(size, count):
    pictures = np.random.RandomState(0).randint(0, 256, [count + 3, size, size, 3]).astype(np.uint8)
    measures = measure(describe_real(pictures[:count]), pictures[count:])
    assert np.isfinite(list(measures.values())).all()
    assert f'Sliced_Wasserstein_{size}' in measures
