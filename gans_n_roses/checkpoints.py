"""Save and restore everything that a run needs to go on exactly.

A checkpoint is one file pair in TensorFlow's format, Saved_Models/train-<iteration>: every variable of the
graph (weights, Adam's moments, averages, iteration) and, under "run_state/", what lives outside it.
"""

import contextlib
import json
import os
import shutil
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput, RunFailed, reason
from gans_n_roses.files import write_file
from gans_n_roses.results import checkpoint_iterations, how_to_go_on

DATA = '.data-00000-of-00001'
INDEX = '.index'


class RunState(NamedTuple):
    """All of a run's state that is no variable of the graph. Whatever is added here is saved and restored."""

    rng: np.random.RandomState  # draws batches and z
    grid_z: np.ndarray  # float32 [n, z_dim], the z of the sample grids


class SaveOps(NamedTuple):
    """Ops that write a checkpoint; built before the graph is finalized."""

    prefix: tf.Tensor
    rng: tf.Tensor
    grid_z: tf.Tensor
    save: tf.Operation
    finite: tf.Tensor  # False where a variable holds a value that is not finite


def build_save():
    """Add to the default graph what `save_checkpoint` runs."""
    variables = tf.global_variables()
    with tf.name_scope('save'), tf.device('/cpu:0'):
        prefix = tf.placeholder(tf.string, [])
        rng = tf.placeholder(tf.string, [])
        grid_z = tf.placeholder(tf.float32, [None, None])
        names = [variable.op.name for variable in variables] + ['run_state/rng', 'run_state/grid_z']
        save = tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[''] * len(names),
                                 tensors=[*variables, rng, grid_z])
        sums = [tf.reduce_sum(variable) for variable in variables if variable.dtype.base_dtype == tf.float32]
        finite = tf.reduce_all(tf.is_finite(tf.stack(sums)))
    return SaveOps(prefix, rng, grid_z, save, finite)


def save_checkpoint(session, ops, folder, iteration, state, kept):
    """Write train-<iteration>, then delete what is older than the newest few.

    The files are written in a folder aside and renamed, the index last: a checkpoint that has an index is whole.

    Args:
      session: tf.Session.
      ops: SaveOps.
      folder: Path of Saved_Models.
      iteration: how many iterations were made.
      state: RunState.
      kept: how many checkpoints to keep.
    Raises:
      RunFailed: disk full, or folder not writable, or weights not finite. Older checkpoints are as they were.
    """
    name = f'train-{iteration}'
    aside = folder / '.partial'
    if not session.run(ops.finite):
        raise RunFailed(f'A weight is not finite at iteration {iteration}: it is not saved. {how_to_go_on(folder)}')
    try:
        aside.mkdir(exist_ok=True)
        session.run(ops.save, {ops.prefix: str(aside / name), ops.rng: _pack(state.rng), ops.grid_z: state.grid_z})
        for suffix in (DATA, INDEX):
            _sync(aside / (name + suffix))
            os.replace(aside / (name + suffix), folder / (name + suffix))
        _delete_older(folder, kept)
    except (OSError, tf.errors.OpError) as problem:
        raise RunFailed(
            f'Iteration {iteration} cannot be saved in {folder}: {reason(problem)}. {how_to_go_on(folder)}') from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read_newest(folder, say=print):
    """Read the newest checkpoint that is whole, passing over torn ones and naming them.

    Args:
      folder: Path of Saved_Models.
      say: where a torn checkpoint is reported to, a function of one string.
    Returns:
      (iteration, dict of name → array).
    Raises:
      BadInput: no checkpoint is whole.
    """
    for iteration in reversed(checkpoint_iterations(folder)):
        prefix = folder / f'train-{iteration}'
        try:
            # The reader checks the sum of every tensor that it reads.
            reader = tf.train.load_checkpoint(str(prefix))
            return iteration, {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
        except Exception as problem:  # TensorFlow's reader raises a dozen kinds, IndexError for a cut file among them
            say(f'{prefix} is torn and passed over ({str(problem).splitlines()[0]}).')
    raise BadInput(f'{folder} has no whole checkpoint: set RUN to another run, or train anew.')


def set_aside_later(folder, iteration):
    """Rename torn checkpoints later than the one that a run goes on from, or they would pass for its newest."""
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


def _pack(rng):
    kind, keys, *position = rng.get_state()
    return json.dumps([kind, keys.tolist(), *position]).encode()


def _unpack(packed):
    kind, keys, *position = json.loads(packed)
    rng = np.random.RandomState()
    rng.set_state((kind, np.array(keys, np.uint32), *position))
    return rng


def _sync(path):
    with open(path, 'rb+') as file:
        os.fsync(file.fileno())


def _delete_older(folder, kept):
    names = [f'train-{iteration}' for iteration in checkpoint_iterations(folder)]
    for name in names[:-kept]:
        for suffix in (INDEX, DATA):  # the index first: what is left is no checkpoint
            (folder / (name + suffix)).unlink(missing_ok=True)
    for data in folder.glob(f'train-*{DATA}'):  # of a process that was killed between the two
        if not (folder / data.name.replace(DATA, INDEX)).exists():
            data.unlink()
    # TensorFlow's own tools, tf.train.latest_checkpoint among them, find the checkpoints by this file.
    lines = [f'model_checkpoint_path: "{names[-1]}"']
    lines += [f'all_model_checkpoint_paths: "{name}"' for name in names[-kept:]]
    write_file(folder / 'checkpoint', '\n'.join(lines).encode())
