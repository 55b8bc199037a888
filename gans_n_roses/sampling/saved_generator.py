"""A checkpoint → a generator in which one z is one rose."""

import contextlib
import hashlib
import itertools
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from gans_n_roses.errors import reason
from gans_n_roses.machine.files import read_file, rename_to_free, working_in, write_file
from gans_n_roses.machine.session import assign, open_session
from gans_n_roses.networks.models import generator
from gans_n_roses.networks.noise import draw_z, kind_weight, with_kind
from gans_n_roses.networks.ops import batch_norm
from gans_n_roses.networks.transfer import model_shape
from gans_n_roses.pictures.kinds import NO_KINDS, Kinds
from gans_n_roses.runs.checkpoints import restore, statistics_of
from gans_n_roses.runs.weights import AVERAGE, fingerprint, weights_in

# 1,000 z: pictures are within 2 of 255 grey levels, on average, of those with 4,000 z, which take four times as long
# (a batch of 12 by its own statistics: 16). A hundred at a time bounds the memory.
MOMENT_BATCHES = 10
MOMENT_BATCH_SIZE = 100
MOST_KEPT = 2**28  # values of a layer, of all z together, that are kept in memory for the next one: 1 GB


class SavedGenerator(NamedTuple):
    """A trained generator in a session of its own, with its batch-norm statistics frozen."""

    session: tf.Session
    z: tf.Tensor  # to be fed, float32 [any, z_dim] in (-1, 1); with kinds [any, z_dim + kinds], as `with_kind` gives it
    images: tf.Tensor  # float32 [any, image_size, image_size, channels] in [-1, 1]
    pictures: tf.Tensor  # the same as uint8
    z_dim: int
    image_size: int
    source: Path  # of the checkpoint
    kinds: Kinds  # that it knows (LABELS)
    inputs: dict  # what an exported model takes: name → tensor


@contextlib.contextmanager
def open_generator(values, source, kinds=NO_KINDS):
    """Rebuild the generator that a checkpoint holds, whatever the settings are now.

    It takes the moving averages of the weights where the checkpoint has them, and filters its pictures where the model
    was trained with SMOOTH. Each batch norm gets one mean and variance, estimated over many z, so that a rose does not
    depend on the others in its batch (precise batch norm: Wu and Johnson 2021, arXiv:2105.07576, sec. 3). The estimate
    is kept in a small file beside the checkpoint: the next time it is read.

    Args:
      values: dict of name → array, as a Checkpoint has it.
      source: Path of the checkpoint, beside which its statistics lie, and for the sentence to the user.
      kinds: Kinds that the model knows.
    Yields:
      SavedGenerator; its session is closed at the end of the block.
    Raises:
      BadInput: the checkpoint holds no generator of this shape.
    """
    z_dim, image_size, width, channels, smoothed = model_shape(values, source)
    with tf.Graph().as_default(), open_session() as session:
        tf.set_random_seed(0)  # of initial values, which are never drawn; TF_DETERMINISTIC_OPS asks for a seed
        z, inputs = _inputs(z_dim, kinds.names)
        layers = []

        def normalize(x, name):
            with tf.variable_scope('population'):
                frozen = tuple(tf.get_variable(f'{name}_{moment}', x.shape[-1:], trainable=False)
                               for moment in ('mean', 'variance'))
            layers.append((x, tf.nn.moments(x, [0, 1, 2]), frozen))
            return batch_norm(x, name, moments=frozen)

        images = generator(z, image_size, normalize, smoothed=smoothed, width=width, channels=channels)
        pictures = tf.saturate_cast(tf.round((images + 1) * 127.5), tf.uint8)
        weights = {name + AVERAGE if name + AVERAGE in values else name: variable for name, variable
                   in weights_in({variable.op.name: variable for variable in tf.global_variables()}).items()}
        restore(session, weights, values, source)
        saved = SavedGenerator(session, z, images, pictures, z_dim, image_size, source, kinds, inputs)
        _freeze_statistics(saved, layers, fingerprint({name: values[name] for name in weights}))
        yield saved


def _inputs(z_dim, names):
    """The generator's input, and what an exported model computes it from: (tensor, dict of name → placeholder)."""
    z = tf.placeholder(tf.float32, [None, z_dim], 'z')
    if not names:
        return z, {'z': z}
    label = tf.placeholder(tf.string, [None], 'label')
    found = tf.equal(label[:, tf.newaxis], tf.constant(names))                         # [n, kinds]
    known = tf.debugging.Assert(tf.reduce_all(tf.reduce_any(found, 1)), ['A label is none of', *names])
    with tf.control_dependencies([known]):
        kind = kind_weight(z_dim) * tf.cast(found, tf.float32)
        return tf.concat([z, kind], 1), {'z': z, 'label': label}


