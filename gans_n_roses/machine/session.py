"""TensorFlow sessions, and what they run on."""

import contextlib
import os

import tensorflow.compat.v1 as tf

from gans_n_roses.errors import RunFailed
from gans_n_roses.machine.quiet import quietly


def session_config():
    """How sessions of this package compute: a tf.ConfigProto."""
    config = tf.ConfigProto()
    config.gpu_options.allow_growth = True  # a GPU is often shared with a screen
    # The remapper fuses bias and leaky ReLU, finds that the gradient needs what it fused away, and complains.
    config.graph_options.rewrite_options.remapping = 2  # RewriterConfig.OFF
    return config


def open_session(target='', config=None):
    """A session on the default graph, without TensorFlow's chatter.

    Args:
      target: address of the server that computes; '' computes in this process.
      config: tf.ConfigProto; None is `session_config`.
    Returns:
      tf.Session.
    """
    config = config or session_config()
    with quietly():
        # What a process logs at its first run (2.18 to 2.20 do) is held back too; in a graph apart, as ops are seeded
        # by how many came before them.
        with tf.Graph().as_default(), tf.Session(target, config=config) as first:
            first.run(tf.no_op())
        return tf.Session(target, config=config)


def device_name():
    """What TensorFlow runs on, for the user."""
    gpus = tf.config.list_physical_devices('GPU')
    names = [tf.config.experimental.get_device_details(gpu).get('device_name', gpu.name) for gpu in gpus]
    return f'{", ".join(names) or f"CPU, {os.cpu_count()} cores"} (TensorFlow {tf.version.VERSION})'


@contextlib.contextmanager
def within_memory():
    """Tell in one sentence that the machine's memory, or the GPU's, is not enough for the block.

    Raises:
      RunFailed: NumPy or TensorFlow could not get the memory.
    """
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as problem:
        lines = str(problem).splitlines() or ['']
        raise RunFailed(f'The memory is not enough ({lines[0][:200]}): lower BATCH_SIZE, IMAGE_SIZE, Z_DIM or '
                        'N_SAMPLES.') from None
