"""The rule that tells when a run has stopped getting better."""

from typing import NamedTuple

import numpy as np

from gans_n_roses.runs.state import Better

MARGIN = 1.0  # standard errors of the difference: a value must be lower by more to count as better
PATIENCE = 3000  # iterations without a better value, at least
MEASUREMENTS = 3  # in that time, at least


class Plateau(NamedTuple):
    """What a measurement tells of a run's progress."""

    better: Better  # the last measurement that counted as better
    lasts: bool  # True if the run has stopped getting better


def watch(better, iteration, every, value, error):
    """Compare a measurement to the last one that counted as better.

    A value counts as better if it is lower by more than the standard error of the difference. So a slow fall still
    counts, once it has added up. The wait grows with the run, since curves flatten as they fall: as many iterations
    again as it took to get that good. Chosen by four long runs at 32 pixels, judged by the features of a network: where
    nothing got better any more, it ends them at 4,000 to 20,000; where pictures still got better after 40,000, it does
    not.

    Args:
      better: Better, the last measurement that counted as better; NOT_YET before the first.
      iteration: when the measurement was made; rising.
      every: iterations from one measurement to the next.
      value: the lower the better; one that is not finite is never better.
      error: its standard error.
    Returns:
      Plateau: it lasts if nothing has counted as better for as long as it took to get that good, nor for PATIENCE
        iterations and as many MEASUREMENTS.
    """
    if np.isfinite(value) and value < better.distance - MARGIN * np.hypot(error, better.error):
        better = Better(iteration, value, error)
    wait = max(PATIENCE, MEASUREMENTS * every, better.iteration)
    return Plateau(better, bool(iteration - better.iteration >= wait))
