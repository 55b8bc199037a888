"""All measures of generated pictures, under the names that a user sees.

Pictures are uint8 [n, size, size, channels] throughout. All draws are fixed: two measurements differ by their pictures
alone.
"""

from typing import NamedTuple

import numpy as np

from gans_n_roses.networks.noise import fixed_batches_of
from gans_n_roses.pictures.folder import spread_rows
from gans_n_roses.quality.copying import COPY, diversity, nearest, thumbnails
from gans_n_roses.quality.distance import Reference, describe_reference, distance

SCORE = 'Quality/Distance'  # the measure that the best checkpoint is chosen by: it has the least
BY_KIND = 'Distance_By/Kind_'  # begins the tag of a kind's own distance
LEAST_OF_KIND = 20  # real pictures of a kind that is measured by itself
MOST_OF_KIND = 256  # of them that are described
MOST_KINDS = 20  # that are measured by themselves: bounds the time
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


def describe_kinds(pictures, kinds):
    """Compute what the generated pictures of each kind are compared to (LABELS).

    Args:
      pictures: uint8 [n, size, size, channels].
      kinds: Kinds of these.
    Returns:
      dict of a kind's name → Reference. Kinds of too few pictures are left out, and of very many all but the largest.
    """
    largest = sorted(np.argsort(kinds.counts, kind='stable')[::-1][:MOST_KINDS])
    rows = {kinds.names[kind]: np.flatnonzero(kinds.of == kind) for kind in largest
            if kinds.counts[kind] >= LEAST_OF_KIND}
    return {name: describe_reference(pictures[each[spread_rows(len(each), MOST_OF_KIND)]])
            for name, each in rows.items()}


def measure_kinds(references, names, z_dim, make):
    """Measure each kind's generated pictures by themselves, 64 of each.

    Args:
      references: as `describe_kinds` gives them; the model knows each of these kinds.
      names: of all kinds that the model knows.
      z_dim: length of z.
      make: function from float32 [n, z_dim + kinds] to uint8 [n, size, size, channels].
    Returns:
      (dict of TensorBoard tag → `distance.distance`; the same for pictures as good as real ones).
    """
    places = [names.index(name) for name in references]
    batches, of = fixed_batches_of(places, z_dim, len(names))
    fakes = np.concatenate(list(map(make, batches)))
    return ({BY_KIND + name: distance(reference, fakes[of == place]).value
             for place, (name, reference) in zip(places, references.items(), strict=True)},
            {BY_KIND + name: reference.floor for name, reference in references.items()})


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
