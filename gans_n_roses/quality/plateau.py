"""When a run has got no better for long."""

import numpy as np

SURE = 1.0  # standard errors of a difference that a value must be lower by, to be better
PATIENCE = 3000  # iterations that nothing must have got better for, at least
LOOKS = 3  # measurements in that time, at least


def no_better(better, iteration, every, value, error):
    """Look at one measurement, and tell whether nothing has got better for long.

    A value counts as better if it is lower than the last that did by more than the standard error of the difference.
    So a slow fall still counts, once it has added up. The wait grows with the run, since curves flatten as they fall:
    as many iterations again as it took to get that good. Chosen by four long runs at 32 pixels, judged by the features
    of a network: where nothing got better any more, it ends them at 4,000 to 20,000; where pictures still got better
    after 40,000, it does not.

    Args:
      better: float64 [3], the (iteration, value, error) that was better last; (0, inf, 0) before the first.
        It moves on.
      iteration: when the measurement was made; rising.
      every: iterations from one measurement to the next.
      value: the lower the better; one that is not finite is never better.
      error: its standard error.
    Returns:
      bool: True if nothing has got better for as long as it took to get that good, nor for PATIENCE iterations and
        LOOKS measurements.
    """
    since, lowest, its_error = better
    if np.isfinite(value) and value < lowest - SURE * np.hypot(error, its_error):
        better[:] = since, _, _ = iteration, value, error
    return bool(iteration - since >= max(PATIENCE, LOOKS * every, since))
