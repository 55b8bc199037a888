"""The distance of generated pictures from real ones, its error, and what pictures as good as real ones would have.

Two sets of pictures are compared by the energy distance of their statistics (Székely and Rizzo 2013,
doi:10.1016/j.jspi.2013.03.018). It is the unbiased MMD (Binkowski et al. 2018, arXiv:1801.01401) with minus the
distance for a kernel: there is no bandwidth to choose, equal distributions give 0, and missing variety is seen as well
as wrong pictures. The statistics are not whitened by the real pictures: 67 are too few for it, and photographs that
were never shown would pass for wrong ones. The unit is a thousandth of the mean distance of two real pictures.

Nothing is drawn at random but the halves behind the floor, always the same: equal pictures give equal values, to 0.01
on any machine.
"""

from typing import NamedTuple

import numpy as np

from gans_n_roses.pictures.folder import spread_rows
from gans_n_roses.quality.statistics import describe

MOST_REAL = 1024  # real pictures that are described at most; of a larger data set they are spread over all
MOST_FAKES = 256  # generated pictures that are described at most
FULL_SIZE = 128  # pixels a side: of pictures twice as large half as many are described, to bound the time
# One real picture differs from another as much in each group; `second` tells models from photographs best, light least.
WEIGHTS = {'energy': 1, 'spread': 1, 'orient': 1, 'scale': 1, 'second': 2, 'thumb': 0.5}
ALL = 'all'
ALIKE = 1e-3  # deviations and distances below that count as none
SPLITS = 16  # of the real pictures into halves


class Reference(NamedTuple):
    """What is computed once of the real pictures."""

    scales: dict  # of each group of statistics: what its numbers are multiplied by
    scaled: dict  # of each group, and of ALL: float32 [n, numbers]
    apart: dict  # of each group, and of ALL: mean distance of two real pictures
    floor: float | None  # of one half of the real pictures beside the other, mean + 2 deviations: below is as good as
    # real; None where there are too few pictures to halve


class Distance(NamedTuple):
    """The distance of generated pictures from real ones."""

    value: float  # 0 cannot be told from real; by chance it may be a little below
    error: float  # standard error, by the generated pictures that happened to be drawn
    parts: dict  # of each group of statistics alone: value


def describe_reference(pictures):
    """Compute everything that generated pictures are compared to.

    Args:
      pictures: uint8 [n, size, size, channels]. At most MOST_REAL are used (half of it at 256 pixels).
    Returns:
      Reference.
    """
    groups = describe(some(pictures, MOST_REAL))
    scales = {name: weight / _unit(float(np.sqrt(groups[name].var(0).sum()))) for name, weight in WEIGHTS.items()}
    scaled = _scaled(groups, scales)
    among = {name: _among(each) for name, each in scaled.items()}
    return Reference(scales, scaled, {name: mean_apart(each) for name, each in among.items()}, _floor(among[ALL]))


def distance(reference, fakes):
    """Compute the distance of generated pictures from real ones, by all statistics and by each group alone.

    Args:
      reference: Reference.
      fakes: uint8 [m, size, size, channels], at least 3; some hundred, or the error is large. At most MOST_FAKES are
        used.
    Returns:
      Distance.
    """
    found = {name: _energy_distance(distances(each, reference.scaled[name]).mean(1), _among(each).sum(1),
                                    reference.apart[name])
             for name, each in _scaled(describe(some(fakes, MOST_FAKES)), reference.scales).items()}
    value, error = found.pop(ALL)
    return Distance(value, error, {name: alone for name, (alone, _) in found.items()})


def distances(a, b, dtype=np.float64, factor=1):
    """Euclidean distance of each row of a and each of b: [n, k] and [m, k] → [n, m] of dtype; squares times factor."""
    a, b = np.asarray(a, dtype), np.asarray(b, dtype)
    squares = np.square(a).sum(1)[:, np.newaxis] + np.square(b).sum(1) - 2 * (a @ b.T)
    return np.sqrt(np.maximum(squares * factor, 0))


def some(pictures, most):
    """At most so many pictures, evenly spread; fewer where they are large."""
    most //= max(pictures.shape[1] // FULL_SIZE, 1)
    return pictures[spread_rows(len(pictures), most)]


def _scaled(groups, scales):
    """Groups of statistics, multiplied by their scales; and ALL of them in one row."""
    scaled = {name: groups[name] * np.float32(scale) for name, scale in scales.items()}
    return {**scaled, ALL: np.concatenate(list(scaled.values()), axis=1)}


def _energy_distance(to_real, among, apart):
    """The unbiased energy distance, and its jackknife error (Efron and Stein 1981) over the generated pictures.

    Args:
      to_real: [m], mean distance of each generated picture to the real ones.
      among: [m], sum of its distances to the other generated ones.
      apart: mean distance of two real pictures.
    Returns:
      (value, error), floats in thousandths of `apart`.
    """
    def value(m, to_real, among):
        return 2 * to_real / m - apart - among / (m * (m - 1))

    m, to_all, among_all = len(to_real), to_real.sum(), among.sum()
    without = value(m - 1, to_all - to_real, among_all - 2 * among)  # each one left out
    error = np.sqrt((m - 1) / m * np.square(without - without.mean()).sum())
    return _in_thousandths(value(m, to_all, among_all), apart), _in_thousandths(error, apart)


def _floor(among):
    """Mean + 2 deviations of the value over fixed random halves; None where there are too few pictures to halve."""
    count = len(among)
    if count < 4:
        return None
    rng, values = np.random.RandomState(0), []
    for _ in range(SPLITS):
        a, b = np.split(rng.permutation(count), [count // 2])
        within = mean_apart(among[np.ix_(a, a)]) + mean_apart(among[np.ix_(b, b)])
        values.append(2 * among[np.ix_(a, b)].mean() - within)
    return _in_thousandths(np.mean(values) + 2 * np.std(values), mean_apart(among))


def _among(pictures):
    """Distance of each row to each other one, exactly 0 to itself: [n, k] → float64 [n, n]."""
    found = distances(pictures, pictures)
    np.fill_diagonal(found, 0)
    return found


def mean_apart(among):
    """Mean distance of two different pictures, of all distances [n, n]; 0 where there is one picture."""
    count = len(among)
    return among.sum() / max(count * (count - 1), 1)


def _in_thousandths(value, apart):
    return float(1000 * value / _unit(apart))


def _unit(size):
    """A size to divide by: 1 where pictures are all alike, and differ by none."""
    return size if size > ALIKE else 1
