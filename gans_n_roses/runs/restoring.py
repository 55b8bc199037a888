"""Restore what checkpoints.py has saved."""

import contextlib
import json
import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput, RunFailed
from gans_n_roses.machine.files import inside
from gans_n_roses.runs.checkpoints import DATA, INDEX, SCORE, RunState
from gans_n_roses.runs.folders import checkpoint_names

KINDS = {'latest': ('train', 'best'), 'best': ('best',)}
DELETED_MEANWHILE = 100  # times that a checkpoint may be deleted between being seen and being read
RNG, GRID_Z = 'run_state/rng', 'run_state/grid_z'
MT19937_KEYS = 624


class Checkpoint(NamedTuple):
    """What a checkpoint holds, checked: all that is still to ask is whether it fits the networks."""

    path: Path  # Saved_Models/train-6
    values: dict  # name of a variable → array of finite numbers
    state: RunState | None  # None: it was saved by the article's code, or by a run that cannot go on
    score: float  # of a best one, the lower the better; infinite where nothing was measured

    @property
    def iteration(self):
        """How many iterations had been made."""
        return int(self.path.name.rpartition('-')[2])


def read_newest(folder, which='latest', say=print):
    """Read the newest checkpoint that is whole, passing over torn ones and naming them.

    Args:
      folder: Path of Saved_Models.
      which: 'latest' for the newest of any kind, 'best' for the one that was measured best.
      say: where a torn checkpoint is reported to, a function of one string.
    Returns:
      Checkpoint.
    Raises:
      BadInput: no checkpoint is whole.
      RunFailed: a run beside this process deletes them faster than they can be read.
    """
    torn, deleted = set(), 0
    while names := [name for name in checkpoint_names(folder, KINDS[which]) if name not in torn]:
        try:
            return read_checkpoint(folder / names[-1])
        except Exception as problem:  # TensorFlow's reader raises a dozen kinds, IndexError for a cut file among them
            if names[-1] in checkpoint_names(folder, KINDS[which]):
                torn.add(names[-1])
                say(f'{folder / names[-1]} is torn and passed over '
                    f'({(str(problem) or repr(problem)).splitlines()[0]}).')
                continue
        # A run that is being trained has deleted it, since a newer one is there.
        deleted += 1
        if deleted == DELETED_MEANWHILE:
            raise RunFailed(f'The checkpoints in {folder} are deleted before they can be read: set CHECKPOINTS_KEPT '
                            'of the run that is being trained there to more.')
    if which == 'best':
        why = ('has no best checkpoint that is whole' if torn else
               'has no best checkpoint: nothing was measured yet, or all that was measured was too much like copies')
        raise BadInput(f"{folder} {why}. Set CHECKPOINT = 'latest'.")
    raise BadInput(f'{folder} has no whole checkpoint: set RUN to another run, or train anew.')


def read_checkpoint(path):
    """Read and check a checkpoint.

    Args:
      path: Path of its files without their suffixes: Saved_Models/train-6.
    Returns:
      Checkpoint.
    Raises:
      ValueError: what it holds is no state of a run; whatever else TensorFlow's reader raises: it is torn.
    """
    for part in path.parent.iterdir():
        if part.name.startswith(f'{path.name}.') and not part.is_file():
            raise ValueError(f'{part.name} is no file')  # reading from a pipe would wait for ever
    with inside(path.parent):  # the reader takes a path for a pattern: "[1]" would be "1"
        reader = tf.train.NewCheckpointReader(path.name)  # checks the sum of every tensor that it reads
        values = {name: np.asarray(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}
    outside = {name: values.pop(name) for name in list(values) if name.startswith('run_state/')}
    for name, value in values.items():
        if value.dtype.kind not in 'fiu' or not np.all(np.isfinite(value)):
            raise ValueError(f'{name} is not made of finite numbers')
    state = RunState(_unpack(outside[RNG]), _checked_z(outside[GRID_Z])) if {RNG, GRID_Z} <= outside.keys() else None
    return Checkpoint(path, values, state, _checked_score(outside.get(SCORE, np.float32(np.inf))))


def _unpack(packed):
    try:
        kind, keys, position, has_gauss, gauss = json.loads(packed.item())
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


def _checked_score(score):
    if not (score.dtype == np.float32 and score.shape == () and score >= 0):
        raise ValueError(f'{SCORE} is no distance')
    return float(score)


def best_score(folder):
    """The score of the best checkpoint in Saved_Models; infinite where there is none that is whole."""
    if not checkpoint_names(folder, KINDS['best']):
        return np.inf
    try:
        return read_newest(folder, 'best').score
    except BadInput:  # torn, and named: the next one measured takes its place
        return np.inf


def set_aside_later(folder, newest):
    """Rename the checkpoints that are later than the newest whole one: torn, they would pass for the run's newest.

    Args:
      folder: Path of Saved_Models.
      newest: name of the newest whole checkpoint, of whatever kind.
    Raises:
      OSError: one cannot be renamed.
    """
    names = checkpoint_names(folder)
    for name in names[names.index(newest) + 1:]:
        for suffix in (INDEX, DATA):
            with contextlib.suppress(FileNotFoundError):
                os.replace(folder / (name + suffix), folder / f'torn-{name}{suffix}')


def restore(session, variables, values, source):
    """Load saved values into variables.

    Args:
      session: tf.Session.
      variables: dict of saved name → variable.
      values: dict of saved name → array.
      source: where the values come from, for the sentence to the user.
    Raises:
      BadInput: a value is missing, or of another shape or type.
    """
    for name, variable in variables.items():
        if name not in values:
            raise BadInput(f'{source} holds no {name}: it was saved by other networks than these.')
        _check_shape(name, values[name], tuple(variable.shape.as_list()), source)
        dtype = variable.dtype.base_dtype.as_numpy_dtype
        if values[name].dtype != dtype:
            raise BadInput(f'{source} holds {name} as {values[name].dtype}, but the networks compute in '
                           f'{np.dtype(dtype)}: it was saved by other networks than these.')
    for name, variable in variables.items():
        # Feeding the initializer works in a finalized graph, where no assignment can be added.
        session.run(variable.initializer, {variable.initializer.inputs[1]: values[name]})


def _check_shape(name, value, shape, source):
    if value.shape != shape:
        raise BadInput(f'{source} holds {name} of shape {value.shape}, but the settings of the run make it {shape}: '
                       'IMAGE_SIZE, Z_DIM, N_SAMPLES or the checkpoint was changed.')


def restore_run(session, checkpoint, settings):
    """Load a whole run: every variable of the session's graph, and what lives outside it.

    Args:
      session: tf.Session.
      checkpoint: Checkpoint.
      settings: Settings; reads n_samples and z_dim.
    Returns:
      RunState.
    Raises:
      BadInput: as `restore`.
    """
    source, values, state = checkpoint.path, checkpoint.values, checkpoint.state
    variables = {variable.op.name: variable for variable in tf.global_variables()}
    restore(session, variables, values, source)
    foreign = sorted(values.keys() - variables.keys())
    if foreign:
        raise BadInput(f'{source} holds {foreign[0]}, which the networks of the settings do not have: IMAGE_SIZE, '
                       'EMA_DECAY or the checkpoint was changed.')
    if state is None:
        raise BadInput(f'{source} holds no run_state, so training cannot go on exactly: LOAD can still use it.')
    _check_shape(GRID_Z, state.grid_z, (settings.n_samples, settings.z_dim), source)
    return state
