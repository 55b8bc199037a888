"""A checkpoint → a generator in which one z is one rose."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from gans_n_roses.errors import reason
from gans_n_roses.machine.files import inside
from gans_n_roses.machine.session import open_session
from gans_n_roses.networks.models import generator
from gans_n_roses.networks.noise import draw_z
from gans_n_roses.networks.ops import SMOOTHING, batch_norm
from gans_n_roses.networks.transfer import model_size
from gans_n_roses.runs.checkpoints import restore
from gans_n_roses.runs.weights import AVERAGE, SMOOTHED, weights_in

# 1,000 z: pictures are within 2 of 255 grey levels, on average, of those with 4,000 z, which take four times as long
# (a batch of 12 by its own statistics: 16). A hundred at a time bounds the memory.
MOMENT_BATCHES = 10
MOMENT_BATCH_SIZE = 100
EXPORTS_AT_ONCE = 100


class SavedGenerator(NamedTuple):
    """A trained generator in a session of its own, with its batch-norm statistics frozen."""

    session: tf.Session
    z: tf.Tensor  # placeholder, float32 [any, z_dim] in (-1, 1)
    images: tf.Tensor  # float32 [any, size, size, 3] in [-1, 1]
    pictures: tf.Tensor  # the same as uint8 [any, size, size, 3]
    z_dim: int
    image_size: int
    source: Path  # of the checkpoint
    filter_added: bool  # whether the filter of SMOOTH was added to a model that was trained without it


@contextlib.contextmanager
def open_generator(values, source, smooth=False):
    """Rebuild the generator that a checkpoint holds, whatever the settings are now.

    Averaged weights are used where the checkpoint has them. The population statistics of every batch norm
    are estimated over many z, one layer after the other, each with the layers before it frozen already
    (precise batch norm: Wu and Johnson 2021, arXiv:2105.07576, sec. 3).

    Args:
      values: dict of name → array, as a Checkpoint has it.
      source: Path of the checkpoint, for the sentence to the user.
      smooth: True filters the pictures of a model that was trained without SMOOTH, too.
    Yields:
      SavedGenerator.
    Raises:
      BadInput: the checkpoint holds no generator of this shape.
    """
    z_dim, image_size = model_size(values, source)
    added = smooth and SMOOTHED not in values
    if added:
        values = {**values, SMOOTHED: np.float32(SMOOTHING)}
    with tf.Graph().as_default(), open_session() as session:
        tf.set_random_seed(0)  # of weights that are overwritten; under TF_DETERMINISTIC_OPS there must be one
        z = tf.placeholder(tf.float32, [None, z_dim], 'z')
        layers = []

        def normalize(x, name):
            channels = x.shape.as_list()[-1]
            with tf.variable_scope('population'):
                moments = [tf.get_variable(f'{name}_{moment}', [channels], initializer=tf.ones_initializer(),
                                           trainable=False) for moment in ('mean', 'variance')]
            layers.append((tf.nn.moments(x, [0, 1, 2]), moments))
            return batch_norm(x, name, moments=tuple(moments))

        images = generator(z, image_size, normalize, smoothed=SMOOTHED in values)
        pictures = tf.cast(tf.clip_by_value(tf.round((images + 1) * 127.5), 0, 255), tf.uint8)
        saved = SavedGenerator(session, z, images, pictures, z_dim, image_size, source, added)
        session.run(tf.global_variables_initializer())
        weights = weights_in({variable.op.name: variable for variable in tf.global_variables()})
        restore(session, {name + AVERAGE if name + AVERAGE in values else name: variable
                          for name, variable in weights.items()}, values, source)
        _freeze_moments(saved, layers)
        yield saved


def make_rose(saved, z):
    """Make one rose, alone, so that not even rounding depends on others.

    Args:
      saved: SavedGenerator.
      z: float32 [z_dim] in (-1, 1).
    Returns:
      uint8 [image_size, image_size, 3].
    """
    return saved.session.run(saved.pictures, {saved.z: z[np.newaxis]})[0]


def export(saved, path):
    """Write a SavedModel: signature z float32 [n, z_dim] → images uint8 [n, image_size, image_size, 3].

    Args:
      saved: SavedGenerator.
      path: Path of the folder to write; an earlier export there is replaced once the new one is whole.
    Returns:
      path.
    Raises:
      OSError: the disk is full, or the folder cannot be written; it names the path. An earlier export is as it was.
    """
    suffix, prefix = '.partial', f'.{path.name}.'
    try:
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(suffix, prefix, path.parent, ignore_cleanup_errors=True) as aside:
            with inside(aside):  # the writer takes paths in UTF-8 only
                _write_saved_model(saved, 'new')
            _replace_folder(path, Path(aside, 'new'))
    except (OSError, tf.errors.OpError) as problem:
        with contextlib.suppress(OSError):  # earlier exports stay
            path.parent.rmdir()
        raise OSError(None, reason(problem), str(path)) from None
    return path


def _write_saved_model(saved, name):
    saver = tf.train.Saver(tf.global_variables())
    tf.logging.set_verbosity(tf.logging.ERROR)  # the only writer of graphs with sessions is called deprecated
    signature = tf.saved_model.predict_signature_def({'z': saved.z}, {'images': saved.pictures})
    builder = tf.saved_model.Builder(name)
    builder.add_meta_graph_and_variables(saved.session, ['serve'], {'serving_default': signature}, saver=saver)
    builder.save()


def _replace_folder(path, new):
    """Rename a folder to a path, and what is there to beside it; others may do the same at the same time."""
    for attempt in range(EXPORTS_AT_ONCE):
        old = new.with_name(f'old_{attempt}')
        with contextlib.suppress(FileNotFoundError):
            os.replace(path, old)
        try:
            os.replace(new, path)
            return
        except OSError:
            if not path.exists():  # no other export has come between the two: it cannot be done
                with contextlib.suppress(FileNotFoundError):
                    os.replace(old, path)
                raise
    raise OSError(errno.EBUSY, 'other exports write there all the time', str(path))


def _freeze_moments(saved, layers):
    """Estimate each layer's mean and variance, in order: a layer's input depends on those before it."""
    for estimates, variables in tqdm(layers, 'Estimating statistics', delay=1, leave=False, disable=None):
        rng = np.random.RandomState(0)  # the same z for each layer, and on each LOAD
        sums = []
        for _ in range(MOMENT_BATCHES):
            z = draw_z(rng, MOMENT_BATCH_SIZE, saved.z_dim)
            sums.append(saved.session.run(estimates, {saved.z: z}))
        means, variances = np.array(sums, np.float64).transpose(1, 0, 2)  # [batches, channels] each
        # The law of total variance: within the batches, and between them.
        for variable, value in zip(variables, (means.mean(0), variances.mean(0) + means.var(0)), strict=True):
            saved.session.run(variable.initializer, {variable.initializer.inputs[1]: value})
