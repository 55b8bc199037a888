"""The layers of both networks. Each but `lrelu` opens one variable scope that holds its weights.

Weights are kept in float32. A layer computes in the type of x, float32 or bfloat16, and returns that type.
Where TensorFlow has the processor's help for bfloat16 (AVX-512 and oneDNN), sums are made in float32 and only the
results are rounded to bfloat16. Elsewhere this holds as well, but for one kind of result: TensorFlow sums the gradients
of filters whose larger side is above 16×16 in bfloat16. Sums of mixed signs are some 5 % off then, and a sum of equal
terms stops growing at 256 of them.
Do not import other modules of the project here.
"""

import tensorflow.compat.v1 as tf

WEIGHT_STDDEV = 0.02  # Radford et al. 2015, arXiv:1511.06434, sec. 4
BATCH_NORM_EPSILON = 0.001
SMALL = 8  # height and width up to which a convolution is a product of matrices
SMOOTHING = [-1 / 16, 4 / 16, 10 / 16, 4 / 16, -1 / 16]  # keeps what changes slowly, ends what alternates


def conv2d(x, input_features, output_features, name):
    """Convolve with a 5×5 filter at stride 2, which replaces pooling (Radford et al. 2015, arXiv:1511.06434, sec. 3).

    Args:
      x: [batch, height, width, input_features].
      input_features: number of input channels.
      output_features: number of output channels.
      name: variable scope; holds "w" [5, 5, input_features, output_features], from a truncated normal of
        standard deviation 0.02, and "b" [output_features], zero.
    Returns:
      [batch, ceil(height / 2), ceil(width / 2), output_features].
    """
    with tf.variable_scope(name):
        w = tf.get_variable('w', [5, 5, input_features, output_features],
                            initializer=tf.truncated_normal_initializer(stddev=WEIGHT_STDDEV))
        b = tf.get_variable('b', [output_features], initializer=tf.zeros_initializer())
        return _add_bias(_convolve(x, tf.cast(w, x.dtype)), b)


def conv_transpose(x, output_features, name):
    """Double height and width: the transpose of `conv2d` (Radford et al. 2015, arXiv:1511.06434, sec. 3).

    Args:
      x: [batch, height, width, input_features].
      output_features: number of output channels.
      name: variable scope; holds "w" [5, 5, output_features, input_features], from a truncated normal of
        standard deviation 0.02, and "b" [output_features], zero.
    Returns:
      [batch, 2 * height, 2 * width, output_features].
    """
    input_features = x.shape.as_list()[-1]
    with tf.variable_scope(name):
        w = tf.get_variable('w', [5, 5, output_features, input_features],
                            initializer=tf.truncated_normal_initializer(stddev=WEIGHT_STDDEV))
        b = tf.get_variable('b', [output_features], initializer=tf.zeros_initializer())
        return _add_bias(_convolve_transposed(x, tf.cast(w, x.dtype)), b)


def dense(x, input_features, output_features, name):
    """Multiply by a matrix and add a bias.

    Args:
      x: [batch, input_features].
      input_features: length of each row of x.
      output_features: length of each row of the result.
      name: variable scope; holds "Matrix" [input_features, output_features], from a normal of standard
        deviation 0.02, and "bias" [output_features], zero.
    Returns:
      [batch, output_features].
    """
    with tf.variable_scope(name):
        matrix = tf.get_variable('Matrix', [input_features, output_features],
                                 initializer=tf.random_normal_initializer(stddev=WEIGHT_STDDEV))
        bias = tf.get_variable('bias', [output_features], initializer=tf.zeros_initializer())
        return _add_bias(tf.matmul(x, tf.cast(matrix, x.dtype)), bias)


