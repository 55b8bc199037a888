"""Restore what checkpoints.py has saved."""

import contextlib
import json
import os

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.checkpoints import DATA, INDEX, SCORE, RunState, delete
from gans_n_roses.errors import BadInput
from gans_n_roses.results import checkpoint_iterations


def read_newest(folder, kind='train', say=print):
    """Read the newest checkpoint that is whole, passing over torn ones and naming them.

    Args:
      folder: Path of Saved_Models.
      kind: 'train', or 'best' for the one that was measured best.
      say: where a torn checkpoint is reported to, a function of one string.
    Returns:
      (iteration, dict of name → array).
    Raises:
      BadInput: no checkpoint is whole.
    """
    for iteration in reversed(checkpoint_iterations(folder, kind)):
        prefix = folder / f'{kind}-{iteration}'
        try:
            return iteration, read_checkpoint(prefix)
        except Exception as problem:  # TensorFlow's reader raises a dozen kinds, IndexError for a cut file among them
            say(f'{prefix} is torn and passed over ({str(problem).splitlines()[0]}).')
    if kind == 'best' and not checkpoint_iterations(folder, kind):
        raise BadInput(f"{folder} has no best checkpoint: nothing was measured yet, or all that was measured was too "
                       "much like copies. Set CHECKPOINT = 'latest'.")
    raise BadInput(f'{folder} has no whole checkpoint{" that was best" * (kind == "best")}: set RUN to another run, or '
                   'train anew.')


def read_checkpoint(prefix):
    """Every value of a checkpoint: dict of name → array. Raises whatever TensorFlow's reader raises."""
    reader = tf.train.load_checkpoint(str(prefix))  # checks the sum of every tensor that it reads
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def best_score(folder):
    """The score of the best checkpoint in Saved_Models; infinite where there is none that is whole."""
    if not checkpoint_iterations(folder, 'best'):
        return np.inf
    try:
        return float(read_newest(folder, 'best')[1].get(SCORE, np.inf))
    except BadInput:  # torn, and named: the next one measured takes its place
        return np.inf


def set_aside_later(folder, iteration):
    """Clear away what is later than the iteration that a run goes on from.

    Torn checkpoints are renamed, or they would pass for its newest; a best one will be measured again.
    """
    for later in checkpoint_iterations(folder, 'best'):
        if later > iteration:
            delete(folder, f'best-{later}')
    for later in checkpoint_iterations(folder):
        if later > iteration:
            os.replace(folder / f'train-{later}{INDEX}', folder / f'torn-train-{later}{INDEX}')
            with contextlib.suppress(FileNotFoundError):
                os.replace(folder / f'train-{later}{DATA}', folder / f'torn-train-{later}{DATA}')


def restore(session, variables, values, source):
    """Load saved values into variables.

    Args:
      session: tf.Session.
      variables: dict of saved name → variable.
      values: dict of saved name → array.
      source: where the values come from, for the sentence to the user.
    Raises:
      BadInput: a value is missing or of another shape.
    """
    for name, variable in variables.items():
        if name not in values:
            raise BadInput(f'{source} holds no {name}: it was saved by other networks than these.')
        shape = tuple(variable.shape.as_list())
        if values[name].shape != shape:
            raise BadInput(f'{source} holds {name} of shape {values[name].shape}, but the settings of the run make it '
                           f'{shape}: IMAGE_SIZE, Z_DIM or the checkpoint was changed.')
    for name, variable in variables.items():
        # Feeding the initializer works in a finalized graph, where no assignment can be added.
        session.run(variable.initializer, {variable.initializer.inputs[1]: values[name]})


def restore_run(session, values, source):
    """Load a whole run: every variable of the session's graph, and what lives outside it.

    Returns:
      RunState.
    Raises:
      BadInput: as `restore`.
    """
    variables = {variable.op.name: variable for variable in tf.global_variables()}
    restore(session, variables, values, source)
    foreign = sorted(name for name in values if name not in variables and not name.startswith('run_state/'))
    if foreign:
        raise BadInput(f'{source} holds {foreign[0]}, which the networks of the settings do not have: IMAGE_SIZE, '
                       'EMA_DECAY or the checkpoint was changed.')
    if not {'run_state/rng', 'run_state/grid_z'} <= values.keys():
        raise BadInput(f'{source} holds no run_state, so training cannot go on exactly: LOAD can still use it.')
    return RunState(_unpack(values['run_state/rng']), values['run_state/grid_z'])


def _unpack(packed):
    kind, keys, *position = json.loads(packed)
    rng = np.random.RandomState()
    rng.set_state((kind, np.array(keys, np.uint32), *position))
    return rng
