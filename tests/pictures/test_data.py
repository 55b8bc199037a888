"""The loader against real files: every mode, every fault that a person's folder may hold, and the order of it all."""

import io
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import REPO
from PIL import Image, ImageOps

from gans_n_roses.errors import BadInput
from gans_n_roses.pictures import folder as data
from gans_n_roses.pictures.folder import Dataset, list_files, load_dataset, next_batch, read_folder, to_float
from gans_n_roses.training.introduction import summary

SIZE = 16
DEADLINE_S = 60  # of a child process that may hang

# One picture in the forms that its modes need: 36 wide, 24 high, no two corners alike.
Y, X = np.mgrid[:24, :36]
RGB = np.stack([X * 7, Y * 10, 255 - X * 3 - Y * 4], -1).astype(np.uint8)
GREY = (X * 4 + Y * 4).astype(np.uint8)
GREY_16 = (X * 1000 + Y * 1300).astype(np.uint16)
BITS = np.where((X // 5 + Y // 7) % 2, 255, 0).astype(np.uint8)
ALPHA = np.where(X < 12, 0, np.where(X < 24, 128, 255)).astype(np.uint8)
INDEX = ((X // 6 + Y // 6) % 4).astype(np.uint8)
PALETTE = np.array([[250, 10, 20], [10, 240, 30], [20, 30, 230], [90, 80, 70]], np.uint8)
CMYK = np.concatenate([RGB, GREY[..., np.newaxis] // 2], -1)


def rgb(grey):
    return np.repeat(np.asarray(grey)[..., np.newaxis], 3, -1)


def on_white(colours, opacity):
    """Composite in floating point; opacity in [0, 1]."""
    opacity = np.asarray(opacity)[..., np.newaxis]
    return colours * opacity + 255 * (1 - opacity)


def stretched(levels):
    return rgb((levels - levels.min()) / np.ptp(levels) * 255)


def fitted(picture, size=SIZE):
    """What the loader promises of a picture, given as uint8 or float [height, width, 3]."""
    image = Image.fromarray(np.round(picture).astype(np.uint8))
    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))


def palette_image():
    image = Image.fromarray(INDEX)
    image.putpalette(PALETTE.tobytes())
    return image


def png(bits, colour_type, rows, *chunks, width=36, height=24):
    """A PNG written by hand, for depths that Pillow reads and does not write."""
    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    header = struct.pack('>IIBBBBB', width, height, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b''.join(b'\0' + bytes(row) for row in rows))
    return b''.join([b'\x89PNG\r\n\x1a\n', chunk(b'IHDR', header), *(chunk(*each) for each in chunks),
                     chunk(b'IDAT', pixels), chunk(b'IEND', b'')])


def big_endian(levels):
    """Rows of a 16-bit PNG from [height, width] or [height, width, channels]."""
    return [row.astype('>u2').tobytes() for row in levels]


def packed(levels, bits):
    """Rows of a PNG of 2 or 4 bits from levels [height, width] below 2 ** bits."""
    per_byte = 8 // bits
    groups = levels.reshape(len(levels), -1, per_byte).astype(int)
    return [(row << np.arange(8 - bits, -1, -bits)).sum(-1).astype(np.uint8).tobytes() for row in groups]


def encode(image, suffix, **options):
    buffer = io.BytesIO()
    image.save(buffer, Image.registered_extensions()[suffix], **options)
    return buffer.getvalue()


def put(folder, name, content=None):
    """Write a file of the given bytes, or a picture, with the folders on its way."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(Image.fromarray(RGB), '.png') if content is None else content)
    return path


def coloured(number):
    """A PNG whose one colour tells its number."""
    return encode(Image.new('RGB', (20, 20), (number, 255 - number, 7)), '.png')


def numbers(images):
    """Which `coloured` pictures these are."""
    return images[:, 0, 0, 0].tolist()


def in_child(code, *arguments):
    """Run code in a fresh Python, with `tell` to hand back what it found; a hang ends as a failure."""
    prelude = f"""
import json, os, sys
sys.path.insert(0, {str(REPO)!r})
tell = lambda found: print(json.dumps(found))
"""
    child = subprocess.run([sys.executable, '-c', prelude + code, *map(str, arguments)], capture_output=True, text=True,
                           timeout=DEADLINE_S)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


# Modes

FROM_ARRAY = Image.fromarray
EXACT, ROUNDED, LOSSY = 0, 2, 12  # levels that a pixel may be off
MODES = {
    'RGB.png': (FROM_ARRAY(RGB), {}, RGB, EXACT),
    'RGB.bmp': (FROM_ARRAY(RGB), {}, RGB, EXACT),
    'RGB.tif': (FROM_ARRAY(RGB), {}, RGB, EXACT),
    'RGB_deflate.tif': (FROM_ARRAY(RGB), {'compression': 'tiff_adobe_deflate'}, RGB, EXACT),
    'RGB.ppm': (FROM_ARRAY(RGB), {}, RGB, EXACT),
    'RGB.tga': (FROM_ARRAY(RGB), {}, RGB, EXACT),
    'RGB.webp': (FROM_ARRAY(RGB), {'lossless': True}, RGB, EXACT),
    'RGB.jpg': (FROM_ARRAY(RGB), {'quality': 95}, RGB, LOSSY),
    'RGB_progressive.jpg': (FROM_ARRAY(RGB), {'quality': 95, 'progressive': True}, RGB, LOSSY),
    'L.png': (FROM_ARRAY(GREY), {}, rgb(GREY), EXACT),
    'L.jpg': (FROM_ARRAY(GREY), {'quality': 95}, rgb(GREY), LOSSY),
    'P_grey.gif': (FROM_ARRAY(GREY), {}, rgb(GREY), EXACT),
    'L.gif': (FROM_ARRAY(GREY), {'optimize': False}, rgb(GREY), EXACT),
    'L_transparent.png': (FROM_ARRAY(BITS // 2), {'transparency': 127}, on_white(rgb(BITS // 2), BITS == 0), EXACT),
    'LA.png': (Image.merge('LA', [FROM_ARRAY(GREY), FROM_ARRAY(ALPHA)]), {}, on_white(rgb(GREY), ALPHA / 255), ROUNDED),
    'RGBA.png': (FROM_ARRAY(np.dstack([RGB, ALPHA])), {}, on_white(RGB, ALPHA / 255), ROUNDED),
    'RGBA.tif': (FROM_ARRAY(np.dstack([RGB, ALPHA])), {}, on_white(RGB, ALPHA / 255), ROUNDED),
    'RGBA.webp': (FROM_ARRAY(np.dstack([RGB, ALPHA])), {'lossless': True}, on_white(RGB, ALPHA / 255), ROUNDED),
    'RGB_transparent.png': (FROM_ARRAY(PALETTE[INDEX]), {'transparency': tuple(PALETTE[2].tolist())},
                            on_white(PALETTE[INDEX], INDEX != 2), EXACT),
    'P.png': (palette_image(), {}, PALETTE[INDEX], EXACT),
    'P.gif': (palette_image(), {}, PALETTE[INDEX], EXACT),
    'P.bmp': (palette_image(), {}, PALETTE[INDEX], EXACT),
    'P_transparent.png': (palette_image(), {'transparency': 2}, on_white(PALETTE[INDEX], INDEX != 2), EXACT),
    'P_transparent.gif': (palette_image(), {'transparency': 2}, on_white(PALETTE[INDEX], INDEX != 2), EXACT),
    'P_alphas.png': (palette_image(), {'transparency': bytes([0, 128, 255, 64])},
                     on_white(PALETTE[INDEX], np.array([0, 128, 255, 64])[INDEX] / 255), ROUNDED),
    'CMYK.tif': (Image.frombytes('CMYK', (36, 24), CMYK.tobytes()), {},
                 (255 - CMYK[..., :3].astype(float)) * (255 - CMYK[..., 3:].astype(float)) / 255, ROUNDED),
    'CMYK.jpg': (Image.frombytes('CMYK', (36, 24), CMYK.tobytes()), {'quality': 95},
                 (255 - CMYK[..., :3].astype(float)) * (255 - CMYK[..., 3:].astype(float)) / 255, LOSSY),
    '1.png': (FROM_ARRAY(BITS).convert('1'), {}, rgb(BITS), EXACT),
    '1.tif': (FROM_ARRAY(BITS).convert('1'), {'compression': 'group4'}, rgb(BITS), EXACT),
    'I;16.png': (FROM_ARRAY(GREY_16), {}, rgb(GREY_16 / 257), EXACT),
    'I;16.tif': (FROM_ARRAY(GREY_16), {}, rgb(GREY_16 / 257), EXACT),
    'I;16B.tif': (Image.frombytes('I;16B', (36, 24), GREY_16.astype('>u2').tobytes()), {}, rgb(GREY_16 / 257), EXACT),
    'I.tif': (FROM_ARRAY(GREY_16 // 64 + np.int32(2**30)), {}, stretched(GREY_16 // 64), EXACT),
    'F.tif': (FROM_ARRAY(GREY_16.astype(np.float32) / 1e6 - 0.01), {}, stretched(GREY_16), ROUNDED),
    'LAB.tif': (FROM_ARRAY(RGB // 4 + 90).convert('LAB'), {}, RGB // 4 + 90, LOSSY),
    'YCbCr.tif': (FROM_ARRAY(RGB).convert('YCbCr'), {'compression': 'jpeg', 'quality': 95}, RGB, LOSSY),
}


@pytest.mark.parametrize('name', MODES)
def test_mode(tmp_path, name):
    image, options, expected, tolerance = MODES[name]
    image.save(tmp_path / name, **options)
    with Image.open(tmp_path / name) as saved:
        told = name.partition('.')[0].partition('_')[0]
        assert saved.mode == ('RGB' if name == 'YCbCr.tif' else told)  # else the case tries another mode than it says
    dataset = read_folder(tmp_path, SIZE)
    assert dataset.skipped == []
    assert np.abs(dataset.images[0].astype(int) - fitted(expected)).max() <= tolerance


HANDWRITTEN = {
    'RGB of 16 bits': (png(16, 2, big_endian(RGB.astype(int) * 257)), RGB),
    'RGB of 16 bits with a transparent colour': (
        png(16, 2, big_endian(PALETTE[INDEX] * 256.0 + 99), (b'tRNS', *big_endian([PALETTE[2] * 256.0 + 99]))),
        on_white(PALETTE[INDEX], INDEX != 2)),
    'RGBA of 16 bits': (
        png(16, 6, big_endian(np.dstack([RGB, np.where(X < 12, 0, 255)]) * 257)), on_white(RGB, X >= 12)),
    'LA of 16 bits': (
        png(16, 4, big_endian(np.dstack([GREY, np.where(X < 12, 0, 255)]) * 257)), on_white(rgb(GREY), X >= 12)),
    'grey of 16 bits with a transparent level': (
        png(16, 0, big_endian(INDEX.astype(int) * 9999), (b'tRNS', struct.pack('>H', 9999))),
        on_white(rgb(INDEX * 9999.0 / 257), INDEX != 1)),
    'grey of 4 bits': (png(4, 0, packed(INDEX * 5, 4)), rgb(INDEX * 85)),
    'grey of 4 bits with a transparent level': (
        png(4, 0, packed(INDEX * 5, 4), (b'tRNS', struct.pack('>H', 5))), on_white(rgb(INDEX * 85), INDEX != 1)),
    'grey of 2 bits with a transparent level': (
        png(2, 0, packed(INDEX, 2), (b'tRNS', struct.pack('>H', 1))), on_white(rgb(INDEX * 85), INDEX != 1)),
    'PGM of 16 bits': (b'P5 36 24 65535\n' + b''.join(big_endian(GREY_16)), rgb(GREY_16 / 257)),
}


@pytest.mark.parametrize('name', HANDWRITTEN)
def test_depth(tmp_path, name):
    content, expected = HANDWRITTEN[name]
    put(tmp_path, 'picture', content)
    assert np.array_equal(load_dataset(tmp_path, SIZE)[0], fitted(expected))


def test_float_tiff_with_holes_shows_the_rest(tmp_path):
    levels, shown = GREY_16.astype(np.float32), GREY_16.copy()
    levels[0, 15:18] = np.nan, np.inf, -np.inf
    shown[0, 15:18] = 0, shown.max(), 0
    Image.fromarray(levels).save(tmp_path / 'map.tif')
    assert np.abs(load_dataset(tmp_path, SIZE)[0].astype(int) - fitted(stretched(shown))).max() <= ROUNDED


@pytest.mark.parametrize('suffix, options', [('.gif', {}), ('.png', {}), ('.webp', {'lossless': True})])
def test_animation_shows_its_first_frame(tmp_path, suffix, options):
    frames = [Image.new('RGB', (30, 30), colour) for colour in ('red', 'blue', 'lime')]
    frames[0].save(tmp_path / f'moving{suffix}', save_all=True, append_images=frames[1:], duration=100, **options)
    with Image.open(tmp_path / f'moving{suffix}') as saved:
        assert saved.n_frames == 3
    assert (load_dataset(tmp_path, SIZE) == [255, 0, 0]).all()


def test_multi_picture_jpeg_shows_its_first(tmp_path):
    pictures = [Image.new('RGB', (300, 200), colour) for colour in ((200, 100, 50), (0, 0, 0))]
    pictures[0].save(tmp_path / 'phone.jpg', 'MPO', save_all=True, append_images=pictures[1:])
    with Image.open(tmp_path / 'phone.jpg') as saved:
        assert saved.format == 'MPO'
    assert np.abs(load_dataset(tmp_path, SIZE).astype(int) - [200, 100, 50]).max() <= ROUNDED


# Shape

STORED = {  # how a camera that wrote this EXIF orientation laid down an upright picture
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
    5: lambda a: a.swapaxes(0, 1), 6: np.rot90, 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a, 3),
}


@pytest.mark.parametrize('suffix, options, tolerance', [
    ('.png', {}, EXACT), ('.tif', {}, EXACT), ('.tif', {'compression': 'tiff_adobe_deflate'}, EXACT),
    ('.webp', {'lossless': True}, EXACT), ('.jpg', {'quality': 95}, LOSSY)])
@pytest.mark.parametrize('shape', [(24, 36), (36, 24), (25, 25)])
def test_exif_orientations_come_out_upright(tmp_path, suffix, options, tolerance, shape):
    upright = np.asarray(Image.fromarray(RGB).resize(shape[::-1]))
    for orientation, store in STORED.items():
        exif = Image.Exif()
        exif[0x112] = orientation
        Image.fromarray(store(upright)).save(tmp_path / f'{orientation}{suffix}', exif=exif, **options)
    images = load_dataset(tmp_path, SIZE)
    assert len(images) == 8
    assert np.abs(images.astype(int) - fitted(upright)).max() <= tolerance


def test_reduced_jpeg_is_turned_as_well(tmp_path):
    upright = np.asarray(Image.fromarray(RGB).resize((720, 480), Image.Resampling.BICUBIC))
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(STORED[6](upright)).save(tmp_path / 'phone.jpg', exif=exif, quality=95)
    assert np.abs(load_dataset(tmp_path, SIZE)[0].astype(int) - fitted(upright)).max() <= LOSSY


def test_damaged_exif_does_not_cost_the_picture_nor_make_a_noise(tmp_path, recwarn):
    def tag(number, kind, count, value):
        return struct.pack('>HHI', number, kind, count) + value

    entries = [tag(0x100, 5, 1, bytes(4)), tag(0x112, 3, 1, b'\0\6\0\0')]  # a fraction without a value; orientation 6
    exif = b'Exif\0\0MM\0*\0\0\0\x08' + struct.pack('>H', len(entries)) + b''.join(entries) + bytes(4)
    Image.fromarray(STORED[6](RGB)).save(tmp_path / 'odd.jpg', exif=exif, quality=95)
    Image.fromarray(RGB).save(tmp_path / 'worse.jpg', exif=b'Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03', quality=95)
    dataset = read_folder(tmp_path, SIZE)
    assert dataset.skipped == recwarn.list == []
    assert np.abs(dataset.images.astype(int) - fitted(RGB)).max() <= LOSSY


def test_png_equals_pillows_own_fit(tmp_path):
    rng = np.random.default_rng(0)
    sizes = [(64, 64), (100, 70), (71, 203), (16, 40), (9, 5)]
    pictures = [rng.integers(0, 256, [height, width, 3], np.uint8) for width, height in sizes]
    for number, picture in enumerate(pictures):
        put(tmp_path, f'{number}.png', encode(Image.fromarray(picture), '.png'))
    for size in (16, 32, 64):
        assert np.array_equal(load_dataset(tmp_path, size), [fitted(picture, size) for picture in pictures])


def test_reduced_jpeg_is_near_the_whole_one(tmp_path):
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, [60, 80, 3], np.uint8))
    content = encode(coarse.resize((400, 300), Image.Resampling.BICUBIC), '.jpg', quality=90)
    put(tmp_path, 'photo.jpg', content)
    with Image.open(io.BytesIO(content)) as image:
        whole = ImageOps.fit(image.convert('RGB'), (32, 32), Image.Resampling.LANCZOS)
    off = np.abs(load_dataset(tmp_path, 32)[0].astype(int) - np.asarray(whole))
    assert off.mean() < 2 and off.max() < 10


def test_shapes_at_the_edge(tmp_path):
    shapes = {'one': (1, 1), 'wide': (2000, 3), 'high': (1, 2000), 'small': (15, 40), 'fits': (16, 40)}
    for name, size in shapes.items():
        put(tmp_path, f'{name}.png', encode(Image.new('RGB', size, (10, 200, 90)), '.png'))
        put(tmp_path, f'{name}.jpg', encode(Image.new('RGB', size, (10, 200, 90)), '.jpg', quality=95))
    dataset = read_folder(tmp_path, SIZE)
    assert dataset.images.shape == (10, SIZE, SIZE, 3)
    assert np.abs(dataset.images.astype(int) - [10, 200, 90]).max() <= ROUNDED
    assert dataset.enlarged == 8  # all but the two that fit
    assert '8 enlarged to 16 pixels' in summary(dataset)[0]


# Which files are pictures

def test_suffix_decides_nothing_that_pillow_opens(tmp_path):
    for name in ('upper.PNG', 'Mixed.JpG', 'none', 'two.dots.png', 'odd.txt', 'wrong.jpg'):
        put(tmp_path, name)
    put(tmp_path, 'really_a_jpeg.png', encode(Image.fromarray(RGB), '.jpg'))
    dataset = read_folder(tmp_path, SIZE)
    assert (len(dataset.images), dataset.skipped) == (7, [])


def test_subfolders_are_read_and_hidden_files_are_not(tmp_path):
    for number, name in enumerate(('a.png', 'sub/b.png', 'sub/deep/er/c.png', 'z.png')):
        put(tmp_path, name, coloured(number))
    for name in ('.hidden.png', '._a.png', '.thumbnails/x.png', 'sub/.git/x.png', '__MACOSX/._b.png'):
        put(tmp_path, name, coloured(99))
    assert list_files(tmp_path) == ['a.png', 'sub/b.png', 'sub/deep/er/c.png', 'z.png']
    assert numbers(load_dataset(tmp_path, SIZE)) == [0, 1, 2, 3]
    assert numbers(load_dataset(str(tmp_path), SIZE)) == [0, 1, 2, 3]


def test_a_hidden_folder_that_is_asked_for_is_read(tmp_path):
    put(tmp_path, '.cache/roses/a.png', coloured(5))
    assert numbers(load_dataset(tmp_path / '.cache', SIZE)) == [5]


def test_links_to_folders_and_loops(tmp_path):
    put(tmp_path, 'elsewhere/b.png', coloured(2))
    root = put(tmp_path, 'root/a.png', coloured(1)).parent
    (root / 'linked').symlink_to(tmp_path / 'elsewhere')
    (root / 'twice').symlink_to(tmp_path / 'elsewhere')
    (root / 'up').symlink_to(root)
    (tmp_path / 'elsewhere' / 'back').symlink_to(root)
    (root / 'file.png').symlink_to(root / 'a.png')
    assert list_files(root) == ['a.png', 'file.png', 'linked/b.png']
    dataset = read_folder(root, SIZE)
    assert (numbers(dataset.images), dataset.duplicates) == ([1, 1, 2], 1)


def test_links_to_nothing_are_named(tmp_path):
    put(tmp_path, 'a.png')
    (tmp_path / 'gone.jpg').symlink_to(tmp_path / 'nowhere.jpg')
    (tmp_path / 'loop.jpg').symlink_to(tmp_path / 'loop.jpg')
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 1
    assert dict(dataset.skipped) == {'gone.jpg': 'No such file or directory',
                                     'loop.jpg': 'Too many levels of symbolic links'}


def test_non_pictures_are_passed_over_and_pictures_that_pillow_cannot_open_are_named(tmp_path):
    put(tmp_path, 'a.png')
    text = b'All images are licensed under CC BY 2.0.\n' * 50
    for name in ('LICENCE', 'notes.txt', 'labels.csv', 'README.md', 'annotations.json', 'Thumbs.db', 'empty.txt'):
        put(tmp_path, name, b'' if name == 'empty.txt' else text)
    put(tmp_path, 'clip.mp4', b'\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41' + bytes(500))
    for name in ('phone.HEIC', 'logo.svg', 'camera.nef', 'new.jxl'):
        put(tmp_path, name, b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(500))
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 1
    assert dict(dataset.skipped) == dict.fromkeys(
        ('camera.nef', 'logo.svg', 'new.jxl', 'phone.HEIC'), 'not a picture that Pillow can open')


def test_a_pipe_does_not_hold_up_the_reader(tmp_path):
    put(tmp_path, 'a.png')
    os.mkfifo(tmp_path / 'pipe.jpg')
    assert in_child("""
from gans_n_roses.pictures.folder import read_folder
dataset = read_folder(sys.argv[1], 16)
tell([len(dataset.images), dataset.skipped, 'tensorflow' in sys.modules])
""", tmp_path) == [1, [], False]


# What cannot be read

WHOLE = Image.fromarray(np.random.default_rng(2).integers(0, 256, [60, 80, 3], np.uint8))
TRUNCATED = {suffix: encode(WHOLE, suffix)[:-800] for suffix in ('.jpg', '.png', '.gif', '.bmp', '.tif', '.webp')}
BROKEN = {
    'empty.jpg': (b'', 'empty file'),
    'text.jpg': (b'<html>404 Not Found</html>\n', 'not a picture that Pillow can open'),
    'zeros.png': (bytes(5000), 'not a picture that Pillow can open'),
    'signature.png': (png(8, 2, RGB)[:8], 'not a picture that Pillow can open'),
    'header.png': (png(8, 2, RGB)[:20], 'Truncated'),
    'truncated.jpg': (TRUNCATED['.jpg'], 'truncated'),
    'truncated.png': (TRUNCATED['.png'], 'truncated'),
    'truncated.gif': (TRUNCATED['.gif'], 'truncated'),
    'truncated.bmp': (TRUNCATED['.bmp'], 'truncated'),
    'truncated.tif': (TRUNCATED['.tif'], ''),  # each decoder has its own words
    'truncated.webp': (TRUNCATED['.webp'], ''),
    'bomb.png': (png(8, 2, [], width=30_000, height=30_000), 'decompression bomb'),
    'bomb': (png(8, 2, [], width=30_000, height=30_000), 'decompression bomb'),
    'no_pixels.png': (png(8, 2, [], width=0, height=5), 'not a picture that Pillow can open'),
    'text_bomb.png': (png(8, 2, RGB, (b'zTXt', b'k\0\0' + zlib.compress(bytes(10**7)))), 'Decompressed data too large'),
    'pixels_missing.png': (png(8, 2, RGB).replace(b'IDAT', b'xDAT'), ''),
}


@pytest.mark.parametrize('name', BROKEN)
def test_a_broken_file_is_named_and_the_rest_is_read(tmp_path, name):
    content, reason = BROKEN[name]
    put(tmp_path, f'b/{name}', content)
    put(tmp_path, 'a.png', coloured(1))
    put(tmp_path, 'c.png', coloured(3))
    dataset = read_folder(tmp_path, SIZE)
    assert numbers(dataset.images) == [1, 3]
    [(skipped, told)] = dataset.skipped
    assert skipped == f'b/{name}' and reason in told and told.strip()
    assert summary(dataset) == ['2 pictures, 1 skipped', f'skipped b/{name}: {told}']


def test_damaged_bytes_never_end_the_run(tmp_path):
    rng = np.random.default_rng(3)
    for suffix in ('.jpg', '.png', '.gif', '.webp', '.tif'):
        whole = np.frombuffer(encode(WHOLE, suffix), np.uint8)
        for number in range(30):
            damaged = whole.copy()
            damaged[rng.integers(200, len(whole), 20)] = rng.integers(0, 256, 20)
            put(tmp_path, f'{number}{suffix}', damaged.tobytes())
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) + len(dataset.skipped) == 150
    assert dataset.skipped and all(reason for _, reason in dataset.skipped)


def test_no_permission(tmp_path):
    for name in ('open.png', 'shut.png', 'shut/in.png', 'listed/in.png', 'all_shut/a.png'):
        put(tmp_path, name)
    for name, mode in {'shut.png': 0, 'shut': 0, 'listed': 0o444, 'all_shut': 0}.items():
        (tmp_path / name).chmod(mode)
    tmp_path.chmod(0o755)
    try:
        found, sentence = in_child("""
from PIL import Image
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.errors import BadInput
Image.init()  # as nobody, Pillow's own files may be out of reach
os.chdir(sys.argv[1])  # and so may the folders above
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
dataset = read_folder('.', 16)
try:
    read_folder('all_shut', 16)
except BadInput as problem:
    tell([[len(dataset.images), dict(dataset.skipped)], str(problem)])
""", tmp_path)
    finally:
        for path in tmp_path.iterdir():
            path.chmod(0o755)
    assert found == [1, dict.fromkeys(('shut.png', 'shut', 'listed/in.png', 'all_shut'), 'Permission denied')]
    assert "'all_shut'" in sentence and '1 × Permission denied' in sentence


def test_ten_are_named_and_the_rest_counted(tmp_path):
    put(tmp_path, 'a.png')
    for number in range(10):
        put(tmp_path, f'bad{number:02d}.jpg', b'')
    named = [f'skipped bad{number:02d}.jpg: empty file' for number in range(10)]
    assert summary(read_folder(tmp_path, SIZE)) == ['1 picture, 10 skipped', *named]
    for number in range(10, 13):
        put(tmp_path, f'bad{number:02d}.jpg', b'')
    dataset = read_folder(tmp_path, SIZE)
    assert summary(dataset) == ['1 picture, 13 skipped', *named, 'and 3 more']
    assert len(dataset.skipped) == 13


def test_names_that_do_not_print(tmp_path):
    names = [b'new\nline.jpg', b'tab\t.jpg', b'bytes\xff\xfe.jpg', 'grün 花.jpg'.encode(), b'escape\x1b[2J.jpg']
    try:
        for name in names:
            Path(os.fsdecode(os.fsencode(tmp_path) + b'/' + name)).write_bytes(b'')
            Path(os.fsdecode(os.fsencode(tmp_path) + b'/read' + name)).write_bytes(coloured(1))
    except OSError:
        pytest.skip('this file system takes no such names')
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 5
    first, *lines = summary(dataset)
    assert first.startswith('5 pictures, 5 skipped')
    assert sorted(lines) == sorted(f'skipped {name}: empty file' for name in (
        r'new\nline.jpg', r'tab\t.jpg', r'bytes\udcff\udcfe.jpg', 'grün 花.jpg', r'escape\x1b[2J.jpg'))
    '\n'.join(lines).encode()  # what print does


@pytest.mark.parametrize('folder, sentence', [
    ('nowhere', "DATASET_PATH is '{}', but there is no such folder here"),
    ('file.png', "DATASET_PATH is '{}', but there is no such folder here"),
    ('no\0name', 'there is no such folder here'),
    ('n' * 300, 'there is no such folder here'),
    ('bare', "DATASET_PATH is '{}', but it holds no picture that can be read (0 files looked at)"),
    ('bad', "DATASET_PATH is '{}', but it holds no picture that can be read (4 files looked at; 2 × empty file; "
            '1 × not a picture that Pillow can open)'),
])
def test_nothing_to_read_is_one_sentence(tmp_path, folder, sentence):
    put(tmp_path, 'file.png')
    (tmp_path / 'bare').mkdir()
    for name, content in {'a.jpg': b'', 'b.jpg': b'', 'c.jpg': b'text', 'd.txt': b'text'}.items():
        put(tmp_path, f'bad/{name}', content)
    with pytest.raises(BadInput) as caught:
        load_dataset(tmp_path / folder, SIZE)
    assert sentence.format(tmp_path / folder) in str(caught.value)
    assert 'mission_control.py' in str(caught.value) and '\n' not in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_empty_path_is_not_the_current_folder(tmp_path, monkeypatch):
    put(tmp_path, 'a.png')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match='no such folder'):
        load_dataset('', SIZE)
    assert len(load_dataset('.', SIZE)) == 1


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux holds a process to such a limit')
def test_little_memory(tmp_path):
    put(tmp_path, 'a.png')
    with open(tmp_path / 'archive.zip', 'wb') as file:
        file.truncate(20 << 30)  # takes no room on the disk
    images, skipped, sentence = in_child("""
import resource
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.errors import BadInput
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
dataset = read_folder(sys.argv[1], 16)
try:
    read_folder(sys.argv[1], 1 << 16)
except BadInput as problem:
    tell([len(dataset.images), dataset.skipped, str(problem)])
""", tmp_path)
    assert (images, skipped) == (1, [])  # a large file that is no picture is not read whole
    assert '2 files at IMAGE_SIZE 65536 are more than memory holds' in sentence and 'lower IMAGE_SIZE' in sentence


@pytest.mark.parametrize(('suffix', 'options', 'read'), [
    ('.png', {}, False), ('.tif', {}, False), ('.jpg', {}, True), ('.jpg', {'progressive': True}, False)])
def test_too_many_pixels_are_named_and_skipped_unless_a_jpeg_is_decoded_smaller(
        tmp_path, monkeypatch, suffix, options, read):
    put(tmp_path, 'a.png', coloured(1))
    put(tmp_path, f'large{suffix}', encode(Image.new('RGB', (1200, 1000)), suffix, **options))
    monkeypatch.setattr(data, 'PIXELS_AT_ONCE', 1_000_000)
    dataset = read_folder(tmp_path, SIZE)
    reason = '1 million pixels, at most 1 million can be read: make it smaller'
    assert dataset.skipped == ([] if read else [(f'large{suffix}', reason)])
    assert len(dataset.images) == 1 + read


def test_a_picture_is_the_same_in_strips_as_whole(tmp_path, monkeypatch):
    for name, (image, options, *_) in MODES.items():
        image.save(tmp_path / name, **options)
    whole = load_dataset(tmp_path, SIZE)
    monkeypatch.setattr(data, 'STRIP_PIXELS', 100)
    assert np.array_equal(load_dataset(tmp_path, SIZE), whole)


def test_a_thousand_nested_folders_are_read(tmp_path):
    folder, deep = os.getcwd(), 0
    try:
        os.chdir(tmp_path)
        while deep < 1200:  # one by one: the whole path may be longer than the system takes
            os.mkdir('d')
            os.chdir('d')
            deep += 1
        put(Path('.'), 'a.png', coloured(7))
        os.chdir(folder)
        assert numbers(load_dataset(tmp_path, SIZE)) == [7]
    finally:
        os.chdir(folder)
        subprocess.run(['rm', '-rf', tmp_path / 'd'], check=True)  # pytest's own removal is recursive


# Order, duplicates, fingerprint

def test_order_is_that_of_the_paths_however_they_came(tmp_path):
    names = [f'{folder}{number:02d}.png' for folder in ('', 'B/', 'a/', 'a-b/') for number in range(12)]
    expected = sorted(names)
    rng = np.random.default_rng(4)
    for attempt in ('first', 'second'):
        for name in rng.permutation(names):
            put(tmp_path / attempt, name, coloured(expected.index(name)))
        assert list_files(tmp_path / attempt) == expected
        assert numbers(load_dataset(tmp_path / attempt, SIZE)) == list(range(48))


def test_order_is_the_same_for_composed_and_decomposed_names(tmp_path):
    for form in ('NFC', 'NFD'):
        for number, name in enumerate(('f.png', 'é/a.png', 'é/b.png', 'ü.png')):
            put(tmp_path / form, unicodedata.normalize(form, name), coloured(number))
    composed, decomposed = (read_folder(tmp_path / form, SIZE) for form in ('NFC', 'NFD'))
    assert numbers(composed.images) == numbers(decomposed.images) == [0, 1, 2, 3]
    assert composed.fingerprint == decomposed.fingerprint


def test_both_forms_of_a_name_have_an_order(tmp_path):
    letters = ('é', 'è', 'ü', 'ñ')
    names = [unicodedata.normalize(form, f'{letter}.png') for letter in letters for form in ('NFC', 'NFD')]
    for name in names:
        put(tmp_path, name)
    if len(list(tmp_path.iterdir())) < len(names):
        pytest.skip('this file system takes both forms for one name')
    by_pair = sorted(names, key=lambda name: (unicodedata.normalize('NFC', name), name))
    assert list_files(tmp_path) == by_pair


def test_duplicates_are_kept_and_counted(tmp_path):
    for name, number in {'a': 1, 'b': 2, 'sub/a': 1, 'sub/c': 1, 'd': 2, 'e': 3}.items():
        put(tmp_path, f'{name}.png', coloured(number))
    put(tmp_path, 'same_pixels.bmp', encode(Image.open(tmp_path / 'a.png'), '.bmp'))
    dataset = read_folder(tmp_path, SIZE)
    assert (len(dataset.images), dataset.duplicates) == (7, 3)
    assert '3 exact duplicates' in summary(dataset)[0]


def test_one_is_told_in_the_singular(tmp_path):
    put(tmp_path, 'a.png', coloured(1))
    assert summary(read_folder(tmp_path, SIZE)) == ['1 picture']
    put(tmp_path, 'b.png', coloured(1))
    put(tmp_path, 'bad.jpg', b'')
    assert summary(read_folder(tmp_path, SIZE))[0] == '2 pictures, 1 skipped, 1 exact duplicate'


def test_fingerprint_follows_the_pictures_alone(tmp_path):
    def fingerprint(folder):
        return read_folder(folder, SIZE).fingerprint

    for number, name in enumerate(('a.png', 'b.png', 'sub/c.png')):
        put(tmp_path / 'one', name, coloured(number))
    first = fingerprint(tmp_path / 'one')
    for number, name in reversed(list(enumerate(('a.png', 'b.png', 'sub/c.png')))):
        put(tmp_path / 'two', name, coloured(number))
    os.utime(tmp_path / 'two' / 'a.png', (1, 1))
    put(tmp_path / 'two', 'notes.txt', b'no picture')
    put(tmp_path / 'two', 'bad.jpg', b'')
    assert fingerprint(tmp_path / 'two') == first
    assert read_folder(tmp_path / 'two', 2 * SIZE).fingerprint == first

    seen = {first}
    put(tmp_path / 'two', 'd.png', coloured(9))
    seen.add(fingerprint(tmp_path / 'two'))
    put(tmp_path / 'two', 'd.png', coloured(10))
    seen.add(fingerprint(tmp_path / 'two'))
    (tmp_path / 'two' / 'a.png').unlink()
    seen.add(fingerprint(tmp_path / 'two'))
    (tmp_path / 'two' / 'b.png').rename(tmp_path / 'two' / 'z.png')
    seen.add(fingerprint(tmp_path / 'two'))
    assert len(seen) == 5


# Threads

def test_decoding_is_done_by_threads_and_comes_out_the_same_each_time(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    for number in range(40):
        picture = Image.fromarray(rng.integers(0, 256, [40, 50, 3], np.uint8))
        suffix = ('.jpg', '.png', '.webp', '.tif')[number % 4]
        put(tmp_path, f'{number:02d}{suffix}', encode(picture, suffix) if number % 9 else b'broken')
    first = read_folder(tmp_path, SIZE)
    assert (len(first.images), len(first.skipped)) == (35, 5)

    threads, fit = [], data._fit
    monkeypatch.setattr(data, '_fit', lambda *args: (threads.append(threading.current_thread()), fit(*args))[1])
    second = read_folder(tmp_path, SIZE)
    assert np.array_equal(first.images, second.images)
    assert first[1:] == second[1:]
    assert len(threads) == 35 and threading.main_thread() not in threads


def test_no_format_is_loaded_while_threads_look_for_it(tmp_path):
    """Pillow misses a format that another thread adds between its two looks."""
    for number in range(8):
        Image.fromarray(RGB).save(tmp_path / f'{number}.webp')
    assert in_child("""
import threading
late = []
def hook(event, found):
    if event == 'import' and threading.current_thread() is not threading.main_thread():
        late.extend(name for name in found[:1] if name.endswith('ImagePlugin'))
sys.addaudithook(hook)
from gans_n_roses.pictures.folder import read_folder
tell([len(read_folder(sys.argv[1], 16).images), late])
""", tmp_path) == [8, []]


def test_pictures_in_memory_at_once_are_within_the_budget(tmp_path, monkeypatch):
    for number in range(12):
        put(tmp_path, f'{number:02d}.png', coloured(number))  # 400 pixels each
    monkeypatch.setattr(data, 'PIXELS_AT_ONCE', 900)
    monkeypatch.setattr(data.os, 'cpu_count', lambda: 6)
    held, seen, lock, fit = [0], [], threading.Lock(), data._fit

    def watched(image, size):
        with lock:
            held[0] += image.width * image.height
            seen.append(held[0])
        try:
            time.sleep(0.01)
            return fit(image, size)
        finally:
            with lock:
                held[0] -= image.width * image.height
    monkeypatch.setattr(data, '_fit', watched)
    assert numbers(load_dataset(tmp_path, SIZE)) == list(range(12))
    assert len(seen) == 12 and max(seen) <= 900


# Arrays and batches

def test_a_plain_array_comes_back(tmp_path):
    for number in range(3):
        put(tmp_path, f'{number}.png', coloured(number))
    images = load_dataset(tmp_path, 32)
    assert type(images) is np.ndarray
    assert (images.dtype, images.shape) == (np.uint8, (3, 32, 32, 3))
    assert isinstance(read_folder(tmp_path, 32), Dataset)


def test_next_batch_is_the_articles_draw():
    pictures = np.random.default_rng(6).integers(0, 256, [50, 8, 8, 3], np.uint8)
    before = pictures.copy()
    rng = np.random.RandomState(7)
    np.random.seed(7)
    for batch_size in (12, 1, 50):
        batch = next_batch(pictures, batch_size, rng)
        expected = np.random.permutation(pictures)[:batch_size] / 127.5 - 1
        assert (batch.dtype, batch.shape) == (np.float32, (batch_size, 8, 8, 3))
        assert np.abs(batch - expected).max() < 1e-6
    assert np.array_equal(pictures, before)


def test_next_batch_draws_without_replacement_and_all_in_time():
    pictures = np.arange(40, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis] + np.zeros([1, 2, 2, 3], np.uint8)
    rng, seen = np.random.RandomState(0), set()
    for _ in range(60):
        drawn = np.round((next_batch(pictures, 10, rng)[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()
        assert len(set(drawn)) == 10
        seen.update(drawn)
    assert seen == set(range(40))


def test_to_float_spans_minus_one_to_one():
    levels = to_float(np.arange(256, dtype=np.uint8))
    assert (levels[0], levels[255], levels.dtype) == (-1, 1, np.float32)
    assert (np.diff(levels) > 0).all()


def test_the_roses_that_ship(tmp_path):
    roses = REPO / 'Dataset' / 'Roses'
    dataset = read_folder(roses, 64)
    assert (dataset.images.shape, dataset.duplicates, dataset.skipped) == ((67, 64, 64, 3), 0, [])
    assert summary(dataset) == ['67 pictures']
    shutil.copytree(roses, tmp_path / 'copy')
    assert read_folder(tmp_path / 'copy', 64).fingerprint == dataset.fingerprint
