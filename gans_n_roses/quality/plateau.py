"""When a run has got no better for long."""

import numpy as np

SURE = 2.0  # standard errors that a value must be lower by, to be better for certain
PATIENCE = 3000  # iterations
SHARE = 0.7  # of the iterations up to what was better last


def no_better(better, iteration, value, error):
    """Look at one measurement, and tell whether nothing has got better for long.

    A value counts as better if it is lower than the last that did by more than chance: by SURE times the error of the
    difference. So a slow fall still counts, once it has added up; wandering does not. The wait grows with the run: what
    took 20,000 iterations is not given up after 5,000 more, since curves flatten as they fall.

    Args:
      better: float64 [3], the (iteration, value, error) that was better for certain last; (0, inf, 0) before the first.
        It moves on.
      iteration: when the measurement was made; rising.
      value: the lower the better; one that is not finite is never better.
      error: its standard error.
    Returns:
      bool: True if nothing was better for certain for PATIENCE iterations, and for SHARE of those before.
    """
    since, lowest, its_error = better
    if np.isfinite(value) and value < lowest - SURE * np.hypot(error, its_error):
        better[:] = since, _, _ = iteration, value, error
    return bool(iteration - since >= max(PATIENCE, SHARE * since))
