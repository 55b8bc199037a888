"""Arrays → pictures, read back with Pillow; z and the walk from z to z."""

import numpy as np
import pytest
from PIL import Image

from gans_n_roses.networks.noise import walk, z_of_seed
from gans_n_roses.pictures.folder import to_float
from gans_n_roses.pictures.grids import grid_shape, label, labelled_size, merge, png, save_gif, save_image, to_uint8


def test_to_uint8_maps_minus_one_to_0_and_one_to_255_and_clips_beyond():
    found = to_uint8(np.float32([-9, -1.001, -1, -0.5, 0, 0.5, 1, 1.001, 9]))
    assert found.dtype == np.uint8
    assert found.tolist() == [0, 0, 0, 64, 128, 191, 255, 255, 255]


def test_every_level_comes_back_from_the_networks_range():
    levels = np.arange(256, dtype=np.uint8)
    floats = to_float(levels)
    assert floats.dtype == np.float32
    assert (floats[0], floats[-1]) == (-1, 1)
    np.testing.assert_array_equal(to_uint8(floats), levels)


def test_the_contrast_of_a_picture_is_not_stretched():
    faint = np.full([2, 2, 3], 0.1, np.float32)
    faint[0] = 0.2
    assert to_uint8(faint).tolist() == [[[153] * 3] * 2, [[140] * 3] * 2]


@pytest.mark.parametrize(('count', 'shape'), [
    (1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (2, 2)), (6, (2, 3)), (7, (3, 3)), (9, (3, 3)), (10, (2, 5)),
    (12, (3, 4)), (13, (4, 4)), (24, (4, 6)), (48, (6, 8)), (64, (8, 8))])
def test_grid_shape_is_as_near_to_square_as_fits(count, shape):
    assert grid_shape(count) == shape


def test_grid_shape_holds_every_number_in_a_landscape_without_an_empty_row():
    for count in range(1, 500):
        rows, columns = grid_shape(count)
        assert (rows - 1) * columns < count <= rows * columns
        assert rows <= columns <= max(1.5 * np.ceil(np.sqrt(count)), 1)


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('count', [1, 5, 12])
def test_merge_lays_pictures_out_row_by_row_and_leaves_the_rest_0(count, dtype):
    pictures = np.random.RandomState(0).uniform(1, 255, [count, 3, 5, 3]).astype(dtype)
    rows, columns = grid_shape(count)
    grid = merge(pictures)
    assert grid.dtype == dtype
    assert grid.shape == (rows * 3, columns * 5, 3)
    for cell in range(rows * columns):
        row, column = divmod(cell, columns)
        found = grid[3 * row:3 * row + 3, 5 * column:5 * column + 5]
        np.testing.assert_array_equal(found, pictures[cell] if cell < count else np.zeros([3, 5, 3]))


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize(('side', 'width'), [(16, 62), (64, 64), (128, 128)])
def test_a_text_stands_under_each_picture_which_stays_as_it_is(channels, side, width):
    pictures = np.random.RandomState(0).randint(0, 256, [3, side, side, channels]).astype(np.uint8)
    texts = ['4294967295', '7', '4294967295']
    found = label(pictures, texts)
    assert found.shape == (3, *labelled_size(side, texts), channels) and found.shape[2] == width
    left = (width - side) // 2
    np.testing.assert_array_equal(found[:, :side, left:left + side], pictures)
    lines = found[:, side:]
    np.testing.assert_array_equal(lines[0], lines[2])  # the same text looks the same under any picture
    assert (lines[0] != lines[1]).any()
    if channels == 4:
        assert (lines[..., 3] == 255).all()  # opaque
    for line in lines[..., 0]:
        assert line[[0, -1]].max() == line[:, [0, -1]].max() == 0 < line.max()  # no letter is cut


def test_a_short_text_needs_no_more_room_than_its_picture():
    assert labelled_size(16, ['7', '12'])[1] == 16


def test_save_image_writes_a_png_that_holds_every_pixel_and_nothing_beside_it(tmp_path):
    picture = np.random.RandomState(0).randint(0, 256, [6, 9, 3]).astype(np.uint8)
    path = tmp_path / 'picture.png'
    path.write_bytes(b'an older picture')
    save_image(path, picture)
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ('PNG', 'RGB', (9, 6))
        np.testing.assert_array_equal(np.asarray(image), picture)
    assert path.read_bytes() == png(picture)
    assert list(tmp_path.iterdir()) == [path]


