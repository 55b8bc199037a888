"""The layers of both networks, from TensorFlow's own; every layer but `lrelu` opens a variable scope for its weights.

Weights are kept in float32. A layer computes in the type of x, float32 or bfloat16, and returns that type.
On a processor the convolutions have quicker stand-ins in fast_convolutions.py, which give the same results to rounding.
"""

import tensorflow.compat.v1 as tf

from gans_n_roses.networks import fast_convolutions
from gans_n_roses.networks.fast_convolutions import add_bias

WEIGHT_STDDEV = 0.02  # Radford et al. 2015, arXiv:1511.06434, sec. 4
BATCH_NORM_EPSILON = 0.001
LEAK = 0.2
SMOOTHING = [-1 / 16, 4 / 16, 10 / 16, 4 / 16, -1 / 16]  # keeps what changes slowly, ends what alternates


def conv2d(x, output_features, name):
    """Convolve with a 5×5 filter at stride 2, which replaces pooling (Radford et al. 2015, arXiv:1511.06434, sec. 3).

    Args:
      x: [batch, height, width, input_features], height and width even.
      output_features: number of output channels.
      name: variable scope; holds "w" [5, 5, input_features, output_features], from a truncated normal of
        standard deviation 0.02, and "b" [output_features], zero.
    Returns:
      [batch, height / 2, width / 2, output_features].
    """
    with tf.variable_scope(name):
        w = tf.get_variable('w', [5, 5, x.shape[-1], output_features],
                            initializer=tf.truncated_normal_initializer(stddev=WEIGHT_STDDEV))
        b = tf.get_variable('b', [output_features], initializer=tf.zeros_initializer())
        w = tf.cast(w, x.dtype)
        y = tf.nn.conv2d(x, w, strides=2, padding='SAME') if has_gpu() else fast_convolutions.conv2d(x, w)
        return add_bias(y, b)


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
    batch, height, width, input_features = x.shape.as_list()
    with tf.variable_scope(name):
        w = tf.get_variable('w', [5, 5, output_features, input_features],
                            initializer=tf.truncated_normal_initializer(stddev=WEIGHT_STDDEV))
        b = tf.get_variable('b', [output_features], initializer=tf.zeros_initializer())
        w = tf.cast(w, x.dtype)
        if has_gpu():
            shape = [batch or tf.shape(x)[0], 2 * height, 2 * width, output_features]
            y = tf.nn.conv2d_transpose(x, w, shape, strides=2, padding='SAME')
        else:
            y = fast_convolutions.conv2d_transpose(x, w)
        return add_bias(y, b)


def dense(x, output_features, name):
    """Multiply by a matrix and add a bias.

    Args:
      x: [batch, input_features].
      output_features: length of each row of the result.
      name: variable scope; holds "Matrix" [input_features, output_features], from a normal of standard
        deviation 0.02, and "bias" [output_features], zero.
    Returns:
      [batch, output_features].
    """
    with tf.variable_scope(name):
        matrix = tf.get_variable('Matrix', [x.shape[-1], output_features],
                                 initializer=tf.random_normal_initializer(stddev=WEIGHT_STDDEV))
        bias = tf.get_variable('bias', [output_features], initializer=tf.zeros_initializer())
        return add_bias(tf.matmul(x, tf.cast(matrix, x.dtype)), bias)


def project(x, kind, name):
    """Multiply each row by the weights of its own kind (Miyato and Koyama 2018, arXiv:1802.05637, eq. 3).

    Args:
      x: float32 [batch, features].
      kind: float32 [batch, kinds], one-hot.
      name: variable scope; holds "Matrix" [features, kinds], zero: at first a kind changes nothing.
    Returns:
      float32 [batch, 1].
    """
    with tf.variable_scope(name):
        matrix = tf.get_variable('Matrix', [x.shape[-1], kind.shape[-1]], initializer=tf.zeros_initializer())
        return tf.reduce_sum(tf.matmul(x, matrix) * kind, 1, keepdims=True)


def batch_norm(x, name, moments=None, groups=1):
    """Normalize each channel, then scale and shift it (Ioffe and Szegedy 2015, arXiv:1502.03167, alg. 1).

    Args:
      x: [batch, height, width, channels].
      name: variable scope; holds "gamma" [channels], one, and "beta" [channels], zero. Both are trained.
      moments: None normalizes by the batch's own mean and (biased) variance, as in training; a pair of
        float32 [channels], population mean and variance, makes each picture independent of its batch.
      groups: number of batches of equal size in x, one after the other; each is normalized by its own statistics.
    Returns:
      [batch, height, width, channels].
    """
    with tf.variable_scope(name):
        gamma = tf.get_variable('gamma', x.shape[-1:], initializer=tf.ones_initializer())
        beta = tf.get_variable('beta', x.shape[-1:], initializer=tf.zeros_initializer())

        def normalize(batch):
            return tf.nn.fused_batch_norm(batch, gamma, beta, *moments or (None, None), epsilon=BATCH_NORM_EPSILON,
                                          is_training=moments is None)[0]
        return normalize(x) if groups == 1 else tf.concat([normalize(batch) for batch in tf.split(x, groups)], 0)


def lrelu(x, leak=LEAK):
    """Leaky ReLU: x above zero, leak * x below (Maas et al. 2013).

    Args:
      x: of any shape.
      leak: slope below zero.
    Returns:
      x's shape and type.
    """
    return tf.nn.leaky_relu(x, alpha=leak)


def smooth(x, name):
    """Filter out the finest checkerboard: a pattern whose sign changes from pixel to pixel.

    A transposed convolution of stride 2 makes even and odd pixels with different parts of its filter, and so a
    checkerboard (Odena et al. 2016, doi:10.23915/distill.00003). Other networks smooth what they enlarge (Karras et al.
    2019, arXiv:1812.04948, sec. 2.1). Of all filters of 5 taps this one is the flattest: its gain is 1 + O(f⁴) at low
    frequencies f, and 0 at the highest.

    Args:
      x: [batch, height, width, channels], height and width at least 3.
      name: variable scope; holds "taps" [5], the filter along each side. It is not trained, but saved with the model,
        so that whoever loads the model sees that its pictures are filtered, and how.
    Returns:
      x's shape and type.
    """
    with tf.variable_scope(name):
        taps = tf.get_variable('taps', [len(SMOOTHING)], initializer=tf.constant_initializer(SMOOTHING),
                               trainable=False)
        margin = [len(SMOOTHING) // 2] * 2
        x = tf.pad(x, [[0, 0], margin, margin, [0, 0]], 'REFLECT')
        square = tf.tile(tf.tensordot(taps, taps, 0)[..., tf.newaxis, tf.newaxis], [1, 1, x.shape[-1], 1])
        square = tf.cast(square, x.dtype)
        # Two passes, over rows and over columns, as sums of shifted pictures took 17 times as long.
        return tf.nn.depthwise_conv2d(x, square, [1, 1, 1, 1], 'VALID')


def has_gpu():
    """True where TensorFlow computes on a GPU, False where on a processor."""
    return bool(tf.config.list_physical_devices('GPU'))
