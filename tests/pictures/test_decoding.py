"""One file against its picture: every mode, depth and shape, and every fault that a file may have."""

import io
import struct
import threading
import time
import zlib

import numpy as np
import pytest
from picture_files import DEADLINE_S, EXACT, LOSSY, RGB, ROUNDED, SIZE, X, Y, coloured, encode, numbers, png, put, tiff
from PIL import Image, ImageCms, ImageOps

from gans_n_roses.pictures import decoding, folder
from gans_n_roses.pictures.folder import load_dataset, read_folder
from gans_n_roses.training.introduction import summary

# The picture in the forms that its modes need.
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


def big_endian(levels):
    """Rows of a 16-bit PNG from [height, width] or [height, width, channels]."""
    return [row.astype('>u2').tobytes() for row in levels]


def packed(levels, bits):
    """Rows of a PNG of 2 or 4 bits from levels [height, width] below 2 ** bits."""
    per_byte = 8 // bits
    groups = levels.reshape(len(levels), -1, per_byte).astype(int)
    return [(row << np.arange(8 - bits, -1, -bits)).sum(-1).astype(np.uint8).tobytes() for row in groups]


# Modes

FROM_ARRAY = Image.fromarray
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
    'grey of 12 bits in 16': (png(16, 0, big_endian(GREY.astype(int) * 4095 // 255)), rgb(GREY)),
    'PGM of 12 bits in 16': (b'P5 36 24 65535\n' + b''.join(big_endian(GREY.astype(int) * 4095 // 255)), rgb(GREY)),
    'PGM of 12 bits': (b'P5 36 24 4095\n' + b''.join(big_endian(GREY.astype(int) * 4095 // 255)), rgb(GREY)),
    'PGM of 16 bits': (b'P5 36 24 65535\n' + b''.join(big_endian(GREY_16)), rgb(GREY_16 / 257)),
}


@pytest.mark.parametrize('name', HANDWRITTEN)
def test_depth(tmp_path, name):
    content, expected = HANDWRITTEN[name]
    put(tmp_path, 'picture', content)
    assert np.array_equal(load_dataset(tmp_path, SIZE)[0], fitted(expected))


# Headers that Pillow reads otherwise than they are meant

BITS_12 = GREY.astype(int) * 4095 // 255


def packed_12(levels):
    first, second = levels[:, ::2], levels[:, 1::2]
    return np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1).astype(np.uint8).tobytes()


def planes(array):
    return [np.ascontiguousarray(each).tobytes() for each in np.moveaxis(array, -1, 0)]


COLOUR_MAP = np.pad(PALETTE, [(0, 252), (0, 0)]).T.ravel().tolist()
LAYOUTS = {  # strips, tags, order of bytes, picture
    '12 bits': ([packed_12(BITS_12)], {258: [12]}, '<', rgb(GREY)),
    '12 bits in 16': ([BITS_12.astype('<u2').tobytes()], {258: [16]}, '<', rgb(GREY)),
    '12 bits in 16, big-endian': ([BITS_12.astype('>u2').tobytes()], {258: [16]}, '>', rgb(GREY)),
    '12 bits in 16, white is zero': ([BITS_12.astype('<u2').tobytes()], {258: [16], 262: [0]}, '<', rgb(255 - GREY)),
    'more than 12 bits in 16': ([(BITS_12 + 999).astype('<u2').tobytes()], {258: [16]}, '<',
                                rgb((BITS_12 + 999) / 257)),
    '16 bits, white is zero': ([GREY_16.tobytes()], {258: [16], 262: [0]}, '<', rgb(255 - GREY_16 / 257)),
    'floating point, white is zero': ([GREY_16.astype('<f4').tobytes()], {258: [32], 262: [0], 339: [3]}, '<',
                                      255 - stretched(GREY_16)),
    '32 bits beyond the half': ([(GREY_16.astype('<u4') * 60000).tobytes()], {258: [32]}, '<', stretched(GREY_16)),
    'negative levels of 32 bits': ([(GREY_16.astype('<i4') - 30000).tobytes()], {258: [32], 339: [2]}, '<',
                                   stretched(GREY_16)),
    'colours of 8 bits': ([INDEX.tobytes()], {258: [8], 262: [3], 320: COLOUR_MAP}, '<', PALETTE[INDEX]),
    'colours of 16 bits': ([INDEX.tobytes()], {258: [8], 262: [3], 320: [256 * level for level in COLOUR_MAP]}, '>',
                           PALETTE[INDEX]),
    'planes of 8 bits': (planes(RGB), {258: [8, 8, 8], 262: [2], 277: [3], 284: [2]}, '<', RGB),
}


@pytest.mark.parametrize('name', LAYOUTS)
def test_a_tiff_shows_what_its_header_says(tmp_path, name):
    strips, tags, order, expected = LAYOUTS[name]
    put(tmp_path, 'picture.tif', tiff(strips, tags, order))
    assert np.abs(load_dataset(tmp_path, SIZE)[0].astype(int) - fitted(expected)).max() <= 1


RGB_16 = RGB.astype('<u2') * 257
MISREAD = {
    'planes of 16 bits': tiff(planes(RGB_16), {258: [16] * 3, 262: [2], 277: [3], 284: [2]}),
    'planes of 16 bits, big-endian': tiff(planes(RGB_16.astype('>u2')), {258: [16] * 3, 262: [2], 277: [3], 284: [2]},
                                          '>'),
    'planes of CMYK': tiff(planes(CMYK.astype('<u2') * 257), {258: [16] * 4, 262: [5], 277: [4], 284: [2]}),
    'compressed planes with alpha': tiff([zlib.compress(each) for each in planes(np.dstack([GREY, ALPHA]))],
                                         {258: [8, 8], 259: [8], 277: [2], 284: [2], 338: [2]}),
    'levels of 8 bits with a sign': tiff([(GREY - 128).astype(np.uint8).tobytes()], {258: [8], 339: [2]}),
    'compressed floating point, big-endian': tiff([zlib.compress(GREY.astype('>f4').tobytes())],
                                                  {258: [32], 259: [8], 339: [3]}, '>'),
    'compressed levels with a sign, big-endian': tiff([zlib.compress(GREY.astype('>i2').tobytes())],
                                                      {258: [16], 259: [8], 339: [2]}, '>'),
}


@pytest.mark.parametrize('name', MISREAD)
def test_a_tiff_that_pillow_misreads_is_named(tmp_path, name):
    put(tmp_path, 'picture.tif', MISREAD[name])
    put(tmp_path, 'a.png')
    assert read_folder(tmp_path, SIZE).skipped == [
        ('picture.tif', 'Pillow misreads TIFFs of this layout: save it as PNG')]


def test_12_bits_in_the_16_of_colours_are_named(tmp_path):
    put(tmp_path, 'a.png')
    put(tmp_path, 'deep.png', png(16, 2, big_endian(RGB.astype(int) * 16)))
    put(tmp_path, 'deep.tif', tiff([(RGB_16 >> 4).tobytes()], {258: [16] * 3, 262: [2], 277: [3]}))
    put(tmp_path, 'full.png', png(16, 2, big_endian(RGB_16)))
    put(tmp_path, 'black.png', png(16, 6, big_endian(np.dstack([RGB_16 * 0, ALPHA.astype(int) * 257]))))
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 3
    assert [name for name, _ in dataset.skipped] == ['deep.png', 'deep.tif']
    assert all(reason.startswith('at most 12 of the 16 bits of its colours') for _, reason in dataset.skipped)


def tga(pixels, attribute_bits, kind=2):
    height, width, depth = pixels.shape
    return struct.pack('<BBBHHBHHHHBB', 0, 0, kind, 0, 0, 0, 0, 0, width, height, 8 * depth, 0x20 | attribute_bits
                       ) + pixels.tobytes()


@pytest.mark.parametrize(('alpha', 'attribute_bits'), [(0, 0), (99, 0), (0, 8), (255, 8), (255, 0)])
def test_a_fourth_channel_that_is_no_alpha_hides_nothing(tmp_path, alpha, attribute_bits):
    pixels = np.dstack([RGB[..., ::-1], np.full_like(GREY, alpha)])
    put(tmp_path, 'picture.tga', tga(pixels, attribute_bits))
    assert np.array_equal(load_dataset(tmp_path, SIZE)[0], fitted(RGB))


def test_alpha_of_a_tga_is_alpha(tmp_path):
    put(tmp_path, 'picture.tga', tga(np.dstack([RGB[..., ::-1], ALPHA]), 8))
    assert np.abs(load_dataset(tmp_path, SIZE)[0] - fitted(on_white(RGB, ALPHA / 255)).astype(int)).max() <= ROUNDED


def test_a_white_drawing_on_nothing_is_seen_on_black(tmp_path):
    disc = np.where((X - 18)**2 + (Y - 12)**2 < 60, 255, 0).astype(np.uint8)
    white, black = np.full_like(RGB, 255), np.zeros_like(RGB)
    for name, ground in {'a white one': white, 'black': black}.items():
        put(tmp_path, f'{name}.png', encode(Image.fromarray(np.dstack([ground, disc])), '.png'))
    put(tmp_path, 'nothing.png', encode(Image.fromarray(np.dstack([black, disc * 0])), '.png'))
    dataset = read_folder(tmp_path, SIZE)
    assert np.array_equal(dataset.images, [fitted(rgb(disc)), fitted(rgb(255 - disc)), fitted(white)])
    assert dataset.blank == 1


# Colour profiles

def profile_of(kind, gamma=2.2):
    """An ICC profile: linear RGB with other primaries, or grey, written by hand as version 2 of the standard."""
    def fixed(*values):
        return struct.pack(f'>{len(values)}i', *(round(value * 65536) for value in values))

    def xyz(*values):
        return b'XYZ \0\0\0\0' + fixed(*values)
    curve = b'curv\0\0\0\0' + struct.pack('>IH', 1, round(gamma * 256)) + b'\0\0'
    tags = {b'wtpt': xyz(0.9642, 1, 0.8249), b'desc': b'desc' + bytes(90), b'cprt': b'text\0\0\0\0-\0\0\0'}
    if kind == b'GRAY':
        tags[b'kTRC'] = curve
    else:  # Adobe RGB, to the white of profiles
        tags |= {b'rXYZ': xyz(0.60974, 0.31111, 0.01947), b'gXYZ': xyz(0.20528, 0.62567, 0.06087),
                 b'bXYZ': xyz(0.14919, 0.06322, 0.74457), b'rTRC': curve, b'gTRC': curve, b'bTRC': curve}
    table, data = struct.pack('>I', len(tags)), b''
    for name, content in tags.items():
        table += name + struct.pack('>II', 128 + 4 + 12 * len(tags) + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    header = struct.pack('>I4sI4s4s4s12s4s28s12s', 128 + len(table) + len(data), b'lcms', 0x2100000, b'mntr', kind,
                         b'XYZ ', bytes(12), b'acsp', bytes(28), fixed(0.9642, 1, 0.8249))
    return header.ljust(128, b'\0') + table + data


def adobe_to_srgb(colours):
    """From the definitions of both spaces (both of white D65), in floating point; out of range is cut off."""
    linear = (np.asarray(colours) / 255)**2.2
    xyz = linear @ np.array([[0.57667, 0.29734, 0.02703], [0.18556, 0.62736, 0.07069], [0.18823, 0.07529, 0.99134]])
    linear = np.clip(xyz @ np.array([[3.24097, -0.96924, 0.05563], [-1.53738, 1.87597, -0.20398],
                                     [-0.49861, 0.04156, 1.05697]]), 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear**(1 / 2.4) - 0.055)


def test_adobe_rgb_is_shown_as_srgb(tmp_path):
    colours = np.array([[120, 160, 90], [200, 180, 150], [90, 100, 140], [255, 255, 255], [60, 60, 60]], np.uint8)
    for number, colour in enumerate(colours):
        picture = Image.new('RGB', (40, 40), tuple(colour.tolist()))
        for suffix, options in {'.png': {}, '.jpg': {'quality': 100}, '.tif': {}, '.webp': {'lossless': True}}.items():
            put(tmp_path, f'{number}{suffix}', encode(picture, suffix, icc_profile=profile_of(b'RGB '), **options))
    shown = load_dataset(tmp_path, SIZE).reshape(5, 4, SIZE, SIZE, 3)
    expected = adobe_to_srgb(colours)[:, np.newaxis, np.newaxis, np.newaxis]
    assert np.abs(expected[0] - colours[0]).max() > 20
    assert np.abs(shown - expected).max() <= 3


def test_a_grey_profile_is_followed(tmp_path):
    put(tmp_path, 'grey.png', encode(Image.new('L', (40, 40), 64), '.png', icc_profile=profile_of(b'GRAY', 1)))
    put(tmp_path, 'grey_of_rgb.png', encode(Image.new('L', (40, 40), 64), '.png', icc_profile=profile_of(b'RGB ', 1)))
    assert np.abs(load_dataset(tmp_path, SIZE).astype(int) - 137).max() <= 1  # sRGB of the linear 64 / 255


def test_a_profile_of_cmyk_is_followed(tmp_path, monkeypatch):
    """One that would do has a megabyte: the transform is played, to see that it is given the picture's own inks."""
    given = []
    monkeypatch.setattr(decoding, '_conversion', lambda _: ('CMYK', None))
    monkeypatch.setattr(decoding.ImageCms, 'applyTransform',
                        lambda image, _: given.append(image) or image.convert('RGB'))
    Image.frombytes('CMYK', (36, 24), CMYK.tobytes()).save(tmp_path / 'inks.tif')
    put(tmp_path, 'rgb.png')
    assert len(load_dataset(tmp_path, SIZE)) == 2
    assert [image.mode for image in given] == ['CMYK']


def test_srgb_and_damaged_profiles_change_nothing(tmp_path):
    whole = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    adobe, rng = profile_of(b'RGB '), np.random.default_rng(0)
    profiles = [whole, b'', b'x', adobe[:100], adobe[:200], bytes(500), adobe.replace(b'RGB ', b'CMYK'),
                adobe.replace(b'RGB ', b'7CLR'), adobe.replace(b'acsp', b'????')]
    for number, profile in enumerate(profiles):
        put(tmp_path, f'{number}.png', encode(Image.fromarray(RGB), '.png', icc_profile=profile))
    put(tmp_path, 'grey.tif', encode(Image.fromarray(RGB), '.tif', icc_profile=profile_of(b'GRAY')))
    dataset = read_folder(tmp_path, SIZE)
    assert dataset.skipped == [] and (dataset.images == fitted(RGB)).all()
    for number in range(100):
        damaged = bytearray(adobe)
        for place in rng.integers(0, len(adobe), 3):
            damaged[place] = rng.integers(256)
        put(tmp_path, f'damaged{number}.png', encode(Image.fromarray(RGB), '.png', icc_profile=bytes(damaged)))
    assert read_folder(tmp_path, SIZE).skipped == []


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


# CHANNELS and FIT


@pytest.fixture
def forms(tmp_path):
    """Function: the picture of a file 48 pixels wide and 24 high, opaque but for its right half, in a form."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, [24, 48, 3], np.uint8))
    picture.putalpha(Image.fromarray(np.tile(np.repeat(np.uint8([255, 0]), 24), (24, 1))))
    put(tmp_path / 'clear', 'picture.png', encode(picture, '.png'))
    put(tmp_path / 'opaque', 'picture.png', encode(picture.convert('RGB'), '.png'))
    return lambda which, **form: load_dataset(tmp_path / which, SIZE, **form)[0]


def test_stretched_pictures_are_scaled_on_both_sides(forms, tmp_path):
    with Image.open(tmp_path / 'opaque' / 'picture.png') as image:
        expected = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS))
    assert np.array_equal(forms('opaque', fit='stretch'), expected)


def test_padded_pictures_are_shown_whole_on_the_mean_colour_of_their_border(forms, tmp_path):
    with Image.open(tmp_path / 'opaque' / 'picture.png') as image:
        whole = np.asarray(image.resize((SIZE, SIZE // 2), Image.Resampling.LANCZOS))
    found = forms('opaque', fit='pad')
    assert np.array_equal(found[SIZE // 4:-SIZE // 4], whole)
    border = np.concatenate([whole[0], whole[-1], whole[:, 0], whole[:, -1]]).mean(0)
    margin = np.concatenate([found[:SIZE // 4], found[-SIZE // 4:]])
    assert np.abs(margin - border).max() <= 0.5


@pytest.mark.parametrize('fit', ['crop', 'pad', 'stretch'])
def test_grey_pictures_are_the_luminance_of_the_coloured_ones(forms, fit):
    found = forms('opaque', channels=1, fit=fit)
    assert found.shape == (SIZE, SIZE, 1)
    expected = np.asarray(Image.fromarray(forms('opaque', fit=fit)).convert('L'))
    assert np.array_equal(found[..., 0], expected)


def test_what_is_transparent_keeps_its_alpha_and_is_laid_on_grey(forms):
    found = forms('clear', channels=4, fit='stretch')
    assert found.shape == (SIZE, SIZE, 4)
    left, right = found[:, :SIZE // 2 - 2], found[:, SIZE // 2 + 2:]
    assert (left[..., 3] > 250).all() and (right[..., 3] < 5).all()
    assert np.abs(right[..., :3] - 127.5).max() < 5
    opaque = forms('opaque', channels=4, fit='stretch')
    assert (opaque[..., 3] == 255).all() and np.array_equal(opaque[..., :3], forms('opaque', fit='stretch'))
    assert np.abs(left[:, :-2, :3].astype(int) - opaque[:, :SIZE // 2 - 4, :3]).max() < 5  # no colour bleeds in


def test_padded_pictures_with_transparency_lie_on_nothing(forms):
    found = forms('opaque', channels=4, fit='pad')
    assert (found[SIZE // 4:-SIZE // 4, :, 3] == 255).all()
    assert (found[:SIZE // 4, :, 3] == 0).all() and np.abs(found[:SIZE // 4, :, :3] - 127.5).max() < 1


@pytest.mark.parametrize('fit', ['pad', 'stretch'])
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_every_shape_has_every_form(tmp_path, fit, channels):
    for name, size in {'one': (1, 1), 'wide': (2000, 3), 'high': (1, 2000)}.items():
        put(tmp_path, f'{name}.png', encode(Image.new('RGB', size, (10, 200, 90)), '.png'))
    dataset = read_folder(tmp_path, SIZE, channels, fit)
    assert dataset.images.shape == (3, SIZE, SIZE, channels) and not dataset.skipped


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
    assert summary(dataset)[0] == '2 pictures, 1 skipped'
    assert summary(dataset)[1].startswith(f'1 skipped (b/{name}): {told[:20]}')


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


# Memory

@pytest.mark.parametrize(('suffix', 'options', 'read'), [
    ('.png', {}, False), ('.tif', {}, False), ('.jpg', {}, True), ('.jpg', {'progressive': True}, False)])
def test_too_many_pixels_are_named_and_skipped_unless_a_jpeg_is_decoded_smaller(
        tmp_path, monkeypatch, suffix, options, read):
    put(tmp_path, 'a.png', coloured(1))
    put(tmp_path, f'large{suffix}', encode(Image.new('RGB', (1200, 1000)), suffix, **options))
    monkeypatch.setattr(decoding, 'MOST_PIXELS', 1_000_000)
    dataset = read_folder(tmp_path, SIZE)
    reason = '1 million pixels, at most 1 million can be read: make it smaller'
    assert dataset.skipped == ([] if read else [(f'large{suffix}', reason)])
    assert len(dataset.images) == 1 + read


def test_a_picture_is_the_same_in_strips_as_whole(tmp_path, monkeypatch):
    for name, (image, options, *_) in MODES.items():
        image.save(tmp_path / name, **options)
    whole = load_dataset(tmp_path, SIZE)
    monkeypatch.setattr(decoding, 'STRIP_PIXELS', 100)
    assert np.array_equal(load_dataset(tmp_path, SIZE), whole)


def test_large_pictures_are_decoded_by_one_thread(tmp_path, monkeypatch):
    for number in range(12):
        put(tmp_path, f'{number:02d}.png', coloured(number))  # 400 pixels each
    monkeypatch.setattr(decoding, 'LARGE_PIXELS', 399)
    monkeypatch.setattr(folder.os, 'cpu_count', lambda: 6)
    held, seen, threads, lock, fit = [0], [], set(), threading.Lock(), decoding._fit

    def watched(image, size):
        threads.add(threading.current_thread())
        with lock:
            held[0] += image.width * image.height
            seen.append(held[0])
        try:
            time.sleep(0.01)
            return fit(image, size)
        finally:
            with lock:
                held[0] -= image.width * image.height
    monkeypatch.setattr(decoding, '_fit', watched)
    assert numbers(load_dataset(tmp_path, SIZE)) == list(range(12))
    assert len(seen) == 12 and max(seen) == 400
    assert len(threads) == 1


def test_small_pictures_are_decoded_at_the_same_time(tmp_path, monkeypatch):
    for number in range(2):
        put(tmp_path, f'{number}.png', coloured(number))
    monkeypatch.setattr(folder.os, 'cpu_count', lambda: 2)
    both, fit = threading.Barrier(2, timeout=DEADLINE_S), decoding._fit
    monkeypatch.setattr(decoding, '_fit', lambda *args: (both.wait(), fit(*args))[1])
    assert numbers(load_dataset(tmp_path, SIZE)) == [0, 1]