def test_save_image_into_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        save_image(tmp_path / 'missing' / 'picture.png', np.zeros([2, 2, 3], np.uint8))


def shaded(frame):
    """A picture of 3 × 16 × 16 shades around a colour that depends on the frame."""
    y, x = np.mgrid[:16, :16]
    return np.stack([y * 4 + 40 * frame, x * 4, 255 - 40 * frame - y], axis=-1).astype(np.uint8)


@pytest.mark.parametrize('count', [1, 5])
def test_save_gif_writes_a_loop_of_all_frames_in_order_with_their_colours(tmp_path, count):
    path = tmp_path / 'animation.gif'
    save_gif(path, (shaded(frame) for frame in range(count)), 70)
    with Image.open(path) as image:
        assert (image.format, image.size, image.n_frames) == ('GIF', (16, 16), count)
        assert image.info['loop'] == 0
        for frame in range(count):
            image.seek(frame)
            assert image.info['duration'] == 70
            difference = np.asarray(image.convert('RGB')).astype(int) - shaded(frame)
            assert np.abs(difference).max() <= 16  # 256 colours a frame
            assert np.abs(difference).mean() < 3
    assert list(tmp_path.iterdir()) == [path]


def test_z_of_seed_is_uniform_in_the_cube_and_the_seeds_own():
    z = z_of_seed(7, 20_000)
    assert (z.dtype, z.shape) == (np.float32, (20_000,))
    assert -1 <= z.min() < -0.99
    assert 0.99 < z.max() <= 1
    assert abs(z.mean()) < 0.02
    assert z.var() == pytest.approx(1 / 3, abs=0.01)
    np.testing.assert_array_equal(z_of_seed(7, 20_000), z)
    assert (z_of_seed(8, 20_000) != z).mean() > 0.99


def test_z_of_seed_is_the_same_on_every_machine():
    np.testing.assert_allclose(z_of_seed(0, 3), [0.09762701, 0.43037873, 0.20552675], rtol=1e-6)


def test_z_of_seed_takes_seeds_beyond_32_bits():
    np.testing.assert_array_equal(z_of_seed(2**32 + 5, 10), z_of_seed(5, 10))


def corners(count, z_dim=100, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, [count, z_dim]).astype(np.float32)


@pytest.mark.parametrize(('count', 'n_frames'), [(2, 2), (2, 10), (3, 12), (5, 5), (7, 84)])
def test_walk_passes_through_every_corner_at_even_pace(count, n_frames):
    zs = corners(count)
    points = walk(zs, n_frames)
    assert (points.dtype, points.shape) == (np.float32, (n_frames, 100))
    np.testing.assert_allclose(points[::n_frames // count], zs, atol=1e-6)


def test_walk_starts_at_the_first_corner_though_the_frames_do_not_divide():
    zs = corners(3)
    points = walk(zs, 10)
    np.testing.assert_allclose(points[0], zs[0], atol=1e-6)
    assert np.abs(points[4] - zs[1]).max() > 0.01


def test_walk_is_a_loop_without_jumps_or_stops():
    points = walk(corners(4), 100)
    steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)  # the last one leads back to the first
    assert steps.max() < 2 * steps.mean()
    assert steps.min() > steps.mean() / 2


@pytest.mark.parametrize('seed', range(5))
def test_z_stays_in_the_cube_and_uniform_all_the_way(seed):
    zs = corners(2, z_dim=4000, seed=seed)
    for point in walk(zs, 16):  # a straight line has variance 1/6 half-way
        assert np.abs(point).max() <= 1
        assert point.var() == pytest.approx(1 / 3, abs=0.03)
        shares = np.histogram(point, bins=8, range=(-1, 1))[0] / 4000
        np.testing.assert_allclose(shares, 1 / 8, atol=0.03)


@pytest.mark.parametrize('zs', [
    np.full([2, 5], 0.3), np.float64([[0.5] * 5, [-0.5] * 5]), np.float64([[1, -1, 1], [-1, -1, 1]]), corners(2, 1)],
    ids=['the same twice', 'opposite', 'the edge', 'one coordinate'])
def test_walk_between_odd_corners_is_finite_and_in_the_cube(zs):
    points = walk(zs, 8)
    assert np.isfinite(points).all()
    assert np.abs(points).max() <= 1
    np.testing.assert_allclose(points[[0, 4]], zs, atol=1e-6)
