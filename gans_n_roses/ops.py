"""The five layers of both networks. Each opens one variable scope that holds its weights.

Do not import other modules of the project here.
"""

import tensorflow.compat.v1 as tf

WEIGHT_STDDEV = 0.02  # Radford et al. 2015, arXiv:1511.06434, sec. 4
BATCH_NORM_EPSILON = 0.001


def conv2d(x, input_features, output_features, name):
    """Convolve with a 5×5 filter at stride 2, which replaces pooling (Radford et al. 2015, arXiv:1511.06434, sec. 3).

    Args:
      x: float32 [batch, height, width, input_features].
      input_features: number of input channels.
      output_features: number of output channels.
      name: variable scope; holds "w" [5, 5, input_features, output_features], from a truncated normal of
        standard deviation 0.02, and "b" [output_features], zero.
    Returns:
      float32 [batch, ceil(height / 2), ceil(width / 2), output_features].
    """
    with tf.variable_scope(name):
        w = tf.get_variable('w', [5, 5, input_features, output_features],
                            initializer=tf.truncated_normal_initializer(stddev=WEIGHT_STDDEV))
        b = tf.get_variable('b', [output_features], initializer=tf.zeros_initializer())
        return tf.nn.bias_add(tf.nn.conv2d(x, w, strides=2, padding='SAME'), b)


def conv_transpose(x, output_features, name):
    """Double height and width: the transpose of `conv2d` (Radford et al. 2015, arXiv:1511.06434, sec. 3).

    Args:
      x: float32 [batch, height, width, input_features].
      output_features: number of output channels.
      name: variable scope; holds "w" [5, 5, output_features, input_features], from a truncated normal of
        standard deviation 0.02, and "b" [output_features], zero.
    Returns:
      float32 [batch, 2 * height, 2 * width, output_features].
    """
    _, height, width, input_features = x.shape.as_list()
    with tf.variable_scope(name):
        w = tf.get_variable('w', [5, 5, output_features, input_features],
                            initializer=tf.truncated_normal_initializer(stddev=WEIGHT_STDDEV))
        b = tf.get_variable('b', [output_features], initializer=tf.zeros_initializer())
        output_shape = [x.shape[0] or tf.shape(x)[0], 2 * height, 2 * width, output_features]
        return tf.nn.bias_add(tf.nn.conv2d_transpose(x, w, output_shape, strides=2, padding='SAME'), b)


def dense(x, input_features, output_features, name):
    """Multiply by a matrix and add a bias.

    Args:
      x: float32 [batch, input_features].
      input_features: length of each row of x.
      output_features: length of each row of the result.
      name: variable scope; holds "Matrix" [input_features, output_features], from a normal of standard
        deviation 0.02, and "bias" [output_features], zero.
    Returns:
      float32 [batch, output_features].
    """
    with tf.variable_scope(name):
        matrix = tf.get_variable('Matrix', [input_features, output_features],
                                 initializer=tf.random_normal_initializer(stddev=WEIGHT_STDDEV))
        bias = tf.get_variable('bias', [output_features], initializer=tf.zeros_initializer())
        return tf.nn.bias_add(tf.matmul(x, matrix), bias)


def batch_norm(x, name, moments=None):
    """Normalize each channel, then scale and shift it (Ioffe and Szegedy 2015, arXiv:1502.03167, alg. 1).

    Args:
      x: float32 [batch, height, width, channels].
      name: variable scope; holds "gamma" [channels], one, and "beta" [channels], zero. Both are trained.
      moments: None normalizes by the batch's own mean and (biased) variance, as in training; a pair of
        float32 [channels], population mean and variance, makes each picture independent of its batch.
    Returns:
      float32 [batch, height, width, channels].
    """
    channels = x.shape.as_list()[-1]
    with tf.variable_scope(name):
        gamma = tf.get_variable('gamma', [channels], initializer=tf.ones_initializer())
        beta = tf.get_variable('beta', [channels], initializer=tf.zeros_initializer())
        mean, variance = moments or (None, None)
        normalized, _, _ = tf.nn.fused_batch_norm(
            x, gamma, beta, mean, variance, epsilon=BATCH_NORM_EPSILON, is_training=moments is None)
        return normalized


def lrelu(x, leak=0.2):
    """Leaky ReLU: x above zero, leak * x below (Maas et al. 2013).

    Args:
      x: float32 of any shape.
      leak: slope below zero.
    Returns:
      float32 of x's shape.
    """
    return tf.nn.leaky_relu(x, alpha=leak)