def make_rose(saved, z):
    """Make one rose, alone, so that not even rounding depends on others.

    Args:
      saved: SavedGenerator.
      z: float32, as one row of saved.z.
    Returns:
      uint8 [image_size, image_size, channels].
    """
    return saved.session.run(saved.pictures, {saved.z: z[np.newaxis]})[0]


def export(saved, path):
    """Write a SavedModel: signature z float32 [n, z_dim] → images uint8 [n, image_size, image_size, channels].

    With LABELS it also takes label, string [n]: the names of kinds.

    It is written in a hidden folder aside and renamed once it is whole.

    Args:
      saved: SavedGenerator.
      path: Path of the folder to make; its parent is made where it is missing.
    Returns:
      Path of the folder made: numbered ("_2", "_3" …) where the path is taken.
    Raises:
      OSError: the disk is full, or the folder cannot be written; it names the path. Nothing is left of the export.
    """
    exports = path.parent
    try:
        exports.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=exports, ignore_cleanup_errors=True) as aside:
            with working_in(aside):  # the writer takes paths in UTF-8 only
                tf.logging.set_verbosity(tf.logging.ERROR)  # the only writer of graphs with sessions is deprecated
                tf.saved_model.simple_save(saved.session, 'whole', saved.inputs, {'images': saved.pictures})
            return rename_to_free(Path(aside, 'whole'), path)
    except (OSError, tf.errors.OpError) as problem:
        with contextlib.suppress(OSError):  # earlier exports stay
            exports.rmdir()
        raise OSError(None, reason(problem), str(path)) from None


def _freeze_statistics(saved, layers, mark):
    """Give each batch norm its mean and variance: those kept beside the checkpoint, or else new ones, which are kept.

    The file holds a SHA-256 over the weights' fingerprint and the statistics, and then these: so what is torn, or was
    made of other weights, is estimated anew.

    Args:
      saved: SavedGenerator.
      layers: list of (x, the input of a batch norm; mean and variance of x in a batch; the two variables to set), from
        z to the picture.
      mark: str, fingerprint of the generator's weights.
    """
    def digest(content):
        return hashlib.sha256(mark.encode() + content).digest()
    path, kept = statistics_of(saved.source), b''
    with contextlib.suppress(OSError):  # there are none yet
        kept = read_file(path)
    content = kept[len(digest(b'')):]
    variables = list(itertools.chain(*(frozen for _, _, frozen in layers)))
    if kept == digest(content) + content:
        ends = np.cumsum([variable.shape[0] for variable in variables])
        assign(saved.session, variables, np.split(np.frombuffer(content, '<f4'), ends[:-1]))
        return
    print('Estimates the statistics of the layers, once for each checkpoint', flush=True)
    _estimate(saved, layers)
    content = np.concatenate(saved.session.run(variables)).astype('<f4').tobytes()
    with contextlib.suppress(OSError):  # a folder that cannot be written costs time at the next start, and nothing else
        write_file(path, digest(content) + content)


def _estimate(saved, layers):
    """Estimate the mean and variance of each layer's input over many z, and set them.

    A layer's input depends on the layers before it. So each layer is computed from what the one before gave, or, where
    that is too much to keep, from what an earlier one gave.
    """
    rng, before = np.random.RandomState(0), saved.z  # the same z on each LOAD
    z = draw_z(rng, MOMENT_BATCHES * MOMENT_BATCH_SIZE, saved.z_dim)
    if count := len(saved.kinds.names):  # evenly, as in training
        z = with_kind(z, np.arange(len(z)) % count, count)
    batches = np.split(z, MOMENT_BATCHES)
    for x, moments, frozen in tqdm(layers, 'Estimating statistics', delay=1, leave=False, disable=None):
        values = MOMENT_BATCHES * MOMENT_BATCH_SIZE * x.shape[1:].num_elements()
        kept, of_batches = x if values <= MOST_KEPT else before, []
        for k, batch in enumerate(batches):
            batches[k], *of_batch = saved.session.run([kept, *moments], {before: batch})
            of_batches.append(of_batch)
        before = kept
        means, variances = np.array(of_batches, np.float64).transpose(1, 0, 2)  # [batches, channels] each
        # The law of total variance: within the batches, and between them.
        assign(saved.session, frozen, (means.mean(0), variances.mean(0) + means.var(0)))
