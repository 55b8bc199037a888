"""float32 or bfloat16: which one a machine computes faster in.

How exact bfloat16 is depends on the processor: see ops.py. Where bfloat16 sums are inexact it is slow as well, so
PRECISION 'auto' does not take it there.
"""

import time

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.machine.quiet import quietly
from gans_n_roses.machine.session import open_session

ROUNDS = 3
WORTH_IT = 0.9  # bfloat16 rounds to 8 bits: taken only where it clearly saves time


def choose_precision():
    """Time one of the networks' convolutions, forward and backward, in both types.

    Returns:
      ('float32' or 'bfloat16', bfloat16's time as a share of float32's: infinite where it does not work at all).
    """
    # Quietly: that oneDNN has nothing for bfloat16 on this processor, TensorFlow logs as an error.
    with quietly(), tf.Graph().as_default(), open_session() as session:
        # Fed, since TensorFlow would compute with constants once and for all.
        feed = {tf.placeholder(tf.float32, shape): np.ones(shape, np.float32)
                for shape in ([12, 32, 32, 64], [5, 5, 64, 128])}
        steps = {}
        for dtype in (tf.float32, tf.bfloat16):
            x, w = (tf.cast(tensor, dtype) for tensor in feed)
            y = tf.nn.conv2d(x, w, strides=2, padding='SAME')
            steps[dtype.name] = [tensor.op for tensor in (y, *tf.gradients(y, [x, w]))]
        seconds = {name: [] for name in steps}
        for _ in range(ROUNDS):
            for name, step in steps.items():
                start = time.perf_counter()
                try:
                    session.run(step, feed)
                except tf.errors.OpError:
                    if name == 'float32':
                        raise
                    return 'float32', np.inf
                seconds[name].append(time.perf_counter() - start)
    # The first round warms up; the fastest is the one that was disturbed least.
    share = min(seconds['bfloat16'][1:]) / min(seconds['float32'][1:])
    return ('bfloat16' if share < WORTH_IT else 'float32'), share


def describe_choice(precision, share):
    """What `choose_precision` found, in a sentence for the user.

    Args:
      precision: the type that is taken, 'float32' or 'bfloat16'.
      share: bfloat16's time as a share of float32's; infinite where bfloat16 does not work.
    Returns:
      str without a full stop.
    """
    if precision == 'bfloat16':
        return f'Computes in {precision}: it takes {100 * share:.0f} % of the time of float32 here'
    return f'Computes in {precision}: {describe_share(share)}'


def describe_share(share):
    """Why bfloat16 is not taken, for its time as a share of float32's: str without a full stop."""
    if np.isinf(share):
        return 'bfloat16 does not work here'
    if share < 1:
        return f'bfloat16 would take {100 * share:.0f} % of the time here, too little gain'
    return f'bfloat16 would take {share:.1f} times as long here'


def compute_dtype(precision):
    """The type that the layers compute in, for PRECISION 'float32', 'bfloat16' or 'auto'."""
    return tf.as_dtype(choose_precision()[0] if precision == 'auto' else precision)
