"""Checkpoints: everything that a run needs to go on exactly is saved, read, checked, and restored.

A checkpoint is one file pair in TensorFlow's format, Saved_Models/train-<iteration>: every variable of the
graph (weights, Adam's moments, averages, iteration) and, under "run_state/", what lives outside it. The one that was
measured best is kept as best-<iteration>.
"""

import contextlib
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput, RunFailed, reason
from gans_n_roses.machine.files import put_in_place, read_file, remove, working_in, write_file
from gans_n_roses.machine.session import assign
from gans_n_roses.pictures.kinds import NO_KINDS, Kinds
from gans_n_roses.runs.folders import checkpoint_names
from gans_n_roses.runs.state import GRID_Z, KINDS, TYPES, RunState, pack_state, read_kinds, read_score, read_state
from gans_n_roses.runs.weights import kinds_known

DATA = '.data-00000-of-00001'
INDEX = '.index'
LISTING = 'checkpoint'  # file in Saved_Models that names the others, for TensorFlow's own tools
PARTIAL = '.partial'  # folder in Saved_Models that checkpoints are written in
SORTS = {'latest': ('best', 'train'), 'best': ('best',)}
READ_ATTEMPTS = 100  # a run that is being trained may delete a checkpoint between our seeing and our reading it


class Checkpoint(NamedTuple):
    """A checkpoint that was read and found whole; whether it fits the networks is still to be asked."""

    path: Path  # Saved_Models/train-6
    values: dict  # name of a variable → array of finite numbers
    state: RunState | None  # None: it was saved by the article's code, or by a run that cannot go on
    score: float  # distance of a best-…, the lower the better; infinite in any other, and where an older one measured
    kinds: Kinds = NO_KINDS  # that its networks know, with LABELS

    @property
    def iteration(self):
        """The number of iterations made before it was saved."""
        return int(self.path.name.rpartition('-')[2])


class SaveOps(NamedTuple):
    """Ops that write a checkpoint; built before the graph is finalized."""

    prefix: tf.Tensor
    state: dict  # name of a value of the run's state → placeholder
    save: tf.Operation
    finite: tf.Tensor  # False where a variable holds a value that is not finite


def build_save(kinds=NO_KINDS):
    """Add to the default graph what `save_checkpoint` runs; kinds: those of the run's state."""
    variables = tf.global_variables()
    with tf.name_scope('save'), tf.device('/cpu:0'):
        prefix = tf.placeholder(tf.string, [])
        state = {name: tf.placeholder(dtype) for name, dtype in TYPES.items()}
        if kinds.names:
            state[KINDS] = tf.placeholder(tf.string)
        saved = {**{variable.op.name: variable for variable in variables}, **state}
        save = tf.raw_ops.SaveV2(prefix=prefix, tensor_names=list(saved), shape_and_slices=[''] * len(saved),
                                 tensors=list(saved.values()))
        sums = [tf.reduce_sum(variable) for variable in variables if variable.dtype.base_dtype == tf.float32]
        finite = tf.reduce_all(tf.is_finite(tf.stack(sums)))
    return SaveOps(prefix, state, save, finite)


def save_checkpoint(session, ops, folder, iteration, state, kept):
    """Write train-<iteration>, then delete all but the newest few.

    The files are written in a folder aside and renamed, the index last: a checkpoint that has an index is whole.

    Args:
      session: tf.Session.
      ops: SaveOps.
      folder: Path of Saved_Models.
      iteration: number of iterations made.
      state: RunState.
      kept: number of checkpoints to keep.
    Raises:
      RunFailed: disk full, or folder not writable, or weights not finite. Older checkpoints are as they were.
    """
    _save(session, ops, folder, 'train', iteration, pack_state(state), kept)


def save_best(session, ops, folder, iteration, state, score):
    """Write best-<iteration>, then delete the best before it. Args and raises: as `save_checkpoint`; score: float."""
    _save(session, ops, folder, 'best', iteration, pack_state(state, score), kept=1)


def _save(session, ops, folder, kind, iteration, values, kept):
    name, aside = f'{kind}-{iteration}', folder / PARTIAL
    if not session.run(ops.finite):
        raise RunFailed(f'A weight is not finite at iteration {iteration}: it is not saved.')
    try:
        remove(aside)  # left by a process that was killed, or a link that leads elsewhere
        aside.mkdir()
        feeds = {placeholder: values[each] for each, placeholder in ops.state.items()}
        session.run(ops.save, {ops.prefix: os.fsencode(aside / name), **feeds})
        for suffix in (DATA, INDEX):
            put_in_place(aside / (name + suffix), folder / (name + suffix))
        _delete_others(folder, name, kept)
    except (OSError, tf.errors.OpError) as problem:
        raise RunFailed(f'Iteration {iteration} cannot be saved in {folder}: {reason(problem)}.') from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _delete_others(folder, newest, kept):
    """Delete a kind's checkpoints but for `newest` and those before it, `kept` in all; a later best one was worse."""
    kind = newest.partition('-')[0]
    names = checkpoint_names(folder, [kind])
    stay = names[:names.index(newest) + 1][-kept:]
    for name in names:
        if name not in stay:
            _delete(folder, name)
    for data in folder.glob(f'{kind}-*{DATA}'):
        # A process that was killed between deleting the index and the data has left the data.
        if not (folder / data.name.replace(DATA, INDEX)).exists():
            data.unlink()
    if kind == 'train':  # TensorFlow's own tools, tf.train.latest_checkpoint among them, find the checkpoints by this
        lines = [f'model_checkpoint_path: "{newest}"', *(f'all_model_checkpoint_paths: "{name}"' for name in stay)]
        write_file(folder / LISTING, '\n'.join(lines).encode())  # last: it says that the save is finished


