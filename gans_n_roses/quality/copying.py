"""Which real picture each generated one is most like, and whether it is a copy; and how varied pictures are.

Pictures are uint8 [n, size, size, 3] throughout, size a power of two from 16 to 256.
"""

from typing import NamedTuple

import numpy as np

from gans_n_roses.pictures.folder import spread_rows

THUMBS = (4, 8)  # pixels a side of the thumbnails that pictures are compared as
NEIGHBOURS = 3  # real pictures that are a picture's surroundings
# A ratio below it is called a copy: 94 % of disguised copies are, and of unseen photographs 0 of 640, 1 of 63.
COPY = 0.6
CONTRAST = np.float32(10)  # grey levels of 255: a picture's deviation is taken for at least that
SAME = 0.02  # of a picture's contrast: real pictures nearer than that are one picture twice
VALUES = 3 * len(THUMBS)  # what the squares of two thumbnails are divided by
MOST_VARIED = 1024
CHUNK = 64  # pictures compared to all real ones at a time: bounds the memory


def diversity(pictures):
    """How far apart two pictures are on average, in grey levels of 255: 0, all are the same.

    Compared are thumbnails of 8×8 without their brightness, of MOST_VARIED pictures at most.
    """
    cells = _cells(pictures[spread_rows(len(pictures), MOST_VARIED)], max(THUMBS))
    flat = (cells - cells.mean((1, 2, 3), keepdims=True)).reshape(len(cells), -1)
    return float(_distances(flat, flat, flat.shape[1]).sum() / max(len(flat) * (len(flat) - 1), 1))


def thumbnails(pictures, rows):
    """What pictures are compared as: without their brightness, and all of the same contrast.

    Contrast is taken out because a picture of strong contrast is far from everything, its own imperfect copy included.

    Args:
      pictures: uint8 [n, size, size, 3].
      rows: int [k], which of them.
    Returns:
      float32 [k, 240]; the mean square of each size is 1 or less, and both sizes count alike.
    """
    parts = [_thumbs(pictures[rows[start:start + CHUNK]]) for start in range(0, len(rows), CHUNK)]
    return np.concatenate(parts)


def _thumbs(pictures):
    found, fine = [], _cells(pictures, max(THUMBS))
    for side in THUMBS:
        cells = _cells(fine, side)
        cells = cells - cells.mean((1, 2, 3), keepdims=True)
        cells = cells / np.sqrt(np.square(cells).mean((1, 2, 3), keepdims=True) + CONTRAST**2)
        found.append(cells.reshape(len(pictures), -1) / side)
    return np.concatenate(found, axis=1)


class Nearest(NamedTuple):
    """The real picture that each generated one is most like."""

    rows: np.ndarray  # int [m], of the real pictures
    mirrored: np.ndarray  # bool [m]: it is like that picture's mirror image
    ratios: np.ndarray  # float64 [m]: 1 is as far as a picture of its own, 0 is the same


def nearest(real, fakes):
    """Find the real picture that each generated one is most like, and whether it is a copy.

    A distance says little alone: roses of one kind lie near each other, copied or not. So it is divided by what is
    usual there, at both ends: by the mean distance of the real picture to the NEIGHBOURS other real ones nearest to it,
    and of the generated one to the NEIGHBOURS next ones; by their geometric mean. The second is the test of Lowe (2004,
    doi:10.1023/B:VISI.0000029664.99615.94, sec. 7.1): a copy is much nearer to one picture than to all others.

    Args:
      real: float32 [n, k], `thumbnails` of the real pictures.
      fakes: uint8 [m, size, size, 3].
    Returns:
      Nearest.
    """
    rows, mirrored, distances, around = [], [], [], []
    for start in range(0, len(fakes), CHUNK):
        part = fakes[start:start + CHUNK]
        upright, turned = (_distances(_thumbs(each), real) for each in (part, part[:, :, ::-1]))
        both = np.minimum(upright, turned)
        row, each = both.argmin(1), np.arange(len(part))
        rows.append(row)
        mirrored.append((turned < upright)[each, row])
        distances.append(both[each, row])
        same = _alike(real, row)  # the picture itself, and its duplicates
        around.append(np.sqrt(_mean_of_nearest(np.where(same < SAME, np.inf, both))
                              * _mean_of_nearest(np.where(same < SAME, np.inf, same))))
    rows, mirrored, distances, around = map(np.concatenate, (rows, mirrored, distances, around))
    return Nearest(rows, mirrored, distances.astype(np.float64) / around)


def _alike(real, rows):
    """Distances of some real pictures to all, mirrored or not, 0 to itself: float32 [r, n]."""
    distances = np.minimum(_distances(real[rows], real), _distances(_mirrored(real[rows]), real))
    distances[np.arange(len(rows)), rows] = 0
    return distances


def _mean_of_nearest(distances):
    """[m, n], infinite where passed over → float64 [m]: mean of the NEIGHBOURS least; 1, strangers, where is none."""
    count = min(NEIGHBOURS, distances.shape[1])
    least = np.partition(distances, count - 1, axis=1)[:, :count].astype(np.float64)
    known = np.isfinite(least)
    return np.where(known.any(1), np.where(known, least, 0).sum(1) / np.maximum(known.sum(1), 1), 1)


def _mirrored(thumbs):
    """Thumbnails of the mirrored pictures."""
    found, start = [], 0
    for side in THUMBS:
        stop = start + side * side * 3
        cells = thumbs[:, start:stop].reshape(-1, side, side, 3)[:, :, ::-1]
        found.append(cells.reshape(len(thumbs), -1))
        start = stop
    return np.concatenate(found, axis=1)


def _cells(pictures, side):
    """[n, size, size, 3] → float32 [n, side, side, 3], the mean of each cell."""
    count, cell = len(pictures), pictures.shape[1] // side
    return pictures.reshape(count, side, cell, side, cell, 3).mean((2, 4), dtype=np.float32)


def _distances(a, b, values=VALUES):
    """Distance of each row of a and each of b; of thumbnails 0 is the same, some 1.4 strangers: float32 [n, m]."""
    squares = np.square(a).sum(1)[:, np.newaxis] + np.square(b).sum(1) - 2 * (a @ b.T)
    return np.sqrt(np.maximum(squares * np.float32(1 / values), 0))
