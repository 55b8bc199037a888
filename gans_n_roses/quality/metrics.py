"""How good, how varied and how copied generated pictures are, beside the real ones. NumPy alone.

Pictures are uint8 [n, size, size, 3] throughout. All draws are fixed, so that two measurements differ by their pictures
alone.
"""

from typing import NamedTuple

import numpy as np

THUMB = 8  # pixels a side of what copies are looked for in
MOST_REAL = 1024  # pictures that stand for a larger data set where every pair, or every patch, counts
# A ratio below it is called a copy: of photographs of roses 99 % of disguised copies are, and 2 % of unseen ones.
COPY = 0.6
SAME = 1  # grey level of 255: pictures nearer than that are duplicates
CHUNK = 64  # pictures compared to all real ones at a time: bounds the memory
SMALLEST = 16  # pixels a side of the pyramid's coarsest level
PATCH = 7
PATCHES = 8192  # of each level
PROJECTIONS = 128
FILTER = np.float32([1, 4, 6, 4, 1]) / 16


class Real(NamedTuple):
    """What is computed once of the real pictures."""

    thumbs: np.ndarray  # float32 [2 * n, 192]: each picture, then each one mirrored
    typical: float  # median distance of a real picture to the nearest other one, SAME where all are alike
    diversity: float
    projected: list  # of each level, finest first: float32 [PROJECTIONS, PATCHES], sorted


def describe_real(pictures):
    """Everything that generated pictures are compared to.

    Returns:
      Real.
    """
    rows = np.linspace(0, len(pictures) - 1, min(MOST_REAL, len(pictures))).astype(int)
    upright = _thumbs(pictures)
    mirrored = upright.reshape(-1, THUMB, THUMB, 3)[:, :, ::-1].reshape(upright.shape)
    thumbs = np.concatenate([upright, mirrored])
    _, distances = _nearest(upright[rows], thumbs, own=rows)
    known = distances[np.isfinite(distances)]
    return Real(thumbs, float(np.median(known)) if len(known) else SAME, diversity(pictures[rows]),
                _projected_patches(pictures[rows]))


def measure(real, fakes):
    """All measures of generated pictures.

    Args:
      real: Real.
      fakes: the generated pictures, at least 2; some hundred, or the distances are mostly noise.
    Returns:
      dict of TensorBoard tag → float:
        Copying: median ratio of `nearest`; 1 is as far from the real pictures as they are from each other, 0 is copied.
        Copies: share of pictures whose ratio is below COPY.
        Sliced_Wasserstein, and one for each level: 1,000 times `sliced_wasserstein`; 0 is alike.
        Diversity_Generated, Diversity_Real: `diversity`.
    """
    _, ratios = nearest(real, fakes)
    levels = sliced_wasserstein(real, fakes)
    size = fakes.shape[1]
    return {
        'Copying': float(np.median(ratios)),
        'Copies': float(np.mean(ratios < COPY)),
        'Sliced_Wasserstein': 1000 * float(np.mean(levels)),
        **{f'Sliced_Wasserstein_{size >> level}': 1000 * value for level, value in enumerate(levels)},
        'Diversity_Generated': diversity(fakes),
        'Diversity_Real': real.diversity,
    }


def nearest(real, fakes):
    """Find the real picture that is most like each generated one, mirrored or not.

    Both are compared as 8×8 thumbnails without their mean brightness, since noise and small shifts average out there
    (at 16×16 and 32×32 copies were told from unseen photographs less well: area under the curve 0.996 and 0.977,
    against 0.999).

    Args:
      real: Real.
      fakes: the generated pictures.
    Returns:
      (rows int [n], ratios float [n]): row k of the real pictures, or k + their number for row k mirrored; the
      distance as a share of the typical distance between a real picture and the nearest other one.
    """
    rows, distances = _nearest(_thumbs(fakes), real.thumbs)
    return rows, distances / real.typical


def diversity(pictures):
    """How far apart two pictures are on average, as thumbnails; in grey levels of 255. 0: all are the same."""
    thumbs = _thumbs(pictures[:MOST_REAL])
    return float(_distances(thumbs, thumbs).sum() / max(len(thumbs) * (len(thumbs) - 1), 1))