def _delete(folder, name):
    # The index before the data: what is left is no checkpoint.
    for path in (statistics_of(folder / name), folder / (name + INDEX), folder / (name + DATA)):
        path.unlink(missing_ok=True)


def statistics_of(path):
    """The file beside a saved model in which LOAD keeps its statistics: train-6_statistics beside train-6."""
    return path.with_name(f'{path.stem}_statistics')


# Reading and restoring

def read_newest(folder, which='latest', setting='RUN'):
    """Read the newest checkpoint that is whole; torn ones are named and skipped.

    Args:
      folder: Path of Saved_Models.
      which: 'latest' for the newest train-…, or the best one where no other is whole; 'best' for the best one; or the
        name of a checkpoint.
      setting: the setting that named the run, for the sentence to the user.
    Returns:
      Checkpoint.
    Raises:
      BadInput: no checkpoint is whole.
      RunFailed: a run beside this process deletes them faster than they can be read.
    """
    def there():
        return checkpoint_names(folder, SORTS[which]) if which in SORTS else [which]
    torn = set()
    for _ in range(READ_ATTEMPTS):
        names = [name for name in there() if name not in torn]
        if not names:
            break
        try:
            return read_checkpoint(folder / names[-1])
        except Exception as problem:  # TensorFlow's reader raises a dozen kinds, IndexError for a cut file among them
            if names[-1] in there():  # else a newer one is there, and this one deleted
                torn.add(names[-1])
                print(f'{folder / names[-1]} is torn and skipped ({(str(problem) or repr(problem)).splitlines()[0]}).')
    else:
        raise RunFailed(f'The checkpoints in {folder} are deleted before they can be read: set CHECKPOINTS_KEPT '
                        'of the run that is being trained there to more.')
    if which == 'best':
        why = ('has no best checkpoint that is whole' if torn else
               'has no best checkpoint: nothing was measured yet, or all that was measured was too much like copies')
        raise BadInput(f"{folder} {why}. Set CHECKPOINT = 'latest'.")
    found = f'{folder} has' if which in SORTS else f'{folder / which} is'
    raise BadInput(f'{found} no whole checkpoint: set {setting} to another run, or train anew.')


def read_checkpoint(path):
    """Read and check a checkpoint.

    Args:
      path: Path of its files without their suffixes: Saved_Models/train-6.
    Returns:
      Checkpoint.
    Raises:
      ValueError: it holds no state of a run. Whatever else TensorFlow's reader raises: it is torn.
    """
    for part in path.parent.iterdir():
        if part.name.startswith(f'{path.name}.') and not part.is_file():
            raise ValueError(f'{part.name} is no file')  # reading from a pipe would wait for ever
    with working_in(path.parent):  # the reader takes a path for a pattern: "[1]" would be "1"
        reader = tf.train.NewCheckpointReader(path.name)  # checks the sum of every tensor that it reads
        values = {name: np.asarray(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}
    outside = {name: values.pop(name) for name in list(values) if name.startswith('run_state/')}
    for name, value in values.items():
        if value.dtype.kind not in 'fiu' or not np.all(np.isfinite(value)):
            raise ValueError(f'{name} is not made of finite numbers')
    kinds = read_kinds(outside)
    if len(kinds.names) != kinds_known(values):
        raise ValueError('it does not name the kinds that its networks know')
    return Checkpoint(path, values, read_state(outside), read_score(outside), kinds)


def best_score(folder):
    """The score of the best checkpoint in Saved_Models; infinite where there is none that is whole."""
    if not checkpoint_names(folder, SORTS['best']):
        return np.inf
    try:
        best = read_newest(folder, 'best')
    except BadInput:  # torn, and named: the next one measured takes its place
        return np.inf
    with contextlib.suppress(OSError):  # it is tried again when the next one is saved
        _delete_others(folder, best.path.name, kept=1)  # a process that was killed has left the best before it
    return best.score


def clear_up(folder, newest, kept):
    """Finish the save that a kill may have cut short, and rename torn checkpoints: training makes them again.

    None of those that are later than the one a run resumes from is then taken for the run's newest. Whole ones stay, a
    best one of a later iteration too.

    Args:
      folder: Path of Saved_Models.
      newest: Checkpoint that the run resumes from.
      kept: number of checkpoints to keep.
    Raises:
      OSError: a file cannot be changed.
    """
    names = checkpoint_names(folder)
    torn = names[names.index(newest.path.name) + 1:]
    for name in torn:
        for suffix in (INDEX, DATA):
            with contextlib.suppress(FileNotFoundError):
                os.replace(folder / (name + suffix), folder / f'torn-{name}{suffix}')
    remove(folder / PARTIAL)
    listed = read_file(folder / LISTING) if (folder / LISTING).is_file() else b''
    if not torn and f'{newest.path.name}"'.encode() not in listed:
        _delete_others(folder, newest.path.name, kept)


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
    assign(session, list(variables.values()), [values[name] for name in variables])


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
                       'EMA_DECAY, SMOOTH or the checkpoint was changed.')
    if state is None:
        raise BadInput(f'{source} holds no run_state, so training cannot go on exactly: LOAD can still use it.')
    _check_shape(GRID_Z, state.grid_z, (settings.n_samples, settings.z_dim), source)
    return state


def _check_shape(name, value, shape, source):
    if value.shape != shape:
        raise BadInput(f'{source} holds {name} of shape {value.shape}, but the settings of the run make it {shape}: '
                       'IMAGE_SIZE, Z_DIM, N_SAMPLES or the checkpoint was changed.')
