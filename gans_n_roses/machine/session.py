"""TensorFlow sessions, the device they compute on, and its memory."""

import contextlib
import os

import tensorflow.compat.v1 as tf

from gans_n_roses.errors import RunFailed
from gans_n_roses.machine.quiet import quietly


def session_config():
    """The tf.ConfigProto that every session of this package has."""
    config = tf.ConfigProto()
    config.gpu_options.allow_growth = True  # a GPU is often shared with a screen
    # The remapper fuses bias and leaky ReLU, then complains that the gradient needs what it fused away.
    config.graph_options.rewrite_options.remapping = 2  # RewriterConfig.OFF
    return config


def open_session(target='', config=None):
    """A tf.Session on the default graph, opened without start-up messages.

    Args:
      target: address of the server that computes; '' computes in this process.
      config: tf.ConfigProto; None is `session_config`.
    """
    config = config or session_config()
    with quietly():
        # TensorFlow 2.18 to 2.20 log at the first run, so a first run is made here. It has a graph of its own: the seed
        # of an op depends on how many ops the graph had before it.
        with tf.Graph().as_default(), tf.Session(target, config=config) as first:
            first.run(tf.no_op())
        return tf.Session(target, config=config)


def assign(session, variables, values):
    """Give variables their values, also in a finalized graph, where no op can be added.

    All at once: TensorFlow looks through the whole graph for each run of something new.

    Args:
      session: tf.Session.
      variables: list of tf.Variable.
      values: list of arrays, one for each.
    """
    session.run([variable.initializer for variable in variables],
                {variable.initializer.inputs[1]: value for variable, value in zip(variables, values, strict=True)})


def device_name():
    """The names of the GPUs, or the number of cores, and TensorFlow's version, for the user: str."""
    gpus = tf.config.list_physical_devices('GPU')
    names = [tf.config.experimental.get_device_details(gpu).get('device_name', gpu.name) for gpu in gpus]
    return f'{", ".join(names) or f"CPU, {os.cpu_count()} cores"} (TensorFlow {tf.version.VERSION})'


@contextlib.contextmanager
def within_memory():
    """Tell in one sentence that the block needs more memory than the machine or its GPU has, or more threads.

    Raises:
      RunFailed: NumPy or TensorFlow could not get the memory, or Python could not start a thread.
    """
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as problem:
        wanted = str(problem).partition('\n')[0][:200]
        raise RunFailed(f'The memory is not enough ({wanted}): lower BATCH_SIZE, IMAGE_SIZE, Z_DIM or '
                        'N_SAMPLES.') from None
    except RuntimeError as problem:
        if 'start new thread' not in str(problem):
            raise
        raise RunFailed("The system lets this program start no more threads: raise the limit of `ulimit -u`, or the "
                        "container's limit of processes.") from None
