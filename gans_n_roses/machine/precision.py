"""float32 or bfloat16: the type that a machine computes faster in.

How exact bfloat16 is depends on the processor: see ops.py. Where its sums are inexact it is slow as well, so PRECISION
'auto' does not choose it there.
"""

import timeit

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.machine.quiet import quietly
from gans_n_roses.machine.session import open_session

SHAPES = [12, 32, 32, 64], [5, 5, 64, 128]  # of a batch of activations, and of a filter
ROUNDS = 4
WORTH_IT = 0.9  # bfloat16 rounds to 8 bits: chosen only where it clearly saves time


def choose_precision():
    """Time one of the networks' convolutions, forward and backward, in both types.

    Returns:
      'float32' or 'bfloat16', the type to compute in.
      float, bfloat16's time divided by float32's; infinite where bfloat16 does not work.
    """
    # Quietly: TensorFlow logs it as an error if oneDNN has no bfloat16 for this processor.
    with quietly(), tf.Graph().as_default(), open_session() as session:
        # Fed, since TensorFlow computes with constants, and with a placeholder's default, only once.
        feed = {tf.placeholder(tf.float32, shape): np.ones(shape, np.float32) for shape in SHAPES}

        def seconds(dtype):
            x, w = (tf.cast(tensor, dtype) for tensor in feed)
            y = tf.nn.conv2d(x, w, strides=2, padding='SAME')
            # A list of ops: what tf.group holds together would be optimised away, as nobody uses its results.
            step = [tensor.op for tensor in (y, *tf.gradients(y, [x, w]))]
            rounds = timeit.repeat(lambda: session.run(step, feed), number=1, repeat=ROUNDS)
            return min(rounds[1:])  # the first warms up; the fastest is the one that was disturbed least

        float32 = seconds(tf.float32)
        try:
            share = seconds(tf.bfloat16) / float32
        except tf.errors.OpError:
            share = np.inf
    return ('bfloat16' if share < WORTH_IT else 'float32'), share


def describe_choice(precision, share):
    """The sentence on what `choose_precision` found, without a full stop.

    Args:
      precision: the type that is chosen, 'float32' or 'bfloat16'.
      share: bfloat16's time divided by float32's; infinite where bfloat16 does not work.
    """
    if precision == 'bfloat16':
        return f'Computes in {precision}: it takes {100 * share:.0f} % of the time of float32 here'
    return f'Computes in {precision}: {describe_share(share)}'


def describe_share(share):
    """The reason why bfloat16 is not chosen, without a full stop; share: as in `describe_choice`."""
    if np.isinf(share):
        return 'bfloat16 does not work here'
    if share < 1:
        return f'bfloat16 would take {100 * share:.0f} % of the time here, too little gain'
    return f'bfloat16 would take {share:.1f} times as long here'


def compute_dtype(precision):
    """The tf.DType that the layers compute in, for PRECISION 'float32', 'bfloat16' or 'auto'."""
    return tf.as_dtype(choose_precision()[0] if precision == 'auto' else precision)
