"""Augmentation beside its definition in NumPy; ranges, gradients, and that its draws depend on the seed alone."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.networks.augment import KINDS, augment
from gans_n_roses.settings import AUGMENT_KINDS

SIZE = 16
ALL = list(KINDS)
IMAGES = np.random.RandomState(0).uniform(-1, 1, [400, SIZE, SIZE, 3]).astype(np.float32)


def augmented(kinds, seed=(1, 2), images=IMAGES):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(augment(tf.constant(images), kinds, tf.constant(seed, tf.int64)))


def test_the_kinds_are_those_of_the_setting():
    assert tuple(KINDS) == AUGMENT_KINDS


def test_no_kinds_leave_pictures_as_they_are():
    assert np.array_equal(augmented([]), IMAGES)


@pytest.mark.parametrize('kinds', [[kind] for kind in KINDS] + [ALL], ids=[*KINDS, 'all'])
def test_draws_depend_on_the_seed_alone(kinds):
    first = augmented(kinds)
    assert first.shape == IMAGES.shape and first.dtype == np.float32
    assert np.array_equal(first, augmented(kinds))
    assert not np.allclose(first, augmented(kinds, (1, 3)))
    assert not np.allclose(first, augmented(kinds, (2, 2)))


def test_a_part_of_the_pictures_is_changed_as_beside_all_the_others():
    places = [*range(10, 20), *range(210, 220)]
    with tf.Graph().as_default(), tf.Session() as session:
        part = augment(tf.constant(IMAGES[places]), ALL, tf.constant((1, 2), tf.int64), (len(IMAGES), places))
        np.testing.assert_allclose(session.run(part), augmented(ALL)[places], atol=1e-6)


def test_each_kind_draws_as_it_does_alone():
    one_after_the_other = augmented(['cutout'], images=augmented(['translation']))
    assert np.array_equal(one_after_the_other, augmented(['translation', 'cutout']))


def test_color_is_brightness_then_saturation_then_contrast():
    # Brightness moves the level of a grey picture, contrast scales its steps, saturation what is not grey.
    grey = np.zeros([400, SIZE, SIZE, 3], np.float32)
    grey[:, :8] += 0.25
    grey[:, 8:] -= 0.25
    found = augmented(['color'], images=grey)
    brightness = found.mean((1, 2, 3))
    contrast = (found[:, 0] - found[:, 15]).mean((1, 2)) / 0.5
    expected = grey * contrast[:, None, None, None] + brightness[:, None, None, None]
    np.testing.assert_allclose(found, expected, atol=1e-5)

    coloured = grey + np.float32([0.1, 0, -0.1])  # the same draws
    found = augmented(['color'], images=coloured)
    saturation = (found[:, 0, 0, 0] - found[:, 0, 0, 2]) / 0.2 / contrast
    tint = np.float32([0.1, 0, -0.1]) * (saturation * contrast)[:, None]
    expected = grey * contrast[:, None, None, None] + brightness[:, None, None, None] + tint[:, None, None, :]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for draws, low, high in ((brightness, -0.5, 0.5), (saturation, 0, 2), (contrast, 0.5, 1.5)):
        reach = (high - low) / 20
        assert low - 1e-4 <= draws.min() < low + reach and high - reach < draws.max() <= high + 1e-4
        assert abs(draws.mean() - (low + high) / 2) < reach


def test_what_is_transparent_stays_so_and_what_moves_in_is_transparent():
    alpha = np.where(np.arange(SIZE) < SIZE // 2, 1, -1) * np.ones([400, SIZE, SIZE])
    images = np.concatenate([IMAGES * (alpha[..., None] > 0), alpha[..., None]], 3).astype(np.float32)
    assert np.array_equal(augmented([], images=images), images)
    coloured = augmented(['color'], images=images)
    assert np.array_equal(coloured[..., 3], images[..., 3])
    np.testing.assert_allclose(coloured[:, :, SIZE // 2:, :3], 0, atol=1e-6)
    np.testing.assert_allclose(coloured[:, :, :SIZE // 2, :3].std((1, 2, 3)) > 0.1, True)

    moved = augmented(['translation', 'cutout', 'rotation'], images=np.ones([400, SIZE, SIZE, 4], np.float32))
    cleared = moved[..., 3] == -1
    assert 0.2 < cleared.mean() < 0.6 and (moved[~cleared] == 1).all() and (moved[cleared][:, :3] == 0).all()


def test_grey_pictures_are_changed_as_coloured_ones_without_colour():
    grey = IMAGES[..., :1]
    coloured = augmented(ALL, images=grey.repeat(3, 3))
    np.testing.assert_allclose(augmented(ALL, images=grey), coloured[..., :1], atol=1e-5)


def test_translation_shifts_by_up_to_an_eighth_and_zeros_move_in():
    seen = set()
    for before, after in zip(IMAGES, augmented(['translation']), strict=True):
        padded = np.pad(before, [(2, 2), (2, 2), (0, 0)])
        shifts = [(y, x) for y in range(-2, 3) for x in range(-2, 3)
                  if np.array_equal(after, padded[2 - y:2 - y + SIZE, 2 - x:2 - x + SIZE])]
        assert len(shifts) == 1
        seen.update(shifts)
    assert len(seen) == 25


def test_cutout_clears_one_square_of_half_the_side():
    corners = set()
    for before, after in zip(IMAGES, augmented(['cutout']), strict=True):
        cleared = (after == 0).all(2)
        assert np.array_equal(after[~cleared], before[~cleared])
        rows, columns = np.flatnonzero(cleared.any(1)), np.flatnonzero(cleared.any(0))
        assert cleared[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].all()
        for line in (rows, columns):  # cut off at the picture's edge, the square's middle stays inside
            assert len(line) == 8 or (4 <= len(line) < 8 and (line[0] == 0 or line[-1] == SIZE - 1))
        corners.add((rows[0], columns[0]))
    assert len(corners) > 50


def test_rotation_leaves_five_of_eight_upright_and_turns_the_others_by_quarters():
    counts = np.zeros(4, int)
    for before, after in zip(IMAGES, augmented(['rotation']), strict=True):
        turns = [turn for turn in range(4) if np.array_equal(after, np.rot90(before, turn))]
        assert len(turns) == 1
        counts[turns] += 1
    expected = len(IMAGES) * np.array([5, 1, 1, 1]) / 8
    assert (abs(counts - expected) < 4 * expected**0.5).all()


def test_gradients_are_those_of_finite_differences():
    images = IMAGES[:3]
    weights = np.random.RandomState(1).standard_normal(images.shape).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, images.shape)
        value = tf.reduce_sum(augment(x, ALL, tf.constant([1, 2], tf.int64)) * weights)
        slope = session.run(tf.gradients(value, x)[0], {x: images})
        direction = np.random.RandomState(2).standard_normal(images.shape)
        # Linear in the pictures, but for a constant: a long step loses nothing.
        high, low = (session.run(value, {x: images + step * direction}) for step in (1, -1))
    assert np.abs(slope).sum((1, 2, 3)).min() > 0
    assert (high - low) / 2 == pytest.approx((slope * direction).sum(), rel=1e-4)
