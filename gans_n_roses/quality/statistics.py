"""The statistics that pictures are compared by, those of a steerable pyramid. NumPy alone; nothing is learnt.

Six groups of numbers (Portilla and Simoncelli 2000, doi:10.1023/A:1026553619983; `second` after Bruna and Mallat 2013,
arXiv:1203.1513):

| group | of the magnitudes of the pyramid's bands | sees first |
|---|---|---|
| energy | mean of each, beside the others | wrong colours, blur |
| spread | deviation over the picture, beside the mean | checkerboard, noise, blur, texture where objects should be |
| orient | correlation of two bands of one level | few kinds of picture, pictures of another kind |
| scale | correlation of a band with those one level finer | the same, and tiles |
| second | mean of each band's own bands, at coarser levels | checkerboard, noise, blur, bent and broken outlines |
| thumb | a 4×4 thumbnail in units of the picture's contrast | colour, light, and what lies where |
"""

from functools import cache

import numpy as np

from gans_n_roses.pictures.channels import as_rgb

GROUPS = ('energy', 'spread', 'orient', 'scale', 'second', 'thumb')
AT_ONCE = 32  # pictures of 64 pixels that are described at a time: bounds the memory
SMALLEST = 8  # pixels a side of the coarsest level
COLOUR_UP_TO = 32  # pixels a side of the finest level that has bands of colour: finer ones are of luminance
ORIENTATIONS = 4
THUMB = 4
FAINT = np.float32(0.001)  # of 2, the range of the pixels: bands fainter than that count as empty
CONTRAST = np.float32(10 / 127.5)  # of 2 too: a picture of less contrast is treated as having that much
OPPONENT = np.float32([[.299, .587, .114], [.5, -.5, 0], [-.25, -.25, .5]]).T  # luminance, red-green, blue-yellow


def describe(pictures):
    """Compute the statistics of pictures.

    Args:
      pictures: uint8 [n, size, size, channels], size a power of two from 16 to 256.
    Returns:
      dict of group → float32 [n, numbers]; together some 700 numbers at 64 pixels.
    """
    some = chunks(pictures, max(AT_ONCE * 64 * 64 // pictures.shape[1]**2, 1))
    found = [_describe_few(as_rgb(each)) for each in some]
    return {name: np.concatenate(each) for name, each in zip(GROUPS, zip(*found, strict=True), strict=True)}


def chunks(items, count):
    """Successive parts of an array, of `count` rows each; the last may be shorter."""
    return (items[start:start + count] for start in range(0, len(items), count))


def cell_means(pictures, side):
    """Shrink pictures to the means of their cells: [..., size, size, c] → float32 [..., side, side, c]."""
    *several, size, _, channels = pictures.shape
    cell = size // side
    return pictures.reshape(*several, side, cell, side, cell, channels).mean((-4, -2), dtype=np.float32)


def _describe_few(pictures):
    """The groups, in the order of GROUPS: list of float32 [n, numbers]."""
    count, size = pictures.shape[:2]
    image = (pictures.astype(np.float32) / np.float32(127.5) - 1) @ OPPONENT       # [n, size, size, 3]
    spectrum = np.fft.fft2(image.transpose(0, 3, 1, 2))                            # [n, 3, size, size]
    sides = [size >> level for level in range(size.bit_length() - SMALLEST.bit_length() + 1)]
    bands = [_magnitudes(spectrum[:, :3 if side <= COLOUR_UP_TO else 1], _filters(side, side == size))
             for side in sides]                                        # each level [n, channels * 4, side, side]
    strengths = [_strengths(each) for each in bands]                               # each level [n, channels * 4]
    luminance = np.stack([each[:, :ORIENTATIONS] for each in strengths])           # [levels, n, 4]
    energy = [each - luminance.mean(2, keepdims=True).mean(0) for each in strengths]
    spread = [np.log((each.std((2, 3)) + FAINT) / (each.mean((2, 3)) + FAINT)) for each in bands]

    standard = [_standardized(each) for each in bands]
    orient = [_correlations(each, each)[:, *np.triu_indices(each.shape[1], 1)] for each in standard]
    halved = [_standardized(cell_means(each[..., np.newaxis], each.shape[2] // 2)) for each in bands]
    scale = [_correlations(halved[level - 1], standard[level]).reshape(count, -1) for level in range(1, len(bands))]

    spectra = [np.fft.fft2(each[:, :ORIENTATIONS]) for each in bands]
    second = [_strengths(_magnitudes(spectra[level], _filters(side)))
              - np.repeat(luminance[level], ORIENTATIONS, axis=1)
              for level in range(len(bands)) for side in sides[level + 1:]]

    thumb = cell_means(image, THUMB).reshape(count, -1) / np.sqrt(image[..., :1].var((1, 2)) + CONTRAST**2)
    return [np.concatenate(each, axis=1) for each in (energy, spread, orient, scale, second, [thumb])]


def _magnitudes(spectrum, filters):
    """Filter pictures, and take the magnitude of the complex answer: it does not change when a phase does.

    Args:
      spectrum: complex [n, c, size, size].
      filters: float32 [k, side, side], side at most size: higher frequencies are cut off.
    Returns:
      float32 [n, c * k, side, side].
    """
    size, side = spectrum.shape[-1], filters.shape[-1]
    kept = np.r_[:side // 2, -side // 2:0]
    low = spectrum[..., *np.ix_(kept, kept)] * np.float32((side / size)**2)
    bands = np.abs(np.fft.ifft2(low[:, :, np.newaxis] * filters)).astype(np.float32)
    return bands.reshape(len(spectrum), -1, side, side)


@cache
def _filters(side, finest=False):
    """The filters of one level of the pyramid, one for each orientation, one octave wide.

    Each takes half of the plane of frequencies (steerable: Simoncelli and Freeman 1995), so that its answer is complex.

    Args:
      side: pixels a side of the level.
      finest: whether it is the first level, which takes all up to the highest frequency.
    Returns:
      float32 [ORIENTATIONS, side, side].
    """
    f = np.fft.fftfreq(side)  # in cycles a pixel of the level
    f[side // 2] = 0.5  # the highest has no sign; as negative no band would take a checkerboard
    y, x = np.meshgrid(f, f, indexing='ij')
    octaves = np.log2(np.maximum(np.hypot(y, x), 1e-9) * 4)
    ring = np.where(np.abs(octaves) < 1, np.cos(np.pi / 2 * octaves), 0)
    if finest:
        ring[octaves > 0] = 1
    angles = np.arctan2(y, x) - np.pi / ORIENTATIONS * np.arange(ORIENTATIONS).reshape(-1, 1, 1)
    return (2 * ring * np.maximum(np.cos(angles), 0)**(ORIENTATIONS - 1)).astype(np.float32)


def _strengths(bands):
    """Logarithm of each band's mean: [n, c, side, side] → [n, c]."""
    return np.log(bands.mean((2, 3)) + FAINT)


def _standardized(bands):
    """Bands of mean 0 and deviation 1, less where faint: [n, c, side, side, ...] → [n, c, side * side]."""
    flat = bands.reshape(*bands.shape[:2], -1)
    return (flat - flat.mean(2, keepdims=True)) / (flat.std(2, keepdims=True) + FAINT)


def _correlations(a, b):
    """Correlation of each band of a with each of b: [n, c, k] and [n, d, k] → [n, c, d]."""
    return a @ b.transpose(0, 2, 1) / a.shape[2]
