"""How far generated pictures are from real ones: one number, its error, and what pictures as good as real ones give.

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

MOST_REAL = 1024  # pictures that stand for a larger data set
MOST_FAKES = 256  # of the generated ones
FULL_SIZE = 128  # pixels a side: of pictures twice as large half as many are described, to bound the time
# One real picture differs from another as much in each group; `second` tells models from photographs best, light least.
WEIGHTS = {'energy': 1, 'spread': 1, 'orient': 1, 'scale': 1, 'second': 2, 'thumb': 0.5}
ALL = 'all'
ALIKE = 1e-3  # statistics whose deviation is below that do not differ
SPLITS = 16  # of the real pictures into halves


class Reference(NamedTuple):
    """What is computed once of the real pictures."""

    scales: dict  # of each group of statistics: what its numbers are multiplied by
    scaled: dict  # of each group, and of ALL: float32 [n, numbers]
    apart: dict  # of each group, and of ALL: mean distance of two real pictures
    floor: float | None  # of one half of the real pictures beside the other, mean + 2 deviations: below is as good as
    # real; None where there are too few pictures to halve


class Distance(NamedTuple):
    """How far generated pictures are from the real ones."""

    value: float  # 0: not to be told from real ones; may be a little below
    error: float  # standard error, by the generated pictures that happened to be drawn
    parts: dict  # of each group of statistics alone: value


def describe_reference(pictures):
    """Everything that generated pictures are compared to.

    Args:
      pictures: uint8 [n, size, size, 3]; of more than MOST_REAL, so many stand for all (half of it at 256 pixels).
    Returns:
      Reference.
    """
    groups = describe(some(pictures, MOST_REAL))
    deviations = {name: float(np.sqrt(group.var(0).sum())) for name, group in groups.items()}
    scales = {name: weight / (deviations[name] if deviations[name] > ALIKE else 1) for name, weight in WEIGHTS.items()}
    scaled = _scaled(groups, scales)
    distances = {name: _distances(each, each) for name, each in scaled.items()}
    return Reference(scales, scaled, {name: _mean_apart(each) for name, each in distances.items()},
                     _floor(distances[ALL]))


def distance(reference, fakes):
    """How far generated pictures are from the real ones, all in all and by each group of statistics alone.

    Args:
      reference: Reference.
      fakes: uint8 [m, size, size, 3], at least 3; some hundred, or the error is large. At most MOST_FAKES are used.
    Returns:
      Distance.
    """
    found = {}
    for name, each in _scaled(describe(some(fakes, MOST_FAKES)), reference.scales).items():
        to_real, among = _distances(each, reference.scaled[name]).mean(1), _distances(each, each).sum(1)
        apart = reference.apart[name]
        found[name] = [_in_thousandths(each, apart) for each in _energy_distance(to_real, among, apart)]
    value, error = found.pop(ALL)
    return Distance(value, error, {name: alone for name, (alone, _) in found.items()})


def some(pictures, most):
    """At most so many pictures, evenly spread; fewer where they are large."""
    most //= max(pictures.shape[1] // FULL_SIZE, 1)
    return pictures[spread_rows(len(pictures), most)]


def _scaled(groups, scales):
    """Groups of statistics, multiplied by their scales; and ALL of them in one row."""
    scaled = {name: groups[name] * np.float32(scale) for name, scale in scales.items()}
    return {**scaled, ALL: np.concatenate(list(scaled.values()), axis=1)}


def _energy_distance(to_real, among, apart):
    """Unbiased, and its jackknife error (Efron and Stein 1981) over the generated pictures, in closed form.

    Args:
      to_real: [m], mean distance of each generated picture to the real ones.
      among: [m], sum of its distances to the other generated ones.
      apart: mean distance of two real pictures.
    Returns:
      (value, error).
    """
    m, a, s = len(to_real), to_real.sum(), among.sum()
    value = 2 * a / m - apart - s / (m * (m - 1))
    without = 2 * (a - to_real) / (m - 1) - apart - (s - 2 * among) / ((m - 1) * (m - 2))  # each one left out
    return float(value), float(np.sqrt((m - 1) / m * np.square(without - without.mean()).sum()))


def _floor(distances):
    """Mean + 2 deviations of the value over fixed random halves; None where there are too few pictures to halve."""
    count = len(distances)
    if count < 4:
        return None
    rng, values = np.random.RandomState(0), []
    for _ in range(SPLITS):
        order = rng.permutation(count)
        a, b = order[:count // 2], order[count // 2:]
        within = [_mean_apart(distances[np.ix_(half, half)]) for half in (a, b)]
        values.append(2 * distances[np.ix_(a, b)].mean() - sum(within))
    return float(_in_thousandths(np.mean(values) + 2 * np.std(values), _mean_apart(distances)))


def _in_thousandths(value, apart):
    return 1000 * value / (apart if apart > ALIKE else 1)  # beside pictures that are all alike there is no unit


def _mean_apart(distances):
    """Mean of the distances of two different pictures, of [n, n]; 0 where there is one."""
    count = len(distances)
    return float(distances.sum()) / max(count * (count - 1), 1)


def _distances(a, b):
    """Euclidean distance of each row of a and each of b: [n, k] and [m, k] → float64 [n, m]."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    squares = np.square(a64).sum(1)[:, np.newaxis] + np.square(b64).sum(1) - 2 * (a64 @ b64.T)
    distances = np.sqrt(np.maximum(squares, 0))
    if a is b:
        np.fill_diagonal(distances, 0)
    return distances
