"""The training step as the article has it: plain float32, one layer after the other, two runs per iteration.

The yardstick of training_step.py. It shares nothing with the package, so that no gain there moves it.
"""

import tensorflow.compat.v1 as tf

LEARNING_RATE, BETA_1 = 0.0002, 0.5
STDDEV, EPSILON = 0.02, 0.001


def make_step(batch, size, channels, z_dim):
    """Build the article's graph and open a session on it.

    Args:
      batch: pictures in a batch.
      size: their height and width.
      channels: list of int, output channels of the discriminator's convolutions.
      z_dim: length of z.
    Returns:
      function f(images, z), one iteration on float32 arrays; returns (discriminator's loss, generator's loss).
    """
    tf.disable_eager_execution()
    images = tf.placeholder(tf.float32, [batch, size, size, 3])
    z = tf.placeholder(tf.float32, [batch, z_dim])
    fakes = generator(z, channels)
    real_logits = discriminator(images, channels)
    fake_logits = discriminator(fakes, channels)
    d_loss = cross_entropy(real_logits, tf.ones_like) + cross_entropy(fake_logits, tf.zeros_like)
    g_loss = cross_entropy(fake_logits, tf.ones_like)
    d_optim, g_optim = (
        tf.train.AdamOptimizer(LEARNING_RATE, beta1=BETA_1).minimize(
            loss, var_list=[variable for variable in tf.trainable_variables() if variable.name.startswith(prefix)])
        for loss, prefix in ((d_loss, 'd_'), (g_loss, 'g_')))

    session = tf.Session()
    session.run(tf.global_variables_initializer())

    def step(images_now, z_now):
        _, d_now = session.run([d_optim, d_loss], {images: images_now, z: z_now})
        _, g_now = session.run([g_optim, g_loss], {z: z_now})
        return d_now, g_now

    return step


def make_product(rows, precision):
    """Multiply two square matrices, the purest work there is.

    Args:
      rows: their rows and columns.
      precision: 'float32' or 'bfloat16'.
    Returns:
      function of any arguments, one product of matrices that stay in TensorFlow.
    """
    tf.disable_eager_execution()
    product = tf.matmul(*(tf.Variable(tf.cast(tf.random_normal([rows, rows]), precision)) for _ in range(2)))
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return lambda *_: session.run(product.op)


def generator(z, channels):
    """Turn float32 [batch, z_dim] into float32 [batch, size, size, 3] in [-1, 1]."""
    first, *others = reversed(channels)
    h = tf.reshape(linear(z, 4 * 4 * first, 'g_h0_lin'), [-1, 4, 4, first])
    h = tf.nn.relu(batch_norm(h, 'g_bn0'))
    for layer, features in enumerate(others, start=1):
        h = tf.nn.relu(batch_norm(conv_transpose(h, features, f'g_h{layer}'), f'g_bn{layer}'))
    return tf.nn.tanh(conv_transpose(h, 3, f'g_h{len(channels)}'))


def discriminator(image, channels):
    """Turn float32 [batch, size, size, 3] into logits, float32 [batch, 1]."""
    first, *others = channels
    h = lrelu(conv2d(image, first, 'd_h0_conv'))
    for layer, features in enumerate(others, start=1):
        h = lrelu(batch_norm(conv2d(h, features, f'd_h{layer}_conv'), f'd_bn{layer}'))
    return linear(tf.reshape(h, [-1, 4 * 4 * channels[-1]]), 1, 'd_lin')


def conv2d(x, features, name):
    """5×5 at stride 2, and a bias."""
    w = _variable(f'{name}/w', [5, 5, x.shape[-1], features])
    return tf.nn.bias_add(tf.nn.conv2d(x, w, strides=2, padding='SAME'), _variable(f'{name}/b', [features], 0))


def conv_transpose(x, features, name):
    """Its transpose; the article makes a bias here too, and never adds it."""
    batch, height, width, input_features = x.shape.as_list()
    w = _variable(f'{name}/w', [5, 5, features, input_features])
    return tf.nn.conv2d_transpose(x, w, [batch, 2 * height, 2 * width, features], strides=2, padding='SAME')


def linear(x, features, name):
    """A matrix and a bias."""
    return x @ _variable(f'{name}/Matrix', [x.shape[-1], features]) + _variable(f'{name}/bias', [features], 0)


def batch_norm(x, name):
    """By the batch's own statistics."""
    gamma, beta = (_variable(f'{name}/{part}', [x.shape[-1]], value) for part, value in (('gamma', 1), ('beta', 0)))
    return tf.nn.fused_batch_norm(x, gamma, beta, epsilon=EPSILON, is_training=True)[0]


def lrelu(x):
    """Leaky ReLU, by TensorFlow's own op: no yardstick should be slow for its spelling."""
    return tf.nn.leaky_relu(x, alpha=0.2)


def cross_entropy(logits, labels_like):
    """Mean sigmoid cross-entropy against one label for all."""
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels_like(logits), logits=logits))


def _variable(name, shape, value=None):
    start = tf.truncated_normal_initializer(stddev=STDDEV) if value is None else tf.constant_initializer(value)
    with tf.variable_scope('', reuse=tf.AUTO_REUSE):
        return tf.get_variable(name, shape, initializer=start)
