"""The convolutions of both networks and the adding of a bias, as ops.py needs them on a processor.

The results are TensorFlow's own to rounding. Where few places are convolved, products of matrices are quicker than the
library's convolutions: the times below are those of a whole training step of batch 12 at 64×64.

In bfloat16, sums are made in float32 and only the results are rounded, with one exception: without AVX-512, filter
gradients above 16×16 are the library's, which sums in bfloat16. That costs about 5 %, and a sum of equal terms stops
growing at 256 of them.

In this file x [batch, height, width, in] is the larger side of a convolution of either kind, its height and width
even, y [batch, height / 2, width / 2, out] the smaller side, and w [5, 5, in, out] the filter.
Do not import other modules of the project here.
"""

import numpy as np
import tensorflow.compat.v1 as tf

SMALL = 8  # height and width up to which every convolution is a product of matrices


@tf.custom_gradient
def conv2d(x, w):
    """The convolution tf.nn.conv2d(x, w, strides=2, padding='SAME'), x → y."""
    return _convolve(x, w), lambda dy: (_transpose(dy, w), _filter_gradient(x, dy))


@tf.custom_gradient
def conv2d_transpose(y, w):
    """The transposed convolution tf.nn.conv2d_transpose(y, w, <twice the size>, strides=2, padding='SAME'), y → x."""
    return _transpose(y, w), lambda dx: (_convolve(dx, w), _filter_gradient(dx, y))


def add_bias(x, b):
    """Add b, float32 [channels], to x [..., channels]; b's gradient is summed in float32.

    TensorFlow's own sums in bfloat16 where x is of that type, which loses most of a long sum.
    """
    if x.dtype == b.dtype:
        return tf.nn.bias_add(x, b)

    @tf.custom_gradient
    def add(x, b):
        def gradient(dy):
            return dy, tf.cast(_sum_of_products(tf.ones_like(dy[..., :1]), dy)[0], b.dtype)
        return tf.nn.bias_add(x, tf.cast(b, x.dtype)), gradient
    return add(x, tf.identity(b))


def _convolve(x, w):
    """y from x: up to 8×8 a product (with `_filter_gradient`: 20 % less time in bfloat16, 7 % in float32)."""
    if max(x.shape[1:3]) > SMALL:
        return tf.nn.conv2d(x, w, strides=2, padding='SAME')
    return tf.tensordot(_patches(x), tf.reshape(w, [-1, w.shape[-1]]), 1)


def _transpose(y, w):
    """x from y: up to 8×8 a product for each row of the filter (9 % less time in bfloat16, 5 % in float32).

    The products are copies of the filter, each multiplied by one place of y; they are then added up.
    """
    batch, height, width, channels = y.shape
    if 2 * max(height, width) > SMALL:
        shape = [batch or tf.shape(y)[0], 2 * height, 2 * width, w.shape[2]]
        return tf.nn.conv2d_transpose(y, w, shape, strides=2, padding='SAME')
    flat = [-1, channels]
    rows = [tf.reshape(tf.matmul(tf.reshape(y, flat), tf.reshape(row, flat), transpose_b=True),
                       [-1, height, width, 5 * w.shape[2]]) for row in tf.unstack(w)]
    return _overlap(tf.split(_overlap(rows, 1), 5, 3), 2)


def _filter_gradient(x, y):
    """w's gradient: up to 8×8 a product; up to 16×16 in bfloat16, where it saves 7 %, while float32 would lose."""
    shape = [5, 5, x.shape[-1], y.shape[-1]]
    if max(x.shape[1:3]) > (2 * SMALL if x.dtype == tf.bfloat16 else SMALL):
        return tf.nn.conv2d_backprop_filter(x, shape, y, [1, 2, 2, 1], 'SAME')
    return tf.reshape(_sum_of_products(_patches(x), y), shape)


def _patches(x):
    """Cut out the 5×5 pixels that the filter meets at each place: [batch, height / 2, width / 2, 25 * in].

    Side by side, 5 pixels are one pixel and two pairs: copied in pairs it took half as long as by TensorFlow's own op.
    """
    _, height, width, channels = x.shape
    h, w = height // 2, width // 2
    pairs = tf.reshape(tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]]), [-1, h + 2, 2, w + 2, 2 * channels])
    pieces = []
    for row in range(1, 6):  # of the margin of 2, SAME uses 1 above and on the left
        lines, which = slice(row // 2, row // 2 + h), row % 2
        pieces += [pairs[:, lines, which, :w, channels:], pairs[:, lines, which, 1:w + 1], pairs[:, lines, which, 2:]]
    return tf.concat(pieces, 3)


def _overlap(taps, axis):
    """Lay the copies of a filter 2 pixels apart along an axis, and add them up where they overlap.

    The copy of place i covers the pixels 2i - 1 to 2i + 3. So pixel 2i is reached by tap 1 of place i and tap 3 of the
    place before; pixel 2i + 1 by tap 2 of place i, tap 4 of the place before and tap 0 of the place after.

    Args:
      taps: list of 5 tensors, tap k of all copies: n places along the axis.
      axis: 1 (down) or 2 (to the right).
    Returns:
      the sum, of 2 * n pixels along the axis.
    """
    along, still = np.eye(4, dtype=int)[axis], np.zeros(4, int)
    all_but_one = along * taps[0].shape[axis] - 1  # -1 along the other axes, which to tf.slice is all

    def of_place_before(tap):
        return tf.pad(tf.slice(tap, still, all_but_one), np.transpose([along, still]))

    def of_place_after(tap):
        return tf.pad(tf.slice(tap, along, all_but_one), np.transpose([still, along]))
    even = taps[1] + of_place_before(taps[3])
    odd = tf.add_n([of_place_after(taps[0]), taps[2], of_place_before(taps[4])])
    return tf.reshape(tf.stack([even, odd], axis + 1), [-1, *(1 + along[1:]) * even.shape[1:].as_list()])


def _sum_of_products(a, b):
    """The products of a's and b's channels, summed over all places: [..., n] and [..., m] → [n, m]."""
    return tf.matmul(tf.reshape(a, [-1, a.shape[-1]]), tf.reshape(b, [-1, b.shape[-1]]), transpose_a=True)
