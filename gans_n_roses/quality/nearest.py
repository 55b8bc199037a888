"""The sheet that shows generated pictures over the real ones that are most like them."""

import numpy as np

from gans_n_roses.pictures.grids import pairs
from gans_n_roses.quality.copying import nearest

COPY_SHEET = 48  # generated pictures on a sheet


def beside_nearest(real, pictures, fakes):
    """Lay out each generated picture over the real one that is most like it, the most alike pair first.

    Args:
      real: Real.
      pictures: uint8 [n, size, size, channels], those that `real` was computed of.
      fakes: uint8 [m, size, size, channels].
    Returns:
      uint8 [height, width, channels].
    """
    found = nearest(real.thumbs, fakes)
    order = np.argsort(found.ratios)
    like = pictures[real.compared[found.rows]]
    like[found.mirrored] = like[found.mirrored, :, ::-1]
    return pairs(fakes[order], like[order])
