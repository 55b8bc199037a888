"""What a run is beside its networks: the random draws, the z of its grids. It is checked where it is read."""

import json
import math
from typing import NamedTuple

import numpy as np

# Names in a checkpoint. Before version 1.1.0 "run_state/score" was a best one's sliced Wasserstein distance.
RNG, GRID_Z, BETTER, SCORE = 'run_state/rng', 'run_state/grid_z', 'run_state/better', 'run_state/quality_distance'
NOT_YET = (0, np.inf, 0)  # nothing was measured, and so nothing was better
MT19937_KEYS = 624


class RunState(NamedTuple):
    """All of a run's state that is no variable of the graph. Whatever is added here is saved and restored."""

    rng: np.random.RandomState  # draws batches and z
    grid_z: np.ndarray  # float32 [n, z_dim], the z of the sample grids
    better: np.ndarray  # float64 [3]: iteration, distance and error of what was measured better last


def pack(rng):
    """A random generator's state as bytes of JSON, for a checkpoint."""
    kind, keys, *position = rng.get_state()
    return json.dumps([kind, keys.tolist(), *position]).encode()


def read_state(values):
    """RunState from the values of a checkpoint whose names begin with "run_state/".

    Args:
      values: dict of name → array.
    Returns:
      RunState; None where there is none, as in a checkpoint of the article's own code.
    Raises:
      ValueError: a value is no state of a run.
    """
    if not {RNG, GRID_Z} <= values.keys():
        return None
    better = _checked(values.get(BETTER, np.array(NOT_YET)))
    rng = values[RNG].item() if values[RNG].size == 1 else None
    return RunState(unpack(rng), _checked_z(values[GRID_Z]), better)


def read_score(values):
    """The score of a best checkpoint, the lower the better: infinite where there is none. Raises as `read_state`."""
    score = values.get(SCORE, np.float32(np.inf))
    if not (score.dtype == np.float32 and score.shape == () and score > -np.inf):
        raise ValueError(f'{SCORE} is no distance')
    return float(score)


def unpack(packed):
    """A random generator of the state that `pack` wrote, bytes or str. Raises as `read_state`."""
    try:
        kind, keys, position, has_gauss, gauss = json.loads(packed)
        whole = [*keys, position, has_gauss]
        # Checked here, since NumPy does not: a position beyond the keys makes it read foreign memory.
        if not (kind == 'MT19937' and len(keys) == MT19937_KEYS and all(type(number) is int for number in whole)
                and all(0 <= key < 2**32 for key in keys) and 0 <= position <= MT19937_KEYS and has_gauss in (0, 1)
                and type(gauss) is float and math.isfinite(gauss)):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise ValueError(f'{RNG} is no state of a random generator') from None
    rng = np.random.RandomState()
    rng.set_state((kind, np.array(keys, np.uint32), position, has_gauss, gauss))
    return rng


def _checked_z(z):
    if not (z.dtype == np.float32 and z.ndim == 2 and np.all(np.abs(z) <= 1)):
        raise ValueError(f'{GRID_Z} is not made of z')
    return z


def _checked(better):
    if not (better.dtype == np.float64 and better.shape == (3,) and better[0] >= 0 and better[1] > -np.inf
            and 0 <= better[2] < np.inf):
        raise ValueError(f'{BETTER} is no measurement')
    return better
