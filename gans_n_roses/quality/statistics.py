"""What a picture looks like, in numbers: the statistics of a steerable pyramid. NumPy alone; nothing is learnt.

Six groups of numbers (Portilla and Simoncelli 2000, doi:10.1023/A:1026553619983; `second` after Bruna and Mallat 2013,
arXiv:1203.1513):

| group | of the magnitudes of the pyramid's bands | sees first |
|---|---|---|
| energy | mean of each, beside the others | wrong colours, blur |
| spread | deviation over the picture, beside the mean | checkerboard, noise, blur, texture where objects should be |
| orient | correlation of two bands of one level | few kinds of picture, pictures of another kind |
| scale | correlation of a band with those one level finer | the same, and tiles |
| second | how a band swells and fades, at each coarser level | checkerboard, noise, blur, bent and broken outlines |
| thumb | a 4×4 thumbnail in units of the picture's contrast | colour, light, and what lies where |
"""

from functools import cache

import numpy as np

GROUPS = ('energy', 'spread', 'orient', 'scale', 'second', 'thumb')
AT_ONCE = 32  # pictures of 64 pixels that are described at a time: bounds the memory
SMALLEST = 8  # pixels a side of the coarsest level
COLOUR_UP_TO = 32  # pixels a side of the finest level that has bands of colour: finer ones are of luminance
ORIENTATIONS = 4
THUMB = 4
FAINT = np.float32(0.001)  # of 2, the range of the pixels: bands fainter than that count as empty
CONTRAST = np.float32(10 / 127.5)  # of 2 too: a picture with hardly any counts as having that
OPPONENT = np.float32([[.299, .587, .114], [.5, -.5, 0], [-.25, -.25, .5]]).T  # luminance, red-green, blue-yellow


def describe(pictures):
    """Describe pictures, some at a time.

    Args:
      pictures: uint8 [n, size, size, 3], size a power of two from 16 to 256.
    Returns:
      dict of group → float32 [n, numbers]; together some 700 numbers at 64 pixels.
    """
    size = pictures.shape[1]
    step = max(AT_ONCE * 64 * 64 // (size * size), 1)
    found = [_describe_few(pictures[start:start + step]) for start in range(0, len(pictures), step)]
    return {name: np.concatenate([each[name] for each in found]) for name in GROUPS}


def _describe_few(pictures):
    count, size = pictures.shape[:2]
    image = (pictures.astype(np.float32) / np.float32(127.5) - 1) @ OPPONENT       # [n, size, size, 3]
    spectrum = np.fft.fft2(image.transpose(0, 3, 1, 2))                            # [n, 3, size, size]
    groups = {name: [] for name in GROUPS}
    means, finer = [], None
    levels = size.bit_length() - SMALLEST.bit_length() + 1
    for level in range(levels):
        side = size >> level
        channels = 3 if side <= COLOUR_UP_TO else 1
        bands = _magnitudes(spectrum[:, :channels], _filters(size, level, level))  # [n, channels * 4, side, side]
        mean, deviation = bands.mean((2, 3)) + FAINT, bands.std((2, 3)) + FAINT
        means.append(np.log(mean))
        groups['spread'].append(np.log(deviation / mean))
        standard = _standardized(bands)
        pairs = np.triu_indices(bands.shape[1], 1)
        groups['orient'].append(_correlations(standard, standard)[:, pairs[0], pairs[1]])
        if finer is not None:
            groups['scale'].append(_correlations(_standardized(_halved(finer)), standard).reshape(count, -1))
        swells = np.fft.fft2(bands[:, :ORIENTATIONS])
        for coarser in range(level + 1, levels):
            second = _magnitudes(swells, _filters(size, level, coarser)).mean((2, 3)) + FAINT
            groups['second'].append(np.log(second) - np.repeat(means[level][:, :ORIENTATIONS], ORIENTATIONS, axis=1))
        finer = bands
    contrast = np.mean([each[:, :ORIENTATIONS].mean(1) for each in means], axis=0)
    groups['energy'] = [each - contrast[:, np.newaxis] for each in means]
    cell = size // THUMB
    cells = image.reshape(count, THUMB, cell, THUMB, cell, 3).mean((2, 4)).reshape(count, -1)
    groups['thumb'] = [cells / np.sqrt(image[..., 0].var((1, 2)) + CONTRAST**2)[:, np.newaxis]]
    return {name: np.concatenate(each, axis=1).astype(np.float32) for name, each in groups.items()}


def _magnitudes(spectrum, filters):
    """Filter, and take the size of the complex answer: it stays where a phase moves.

    Args:
      spectrum: complex [n, c, size, size].
      filters: float32 [k, side, side], side at most size: what is above their frequencies is cut off.
    Returns:
      float32 [n, c * k, side, side].
    """
    size, side = spectrum.shape[-1], filters.shape[-1]
    kept = np.r_[:side // 2, size - side // 2:size]
    low = spectrum[:, :, kept[:, np.newaxis], kept] * np.float32((side / size)**2)
    bands = np.abs(np.fft.ifft2(low[:, :, np.newaxis] * filters)).astype(np.float32)
    return bands.reshape(len(spectrum), -1, side, side)


@cache
def _filters(size, start, level):
    """The bands of a pyramid's level, one octave wide, for what is `size` >> `start` pixels a side.

    Each takes half of the plane of frequencies (steerable: Simoncelli and Freeman 1995), so that its answer is complex.

    Returns:
      float32 [ORIENTATIONS, side, side], side = size >> level: at the first level all up to the highest frequency.
    """
    whole, side = size >> start, size >> level
    f = np.fft.fftfreq(whole)[np.r_[:side // 2, whole - side // 2:whole]] / 2**start  # in cycles a pixel of the picture
    f[side // 2] = abs(f[side // 2])  # the highest has no sign; as negative no band would take a checkerboard
    octaves = np.log2(np.maximum(np.hypot(f[:, np.newaxis], f), 1e-9) * 4 * 2**level)
    ring = np.where(np.abs(octaves) < 1, np.cos(np.pi / 2 * octaves), 0)
    if level == 0:
        ring[octaves > 0] = 1
    angles = np.arctan2(f[:, np.newaxis], f) - np.pi / ORIENTATIONS * np.arange(ORIENTATIONS)[:, np.newaxis, np.newaxis]
    return (2 * ring * np.maximum(np.cos(angles), 0)**(ORIENTATIONS - 1)).astype(np.float32)


def _standardized(bands):
    """[n, c, side, side] → [n, c, side * side], each of mean 0 and deviation 1; a faint one of less."""
    flat = bands.reshape(*bands.shape[:2], -1)
    flat = flat - flat.mean(2, keepdims=True)
    return flat / (np.sqrt(np.square(flat).mean(2, keepdims=True)) + FAINT)


def _correlations(a, b):
    """[n, c, k] and [n, d, k] → [n, c, d]."""
    return a @ b.transpose(0, 2, 1) / a.shape[2]


def _halved(bands):
    """[n, c, side, side] → [n, c, side / 2, side / 2], the mean of four each."""
    n, c, side = bands.shape[:3]
    return bands.reshape(n, c, side // 2, 2, side // 2, 2).mean((3, 5))
