"""The channels of a picture: what is kept, measured, shown and saved of grey, colours and transparency."""

import numpy as np
import pytest

from gans_n_roses.pictures.channels import as_rgb, from_saved, lay_on_grey, to_look_at, to_save

RNG = np.random.RandomState(0)


def test_what_is_transparent_is_grey_and_what_is_opaque_stays():
    pixels = RNG.randint(0, 256, [5, 7, 4]).astype(np.uint8)
    pixels[0, :, 3], pixels[1, :, 3] = 0, 255
    laid = lay_on_grey(pixels)
    assert laid.dtype == np.uint8 and np.array_equal(laid[..., 3], pixels[..., 3])
    assert (np.abs(laid[0, :, :3] - 127.5) == 0.5).all()
    assert np.array_equal(laid[1], pixels[1])
    share = pixels[2:, :, 3:] / 255
    np.testing.assert_allclose(laid[2:, :, :3], 127.5 * (1 - share) + pixels[2:, :, :3] * share, atol=0.51)


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_a_saved_picture_is_kept_as_it_was(channels):
    pixels = RNG.randint(0, 256, [6, 6, channels]).astype(np.uint8)
    pixels[..., 3:] |= 128  # where little is opaque, rounding costs more
    kept = from_saved(pixels[..., 0] if channels == 1 else pixels)
    assert kept.shape == (6, 6, channels)
    saved = to_save(kept)
    assert saved.shape == ((6, 6) if channels == 1 else (6, 6, channels))
    assert np.abs(saved.astype(int) - pixels.reshape(saved.shape)).max() <= 1
    assert np.abs(from_saved(saved).astype(int) - kept).max() <= 1


def test_colours_are_measured_and_shown_as_they_are():
    picture = RNG.randint(0, 256, [4, 4, 3]).astype(np.uint8)
    assert as_rgb(picture) is picture and to_look_at(picture) is picture and to_save(picture) is picture


def test_grey_is_measured_and_shown_as_three_equal_colours():
    picture = RNG.randint(0, 256, [2, 4, 4, 1]).astype(np.uint8)
    assert np.array_equal(as_rgb(picture), picture.repeat(3, 3))
    assert np.array_equal(to_look_at(picture[0]), picture[0].repeat(3, 2))


def test_what_is_transparent_shows_a_checkerboard():
    laid = lay_on_grey(np.dstack([np.full([16, 16, 3], 200, np.uint8), np.repeat([[255], [0]], 8, 0) * np.ones(16)])
                       .astype(np.uint8))
    assert np.array_equal(as_rgb(laid), laid[..., :3])
    shown = to_look_at(laid)
    assert shown.shape == (16, 16, 3) and (shown[:8] == 200).all()
    assert len(np.unique(shown[8:])) == 2 and (shown[8, 0] != shown[8, 8]).all()
