"""The generator and the discriminator (Radford et al. 2015, arXiv:1511.06434, fig. 1)."""

import tensorflow.compat.v1 as tf

from gans_n_roses.networks.ops import batch_norm, conv2d, conv_transpose, dense, lrelu, project, smooth

BASE_SIZE = 4  # height and width where the convolutions of both networks meet the dense layer
WIDTH = 64
MOST_CHANNELS = 512


def discriminator_channels(image_size, width=WIDTH):
    """Count the output channels of the discriminator's convolutions, each of which halves the size, down to 4×4.

    Args:
      image_size: height and width of the pictures, a power of two from 16 to 256.
      width: channels of the layer next to the picture. Each further layer has twice as many, up to 512; above the
        article's width up to 8 times the width, so that 128 at 64 pixels gives the paper's 1,024.
    Returns:
      list of int; [64, 128, 256, 512] at 64 pixels.
    """
    layers = (image_size // BASE_SIZE).bit_length() - 1
    return [min(width * 2**layer, max(8 * width, MOST_CHANNELS)) for layer in range(layers)]


def generator(z, image_size=64, normalize=batch_norm, reuse=False, dtype=tf.float32, smoothed=0, width=WIDTH,
              channels=3):
    """Turn noise into pictures.

    Args:
      z: float32 [batch, z_dim] in (-1, 1); with LABELS, which are not in the article, the kind of each beside it, as
        `noise.with_kind` puts it there.
      image_size: height and width of the pictures, a power of two from 16 to 256.
      normalize: function f(x, name) in the place of `batch_norm`.
      reuse: True takes the weights of an earlier call.
      dtype: what the layers compute in, tf.float32 or tf.bfloat16; tanh is always in float32, and so is the filter.
      smoothed: number of layers, counted from the picture, whose output is filtered against the finest checkerboard
        (SMOOTH; not in the article).
      width: as in `discriminator_channels`.
      channels: of the pictures: 1 grey, 3 colours, 4 colours and alpha.
    Returns:
      float32 [batch, image_size, image_size, channels] in [-1, 1].
    """
    first, *others = reversed(discriminator_channels(image_size, width))
    last = len(others) + 1
    with tf.variable_scope(tf.get_variable_scope(), reuse=reuse):
        # Right-hand column: shape at 64 pixels; in a loop, the shapes after its three passes.
        h = tf.cast(z, dtype)                                                          # [batch, 100]
        h = dense(h, BASE_SIZE * BASE_SIZE * first, 'g_h0_lin')                        # [batch, 8192]
        h = tf.reshape(h, [-1, BASE_SIZE, BASE_SIZE, first])                           # [batch, 4, 4, 512]
        h = tf.nn.relu(normalize(h, 'g_bn1'))
        for layer, features in enumerate(others, start=1):                             # [batch, 8, 8, 256]
            h = conv_transpose(h, features, f'g_h{layer}')                             # [batch, 16, 16, 128]
            h = smooth(h, f'g_smooth{layer}') if layer > last - smoothed else h
            h = tf.nn.relu(normalize(h, f'g_bn{layer + 1}'))                           # [batch, 32, 32, 64]
        h = conv_transpose(h, channels, f'g_h{last}')                                  # [batch, 64, 64, 3]
        h = tf.cast(h, tf.float32)
        return tf.nn.tanh(smooth(h, 'g_smooth') if smoothed else h)


def discriminator(image, reuse=False, normalize=batch_norm, dtype=tf.float32, width=WIDTH, kind=None):
    """Tell photographs from generated pictures.

    Args:
      image: float32 [batch, size, size, channels] in [-1, 1]; size is a power of two from 16 to 256.
      reuse: True takes the weights of an earlier call.
      normalize: function f(x, name) in the place of `batch_norm`.
      dtype: what the convolutions compute in, tf.float32 or tf.bfloat16; the logits are always in float32.
      width: as in `discriminator_channels`.
      kind: float32 [batch, kinds], one-hot: real means a real picture of this kind (LABELS); None knows no kinds.
    Returns:
      float32 [batch, 1]: logits, above zero for "real".
    """
    first, *others = discriminator_channels(image.shape[1], width)
    with tf.variable_scope(tf.get_variable_scope(), reuse=reuse):
        # Right-hand column: shape at 64 pixels; in the loop, the shapes after its three passes.
        h = lrelu(conv2d(tf.cast(image, dtype), first, 'd_h0_conv'))                   # [batch, 32, 32, 64]
        for layer, features in enumerate(others, start=1):                             # [batch, 16, 16, 128]
            h = conv2d(h, features, f'd_h{layer}_conv')                                # [batch, 8, 8, 256]
            h = lrelu(normalize(h, f'd_bn{layer}'))                                    # [batch, 4, 4, 512]
        h = tf.reshape(h, [-1, BASE_SIZE * BASE_SIZE * h.shape[-1]])                   # [batch, 8192]
        h = tf.cast(h, tf.float32)
        logits = dense(h, 1, f'd_h{len(others)}_lin')                                  # [batch, 1]
        return logits if kind is None else logits + project(h, kind, 'd_label')
