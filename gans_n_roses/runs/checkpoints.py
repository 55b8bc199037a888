"""Save everything that a run needs to go on exactly; restoring.py reads it.

A checkpoint is one file pair in TensorFlow's format, Saved_Models/train-<iteration>: every variable of the
graph (weights, Adam's moments, averages, iteration) and, under "run_state/", what lives outside it.
"""

import json
import os
import shutil
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import RunFailed, reason
from gans_n_roses.machine.files import write_file
from gans_n_roses.runs.folders import checkpoint_iterations

DATA = '.data-00000-of-00001'
INDEX = '.index'
SCORE = 'run_state/score'  # of a best checkpoint, the lower the better


class RunState(NamedTuple):
    """All of a run's state that is no variable of the graph. Whatever is added here is saved and restored."""

    rng: np.random.RandomState  # draws batches and z
    grid_z: np.ndarray  # float32 [n, z_dim], the z of the sample grids


class SaveOps(NamedTuple):
    """Ops that write a checkpoint; built before the graph is finalized."""

    prefix: tf.Tensor
    rng: tf.Tensor
    grid_z: tf.Tensor
    score: tf.Tensor
    save: tf.Operation
    finite: tf.Tensor  # False where a variable holds a value that is not finite


def build_save():
    """Add to the default graph what `save_checkpoint` runs."""
    variables = tf.global_variables()
    with tf.name_scope('save'), tf.device('/cpu:0'):
        prefix = tf.placeholder(tf.string, [])
        rng = tf.placeholder(tf.string, [])
        grid_z = tf.placeholder(tf.float32, [None, None])
        score = tf.placeholder(tf.float32, [])
        names = [variable.op.name for variable in variables] + ['run_state/rng', 'run_state/grid_z', SCORE]
        save = tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[''] * len(names),
                                 tensors=[*variables, rng, grid_z, score])
        sums = [tf.reduce_sum(variable) for variable in variables if variable.dtype.base_dtype == tf.float32]
        finite = tf.reduce_all(tf.is_finite(tf.stack(sums)))
    return SaveOps(prefix, rng, grid_z, score, save, finite)


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
    _save(session, ops, folder, 'train', iteration, state, np.inf, lambda: _delete_older(folder, kept))


def save_best(session, ops, folder, iteration, state, score):
    """Write best-<iteration>, then delete the best before it. Args and raises: as `save_checkpoint`; score: float."""
    def delete_others():
        for other in checkpoint_iterations(folder, 'best'):
            if other != iteration:
                delete(folder, f'best-{other}')
    _save(session, ops, folder, 'best', iteration, state, score, delete_others)


def _save(session, ops, folder, kind, iteration, state, score, delete_others):
    name, aside = f'{kind}-{iteration}', folder / '.partial'
    if not session.run(ops.finite):
        raise RunFailed(f'A weight is not finite at iteration {iteration}: it is not saved.')
    try:
        aside.mkdir(exist_ok=True)
        session.run(ops.save, {ops.prefix: os.fsencode(aside / name), ops.rng: _pack(state.rng),
                               ops.grid_z: state.grid_z, ops.score: score})
        for suffix in (DATA, INDEX):
            _sync(aside / (name + suffix))
            os.replace(aside / (name + suffix), folder / (name + suffix))
        delete_others()
    except (OSError, tf.errors.OpError) as problem:
        raise RunFailed(
            f'Iteration {iteration} cannot be saved in {folder}: {reason(problem)}.') from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _pack(rng):
    kind, keys, *position = rng.get_state()
    return json.dumps([kind, keys.tolist(), *position]).encode()


def _sync(path):
    with open(path, 'rb+') as file:
        os.fsync(file.fileno())


def delete(folder, name):
    """Delete a checkpoint of Saved_Models."""
    for suffix in (INDEX, DATA):  # the index first: what is left is no checkpoint
        (folder / (name + suffix)).unlink(missing_ok=True)


def _delete_older(folder, kept):
    names = [f'train-{iteration}' for iteration in checkpoint_iterations(folder)]
    for name in names[:-kept]:
        delete(folder, name)
    for data in (*folder.glob(f'train-*{DATA}'), *folder.glob(f'best-*{DATA}')):
        # Of a process that was killed between the two.
        if not (folder / data.name.replace(DATA, INDEX)).exists():
            data.unlink()
    # TensorFlow's own tools, tf.train.latest_checkpoint among them, find the checkpoints by this file.
    lines = [f'model_checkpoint_path: "{names[-1]}"']
    lines += [f'all_model_checkpoint_paths: "{name}"' for name in names[-kept:]]
    write_file(folder / 'checkpoint', '\n'.join(lines).encode())