def batch_norm(x, name, moments=None, groups=1):
    """Normalize each channel, then scale and shift it (Ioffe and Szegedy 2015, arXiv:1502.03167, alg. 1).

    Args:
      x: [batch, height, width, channels].
      name: variable scope; holds "gamma" [channels], one, and "beta" [channels], zero. Both are trained.
      moments: None normalizes by the batch's own mean and (biased) variance, as in training; a pair of
        float32 [channels], population mean and variance, makes each picture independent of its batch.
      groups: how many batches x holds one after the other, of equal size; each is normalized by its own statistics.
    Returns:
      [batch, height, width, channels].
    """
    channels = x.shape.as_list()[-1]
    with tf.variable_scope(name):
        gamma = tf.get_variable('gamma', [channels], initializer=tf.ones_initializer())
        beta = tf.get_variable('beta', [channels], initializer=tf.zeros_initializer())
        mean, variance = moments or (None, None)
        normalized = [
            tf.nn.fused_batch_norm(
                batch, gamma, beta, mean, variance, epsilon=BATCH_NORM_EPSILON, is_training=moments is None)[0]
            for batch in (tf.split(x, groups) if groups > 1 else [x])]
        return tf.concat(normalized, 0) if groups > 1 else normalized[0]


def lrelu(x, leak=0.2):
    """Leaky ReLU: x above zero, leak * x below (Maas et al. 2013).

    Args:
      x: of any shape.
      leak: slope below zero.
    Returns:
      x's shape and type.
    """
    return tf.nn.leaky_relu(x, alpha=leak)


