"""The five layers of both networks. Each opens one variable scope that holds its weights.

Weights are kept in float32. A layer computes in the type of x, float32 or bfloat16, and returns that type.
Do not import other modules of the project here.
"""

import tensorflow.compat.v1 as tf

WEIGHT_STDDEV = 0.02  # Radford et al. 2015, arXiv:1511.06434, sec. 4
BATCH_NORM_EPSILON = 0.001
SMALL = 8  # up to this height `_convolve` in bfloat16 is a matrix product


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


def _convolve(x, w):
    """Convolve at stride 2; x [batch, height, width, in], w [5, 5, in, out]."""
    if x.dtype != tf.bfloat16 or x.shape[1] > SMALL:
        return tf.nn.conv2d(x, w, strides=2, padding='SAME')

    # Few places, many channels: as patches × matrix the step took 20 % less time (batch 12), since the
    # library's filter gradient is slow there.
    @tf.custom_gradient
    def as_product(x, w):
        patches, rows = _patches(x), tf.reshape(w, [-1, w.shape[-1]])

        def gradient(dy):
            dx = tf.nn.conv2d_backprop_input(tf.shape(x), w, dy, strides=[1, 2, 2, 1], padding='SAME')
            return dx, tf.reshape(_product(patches, dy), w.shape)
        return tf.tensordot(patches, rows, 1), gradient
    return as_product(x, w)


def _convolve_transposed(x, w):
    """The transpose of `_convolve`; x [batch, height, width, in], w [5, 5, out, in]."""
    batch, height, width, _ = x.shape.as_list()
    output_shape = [batch or tf.shape(x)[0], 2 * height, 2 * width, w.shape.as_list()[2]]
    if x.dtype != tf.bfloat16 or 2 * height > SMALL:
        return tf.nn.conv2d_transpose(x, w, output_shape, strides=2, padding='SAME')

    # Both gradients of a transposed convolution are products with the patches of dy: as in `_convolve`.
    @tf.custom_gradient
    def as_product(x, w):
        def gradient(dy):
            patches, rows = _patches(dy), tf.reshape(w, [-1, w.shape[-1]])
            return tf.tensordot(patches, rows, 1), tf.reshape(_product(patches, x), w.shape)
        return tf.nn.conv2d_transpose(x, w, output_shape, strides=2, padding='SAME'), gradient
    return as_product(x, w)


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
    return tf.image.extract_patches(x, [1, 5, 5, 1], [1, 2, 2, 1], [1, 1, 1, 1], 'SAME')


def _product(a, b):
    """Sum over all places of the products of channels: [..., n] and [..., m] → [n, m]."""
    return tf.matmul(tf.reshape(a, [-1, a.shape[-1]]), tf.reshape(b, [-1, b.shape[-1]]), transpose_a=True)
