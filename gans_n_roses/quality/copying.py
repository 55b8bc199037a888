"""The real picture that each generated one is most like, and whether it is a copy; and how varied pictures are.

Pictures are uint8 [n, size, size, channels] throughout, size a power of two from 16 to 256.
"""

from typing import NamedTuple

import numpy as np

from gans_n_roses.pictures.channels import as_rgb
from gans_n_roses.pictures.folder import spread_rows
from gans_n_roses.quality.distance import distances, mean_apart
from gans_n_roses.quality.statistics import cell_means, chunks

COARSE, FINE = 4, 8  # pixels a side of the two thumbnails that pictures are compared by
NEIGHBOURS = 3  # nearest real pictures whose mean distance is what is usual there
# A ratio below it is called a copy: 94 % of disguised copies are, and of unseen photographs 0 of 640, 1 of 63.
COPY = 0.6
CONTRAST = np.float32(10)  # grey levels of 255: a picture of less contrast is treated as having that much
SAME = 0.02  # of a picture's contrast: real pictures nearer than that are duplicates
MOST_VARIED = 1024  # pictures whose diversity stands for all
CHUNK = 64  # pictures compared to all real ones at a time: bounds the memory


def diversity(pictures):
    """Mean distance of two pictures, in grey levels of 255: 0 if all are the same.

    Compared are thumbnails of 8×8 without their brightness, of MOST_VARIED pictures at most.
    """
    cells = _cells(as_rgb(pictures[spread_rows(len(pictures), MOST_VARIED)]), FINE)
    cells = cells - cells.mean(1, keepdims=True)
    return float(mean_apart(distances(cells, cells, np.float32, 1 / cells.shape[1])))


def thumbnails(pictures, rows):
    """Thumbnails that pictures are compared by: without their brightness, and all of the same contrast.

    Contrast is taken out because a picture of strong contrast is far from everything, its own imperfect copy included.

    Args:
      pictures: uint8 [n, size, size, channels].
      rows: int [k], which of them.
    Returns:
      float32 [k, 240]; the mean square of each size is 1 or less, and both sizes count alike.
    """
    return np.concatenate([_thumbs(pictures[each]) for each in chunks(rows, CHUNK)])


def _thumbs(pictures):
    found, fine = [], cell_means(as_rgb(pictures), FINE)
    for side in (COARSE, FINE):
        cells = _cells(fine, side)
        contrast = np.sqrt(cells.var(1, keepdims=True) + CONTRAST**2)
        found.append((cells - cells.mean(1, keepdims=True)) / contrast / side)
    return np.concatenate(found, axis=1)


def _cells(pictures, side):
    """The means of side × side cells in one row: float32 [n, side * side * 3]."""
    return cell_means(pictures, side).reshape(len(pictures), -1)


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
      real: float32 [n, 240], `thumbnails` of the real pictures.
      fakes: uint8 [m, size, size, channels].
    Returns:
      Nearest.
    """
    found = [_nearest(real, each) for each in chunks(fakes, CHUNK)]
    return Nearest(*map(np.concatenate, zip(*found, strict=True)))


def _nearest(real, fakes):
    upright, turned = (_apart(_thumbs(each), real) for each in (fakes, fakes[:, :, ::-1]))
    either = np.minimum(upright, turned)                                       # [m, n]
    each, rows = np.arange(len(fakes)), either.argmin(1)
    real_rows = real[rows]
    among = np.minimum(_apart(real_rows, real), _apart(_mirrored(real_rows), real))
    among[each, rows] = 0
    others = among >= SAME  # neither the picture itself nor a duplicate
    usual = np.sqrt(_mean_of_nearest(either, others) * _mean_of_nearest(among, others))
    return Nearest(rows, (turned < upright)[each, rows], either[each, rows].astype(np.float64) / usual)


def _mean_of_nearest(apart, counted):
    """Mean of the NEIGHBOURS smallest distances; 1, as of strangers, where none counts.

    Args:
      apart: float32 [m, n].
      counted: bool [m, n], which distances count.
    Returns:
      float64 [m].
    """
    least = np.partition(np.where(counted, apart, np.inf), min(NEIGHBOURS, apart.shape[1]) - 1)[:, :NEIGHBOURS]
    return np.ma.masked_invalid(least.astype(np.float64)).mean(1).filled(1)


def _mirrored(thumbs):
    """Thumbnails of the mirrored pictures."""
    parts = zip((COARSE, FINE), np.split(thumbs, [3 * COARSE**2], axis=1), strict=True)
    return np.concatenate([part.reshape(-1, side, 3)[:, ::-1].reshape(part.shape) for side, part in parts], axis=1)


def _apart(a, b):
    """Distance of thumbnails: 0 is the same, some 1.4 are strangers: float32 [m, 240] and [n, 240] → [m, n]."""
    return distances(a, b, np.float32, 1 / 6)  # the mean over 2 sizes of 3 channels
