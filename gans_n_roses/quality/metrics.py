"""All measures of generated pictures, under the names that a user sees.

Pictures are uint8 [n, size, size, channels] throughout. All draws are fixed: two measurements differ by their pictures
alone.
"""

from typing import NamedTuple

import numpy as np

from gans_n_roses.pictures.folder import spread_rows
from gans_n_roses.quality.copying import COPY, diversity, nearest, thumbnails
from gans_n_roses.quality.distance import Reference, describe_reference, distance

SCORE = 'Quality/Distance'  # the measure that the best checkpoint is chosen by: it has the least
MOST_COMPARED = 30_000  # real pictures that copies are looked for among; a larger data set is sampled evenly


class Real(NamedTuple):
    """What is computed once of the real pictures."""

    reference: Reference
    compared: np.ndarray  # int [n], rows of the real pictures that copies are looked for among
    thumbs: np.ndarray  # float32 [n, 240], their thumbnails
    expected: dict  # some tags of `measure` → what pictures as good as real ones would have


def describe_real(pictures):
    """Compute everything that generated pictures are compared to.

    Args:
      pictures: uint8 [n, size, size, channels].
    Returns:
      Real.
    """
    reference = describe_reference(pictures)
    compared = spread_rows(len(pictures), MOST_COMPARED)
    expected = {'Quality/Diversity': diversity(pictures)}
    if reference.floor is not None:
        expected[SCORE] = reference.floor
    return Real(reference, compared, thumbnails(pictures, compared), expected)


def measure(real, fakes):
    """Take all measures of generated pictures.

    Args:
      real: Real.
      fakes: the generated pictures, at least 3; some hundred, or the distances are mostly noise.
    Returns:
      dict of TensorBoard tag → float:
        Quality/Distance, Quality/Standard_Error: of `distance.distance`; 0 is as good as real.
        Quality/Diversity: `copying.diversity`.
        Quality/Copying: median ratio of `copying.nearest`; 1 is as far from the real pictures as a picture of its own.
        Quality/Copies: share of pictures whose ratio is below COPY.
        Distance_By/…: the distance by each group of `statistics` alone.
    """
    ratios = nearest(real.thumbs, fakes).ratios
    found = distance(real.reference, fakes)
    return {
        SCORE: found.value,
        'Quality/Standard_Error': found.error,
        'Quality/Diversity': diversity(fakes),
        'Quality/Copying': float(np.median(ratios)),
        'Quality/Copies': float(np.mean(ratios < COPY)),
        **{f'Distance_By/{name.capitalize()}': value for name, value in found.parts.items()},
    }
