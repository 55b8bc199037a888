"""The state of a run beside its networks: the random draws, the z of its grids, the best measurement so far."""

import json
from typing import NamedTuple

import numpy as np

from gans_n_roses.pictures.kinds import NO_KINDS, Kinds

# Names in a checkpoint. Before version 1.1.0 "run_state/score" was a best one's sliced Wasserstein distance.
RNG, GRID_Z, BETTER, SCORE = 'run_state/rng', 'run_state/grid_z', 'run_state/better', 'run_state/quality_distance'
TYPES = {RNG: np.object_, GRID_Z: np.float32, BETTER: np.float64, SCORE: np.float32}
KINDS = 'run_state/kinds'  # bytes, only of runs with LABELS
MT19937_KEYS = 624


class Better(NamedTuple):
    """The last measurement that was better than all before it, by more than chance."""

    iteration: int
    distance: float
    error: float  # standard error of the distance


NOT_YET = Better(0, np.inf, 0)  # nothing was measured


class RunState(NamedTuple):
    """Everything that a run needs to go on exactly, and that is no variable of the graph."""

    rng: np.random.RandomState  # draws batches and z
    grid_z: np.ndarray  # float32 [n, z_dim], the z of the sample grids
    better: Better = NOT_YET
    kinds: Kinds = NO_KINDS


def pack_state(state, score=np.inf):
    """A run's state as values for a checkpoint: dict of name → array or bytes, of TYPES and KINDS."""
    kinds = {KINDS: json.dumps([state.kinds.names, state.kinds.counts]).encode()} if state.kinds.names else {}
    return {RNG: pack(state.rng), GRID_Z: state.grid_z, BETTER: state.better, SCORE: score, **kinds}


def read_state(values):
    """RunState from the values of a checkpoint.

    Args:
      values: dict of name → array, of the names in TYPES.
    Returns:
      RunState; None where there is none, as in a checkpoint of the article's own code.
    Raises:
      ValueError: a value is no state of a run.
    """
    if not {RNG, GRID_Z} <= values.keys():
        return None
    rng, z, better = values[RNG], values[GRID_Z], values.get(BETTER, np.array(NOT_YET, np.float64))
    if not (z.dtype == np.float32 and z.ndim == 2 and np.all(np.abs(z) <= 1)):
        raise ValueError(f'{GRID_Z} is not made of z')
    if not (better.shape == (3,) and better[0] >= 0 and better[1] > -np.inf and 0 <= better[2] < np.inf):
        raise ValueError(f'{BETTER} is no measurement')
    return RunState(unpack(rng.tolist()), z, Better(int(better[0]), *better[1:].tolist()), read_kinds(values))


def read_kinds(values):
    """The kinds that a model knows, from the values of a checkpoint: Kinds. Raises as `read_state`."""
    if KINDS not in values:
        return NO_KINDS
    try:
        names, counts = map(tuple, json.loads(values[KINDS].tolist()))
        if not (len(names) == len(counts) == len(set(names)) and all(
                isinstance(name, str) and type(count) is int and count > 0
                for name, count in zip(names, counts, strict=True))):
            raise ValueError
        return Kinds(names, counts)
    except (ValueError, TypeError, RecursionError):
        raise ValueError(f'{KINDS} names no kinds') from None


def read_score(values):
    """The score of a best checkpoint, the lower the better: infinite where there is none. Raises as `read_state`."""
    score = values.get(SCORE, np.float32(np.inf))
    if not (score.dtype == np.float32 and score.shape == () and score > -np.inf):
        raise ValueError(f'{SCORE} is no distance')
    return float(score)


def pack(rng):
    """A random generator's state as bytes of JSON."""
    kind, keys, *position = rng.get_state()
    return json.dumps([kind, keys.tolist(), *position]).encode()


def unpack(packed):
    """A random generator of the state that `pack` wrote, bytes or str. Raises as `read_state`."""
    rng = np.random.RandomState()
    try:
        kind, keys, position, has_gauss, gauss = json.loads(packed)
        keys = np.array(keys, np.int64)
        # Checked here, since NumPy does not: a position beyond the keys makes it read foreign memory.
        if not (0 <= position <= MT19937_KEYS and keys.min() >= 0 and keys.max() < 2**32):
            raise ValueError
        rng.set_state((kind, keys, position, has_gauss, gauss))
    except (ValueError, TypeError, IndexError, OverflowError, RecursionError):  # IndexError: too few keys
        raise ValueError(f'{RNG} is no state of a random generator') from None
    return rng