def smooth(x, name):
    """Filter a picture so that nothing is left of what changes its sign from pixel to pixel.

    A transposed convolution of stride 2 makes even and odd pixels with different parts of its filter, and so a
    checkerboard (Odena et al. 2016, doi:10.23915/distill.00003). Other networks smooth what they enlarge (Karras et al.
    2019, arXiv:1812.04948, sec. 2.1); the filter here is the flattest of 5 taps: its gain is 1 + O(f⁴) at low
    frequencies f, and 0 at the highest.

    Args:
      x: float32 [batch, height, width, channels], height and width at least 3.
      name: variable scope; holds "taps" [5], the filter along each side. It is not trained: it tells whoever loads
        the model that the pictures are filtered, and how.
    Returns:
      x's shape and type.
    """
    with tf.variable_scope(name):
        taps = tf.get_variable('taps', [len(SMOOTHING)], initializer=tf.constant_initializer(SMOOTHING),
                               trainable=False)
        margin = [len(SMOOTHING) // 2] * 2
        x = tf.pad(x, [[0, 0], margin, margin, [0, 0]], 'REFLECT')
        square = tf.tile(tf.tensordot(taps, taps, 0)[..., tf.newaxis, tf.newaxis], [1, 1, x.shape[-1], 1])
        # Row by row and column by column, as sums of shifted pictures, it took 17 times as long.
        return tf.nn.depthwise_conv2d(x, square, [1, 1, 1, 1], 'VALID')


# Below, x [batch, height, width, in] is the larger side of a convolution of either kind, w [5, 5, in, out], and y
# [batch, height / 2, width / 2, out] the smaller side. At few places products of matrices beat the library.


def _convolve(x, w):
    @tf.custom_gradient
    def convolve(x, w):
        return _gather(x, w), lambda dy: (_spread(dy, w, _shape(x)), _filter_gradient(x, dy, w))
    return convolve(x, w)


def _convolve_transposed(y, w):
    batch, height, width, _ = _shape(y)

    @tf.custom_gradient
    def convolve(y, w):
        x = _spread(y, w, [batch, 2 * height, 2 * width, w.shape[2]])
        return x, lambda dx: (_gather(dx, w), _filter_gradient(dx, y, w))
    return convolve(y, w)


def _gather(x, w):
    """The strided convolution: up to 8×8 one product of matrices.

    With the filter's gradient as a product too, a step took 20 % less time in bfloat16, 7 % in float32.
    """
    if not _up_to(SMALL, x.shape):
        return tf.nn.conv2d(x, w, strides=2, padding='SAME')
    return tf.tensordot(_patches(x), tf.reshape(w, [-1, w.shape[-1]]), 1)


def _filter_gradient(x, y, w):
    """w's gradient: as a product at 16×16 too, a step took 7 % less time in bfloat16, and more in float32.

    The library's own sums in bfloat16 where the processor has no AVX-512 (see the top of this file).
    """
    if not _up_to(2 * SMALL if x.dtype == tf.bfloat16 else SMALL, x.shape):
        return tf.nn.conv2d_backprop_filter(x, w.shape, y, strides=[1, 2, 2, 1], padding='SAME')
    return tf.reshape(_product(_patches(x), y), w.shape)


def _spread(y, w, shape):
    """The transposed convolution, which gives x this shape: up to 8×8 products of matrices.

    A step took 9 % less time with them in bfloat16, 5 % in float32.
    """
    if not _up_to(SMALL, shape):
        return tf.nn.conv2d_transpose(y, w, shape, strides=2, padding='SAME')
    flat = [-1, y.shape[-1]]
    rows = [tf.reshape(tf.matmul(tf.reshape(y, flat), tf.reshape(row, flat), transpose_b=True),
                       [-1, *y.shape[1:3], 5 * shape[3]]) for row in tf.unstack(w)]
    return _overlap(tf.split(_overlap(rows, 1), 5, 3), 2)


def _overlap(taps, axis):
    """Add what the 5 taps of a filter lay along an axis: n places each, tap k of place i at 2 * i + k - 1 of 2 * n."""
    def moved(tap, by):
        begin, size, margin = [0] * 4, [-1] * 4, [[0, 0]] * 4
        begin[axis], size[axis], margin[axis] = max(-by, 0), tap.shape[axis] - 1, [max(by, 0), max(-by, 0)]
        return tf.pad(tf.slice(tap, begin, size), margin)
    even, odd = taps[1] + moved(taps[3], 1), tf.add_n([moved(taps[0], -1), taps[2], moved(taps[4], 1)])
    shape = [2 * n if at == axis else n for at, n in enumerate(even.shape.as_list())]
    return tf.reshape(tf.stack([even, odd], axis + 1), [-1, *shape[1:]])


def _add_bias(x, b):
    """Add b, float32 [channels], to x [..., channels]."""
    if x.dtype == b.dtype:
        return tf.nn.bias_add(x, b)

    # TensorFlow sums the bias's gradient in bfloat16, which loses most of a long sum; a product sums in float32.
    @tf.custom_gradient
    def add(x, b):
        def gradient(dy):
            return dy, tf.cast(_product(tf.ones_like(dy[..., :1]), dy)[0], b.dtype)
        return tf.nn.bias_add(x, tf.cast(b, x.dtype)), gradient
    return add(x, tf.identity(b))


def _patches(x):
    """What each place of a convolution sees: [batch, height, width, in] → [batch, height / 2, width / 2, 25 * in]."""
    # 5 pixels side by side are 3 pieces of pairs of pixels: copied so, it took half as long as by TensorFlow's own op.
    _, height, width, channels = _shape(x)
    h, w = height // 2, width // 2
    pairs = tf.reshape(tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]]), [-1, h + 2, 2, w + 2, 2 * channels])
    lines = [(slice(k // 2, k // 2 + h), k % 2) for k in range(1, 6)]
    return tf.concat([piece for pair, which in lines for piece in (
        pairs[:, pair, which, :w, channels:], pairs[:, pair, which, 1:w + 1], pairs[:, pair, which, 2:])], 3)


def _shape(x):
    """x's shape as numbers; the batch as a tensor where it is not known yet."""
    return [x.shape[0] or tf.shape(x)[0], *x.shape.as_list()[1:]]


def _up_to(size, shape):
    """Whether products are for a larger side of this shape: height and width even, and at most `size`."""
    return max(shape[1:3]) <= size and not any(side % 2 for side in shape[1:3])


def _product(a, b):
    """Sum over all places of the products of channels: [..., n] and [..., m] → [n, m]."""
    return tf.matmul(tf.reshape(a, [-1, a.shape[-1]]), tf.reshape(b, [-1, b.shape[-1]]), transpose_a=True)