def sliced_wasserstein(real, fakes):
    """Distance between the patches of two sets, on each level of a Laplacian pyramid (Karras et al. 2018,
    arXiv:1710.10196, sec. 5 and app. B).

    The paper takes 128 patches from each of 16,384 pictures; here some hundred pictures give 8,192 patches in all. So
    the value has a floor above 0, which depends on the number of pictures. Levels go down to 16 pixels.

    Returns:
      list of float, the finest level first.
    """
    return [float(np.abs(a - b).mean()) for a, b in zip(real.projected, _projected_patches(fakes), strict=True)]


def _thumbs(pictures):
    """[n, size, size, 3] → float32 [n, 192], mean brightness 0."""
    count, size = pictures.shape[:2]
    block = size // THUMB
    blocks = pictures.reshape(count, THUMB, block, THUMB, block, 3)
    thumbs = blocks.mean((2, 4), dtype=np.float32).reshape(count, -1)
    return thumbs - thumbs.mean(1, keepdims=True)


def _nearest(a, b, own=None):
    """For each row of a the nearest of b: (rows int [n], distances float [n]).

    Where `own` says which picture each row of a is, b holds all pictures and then all mirrored: the picture itself is
    passed over, mirrored too, and so are its duplicates.
    """
    rows, distances = np.empty(len(a), int), np.empty(len(a), np.float32)
    for start in range(0, len(a), CHUNK):
        part = slice(start, start + CHUNK)
        each = _distances(a[part], b)
        if own is not None:
            upright, mirrored = np.split(each, 2, axis=1)
            same = (upright < SAME) | (mirrored < SAME)
            same[np.arange(len(each)), own[part]] = True
            upright[same] = mirrored[same] = np.inf
        rows[part], distances[part] = each.argmin(1), each.min(1)
    return rows, distances


def _distances(a, b):
    """Root of the mean square difference of each row of a and each of b: [n, k] and [m, k] → float32 [n, m]."""
    squares = (a * a).mean(1)[:, np.newaxis] + (b * b).mean(1) - 2 / a.shape[1] * (a @ b.T)
    return np.sqrt(np.maximum(squares, 0))


def _projected_patches(pictures):
    """Of each level, finest first, its patches on fixed random directions: list of float32 [PROJECTIONS, PATCHES]."""
    rng = np.random.RandomState(0)
    count, size = pictures.shape[:2]
    picture, within = np.arange(PATCHES) * count // PATCHES, np.arange(PATCH)
    corners, directions, patches = [], [], []
    while size >= SMALLEST:
        corners.append(rng.randint(0, size - PATCH + 1, [2, PATCHES, 1]))
        directions.append(rng.standard_normal([PATCH * PATCH * 3, PROJECTIONS]).astype(np.float32))
        patches.append(np.empty([PATCHES, PATCH, PATCH, 3], np.float32))
        size //= 2
    for start in range(0, count, CHUNK):
        rows = (picture >= start) & (picture < start + CHUNK)
        levels = _laplacian_pyramid(pictures[start:start + CHUNK])
        for level, (y, x), taken in zip(levels, corners, patches, strict=True):
            taken[rows] = level[(picture[rows] - start)[:, np.newaxis, np.newaxis],
                                (y[rows] + within)[:, :, np.newaxis], (x[rows] + within)[:, np.newaxis]]
    return [_project(*each) for each in zip(patches, directions, strict=True)]


def _project(patches, directions):
    """Each channel to mean 0 and variance 1, onto directions of length 1, sorted: float32 [directions, patches]."""
    patches -= patches.mean((0, 1, 2))
    patches /= np.maximum(patches.std((0, 1, 2)), 1e-8)
    return np.sort((patches.reshape(len(patches), -1) @ (directions / np.linalg.norm(directions, axis=0))).T)


def _laplacian_pyramid(pictures):
    """What each size adds to the next smaller one; the smallest whole (Burt and Adelson 1983)."""
    images = pictures.astype(np.float32)
    while images.shape[1] > SMALLEST:
        smaller = _smooth(images)[:, ::2, ::2]
        spread = np.zeros_like(images)
        spread[:, ::2, ::2] = smaller
        yield images - 4 * _smooth(spread)
        images = smaller
    yield images


def _smooth(images):
    """5×5 binomial filter, mirrored at the edges."""
    for axis in (1, 2):
        padded = np.pad(images, [(2, 2) if each == axis else (0, 0) for each in range(4)], 'reflect')
        length = images.shape[axis]
        images = sum(weight * np.take(padded, range(k, k + length), axis) for k, weight in enumerate(FILTER))
    return images
