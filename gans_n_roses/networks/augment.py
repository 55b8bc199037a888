"""Differentiable augmentation of what the discriminator sees (Zhao et al. 2020, arXiv:2006.10738, sec. 3.2).

The ranges are those of the paper's own code. Rotation is from Karras et al. 2020, arXiv:2006.06676, app. B, where kinds
that only move pixels are among the most useful.

Each kind is a function of float32 [batch, size, size, channels] and of `draw(numbers, ones, …)`, which gives uniform
numbers [numbers, batch, *ones], each picture's own: from 0 to 1, or whole ones from a least one to below another. The
fourth channel, where there is one, is alpha from 0 to 2, so that what a kind clears, 0, is grey and transparent.
"""

from functools import partial

import tensorflow.compat.v1 as tf

SHIFT = 1 / 8  # the longest shift, as a share of the side
CUTOUT = 1 / 2  # the square's side, as a share of the picture's
ALPHA_FROM_ZERO = [0.0, 0.0, 0.0, 1.0]
UPRIGHT = 5  # in eight pictures; one each is turned by one, two and three quarters


def augment(images, kinds, seed, among=None):
    """Change each picture's colours or place, clear a square of it or turn it, at random; gradients flow through.

    Args:
      images: float32 [batch, size, size, channels] in [-1, 1].
      kinds: names among KINDS; none leaves the pictures as they are.
      seed: integer tensor [2]. The same seed and batch size change pictures in the same way, on every machine.
      among: where `images` are only a part of what is changed by this seed, (number of all pictures, list of the
        places of `images` among them): each is changed as it would be beside all the others.
    Returns:
      float32 [batch, size, size, channels]; colours may leave [-1, 1], as in the paper.
    """
    transparent = images.shape[3] == 4
    if transparent:
        images += ALPHA_FROM_ZERO
    seeds = tf.random.experimental.stateless_split(seed, len(KINDS))
    for row, (kind, change) in enumerate(KINDS.items()):
        if kind in kinds:
            with tf.name_scope(f'augment_{kind}'):
                images = change(images, partial(_draw, seeds[row], tf.shape(images)[0], among))
    return images - ALPHA_FROM_ZERO if transparent else images


def color(images, draw):
    """Shift brightness by up to ±0.5, scale saturation by 0 to 2, then contrast by 0.5 to 1.5. Alpha stays."""
    draws = draw(3, [1, 1, 1])
    images, alpha = (images[..., :3], images[..., 3:]) if images.shape[3] == 4 else (images, None)
    images = images + draws[0] - 0.5
    grey = tf.reduce_mean(images, 3, keepdims=True)
    images = grey + (images - grey) * 2 * draws[1]
    level = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    images = level + (images - level) * (draws[2] + 0.5)
    if alpha is None:
        return images
    ground = level + (draws[0] - 0.5 - level) * (draws[2] + 0.5)  # what grey has become: it shows through
    return tf.concat([images - ground * (1 - alpha / 2), alpha], 3)


def translation(images, draw):
    """Shift by up to 1/8 of the side each way; zero (grey) moves in."""
    size = images.shape[1]
    most = int(size * SHIFT + 0.5)
    shifts = draw(2, [1, 1], -most, most + 1, tf.int32)
    place = tf.range(size)
    # Products with matrices of zeros and ones: quicker than gathering pixels, and so is their gradient.
    down, right = tf.unstack(tf.cast(tf.equal(place[:, None] - place, shifts), tf.float32))  # [batch, to, from]
    return tf.einsum('bik,bklc,bjl->bijc', down, images, right)


def cutout(images, draw):
    """Set a square of half the side to zero (grey); its middle is anywhere, so that part of it may lie outside."""
    size = images.shape[1]
    side = int(size * CUTOUT + 0.5)
    middles = draw(2, [1], 0, size + 1 - side % 2, tf.int32)
    offset = tf.range(size) - middles + side // 2
    inside = tf.cast((offset >= 0) & (offset < side), tf.float32)  # [2, batch, size]
    return images * (1 - inside[0][..., None, None] * inside[1][:, None, :, None])


def rotation(images, draw):
    """Turn by one, two or three quarters, an eighth of the pictures each; the others stay as they are.

    Most stay, so that the generator learns which way is up: were all four as likely, it would turn its own pictures
    just as often (Karras et al. 2020, arXiv:2006.06676, sec. 3.1).
    """
    turns = tf.nn.relu(draw(1, [1, 1, 1], 0, 8, tf.int32)[0] - (UPRIGHT - 1))
    images = tf.where_v2(turns >= 2, tf.reverse(images, [1, 2]), images)
    return tf.where_v2(turns % 2 > 0, tf.reverse(tf.transpose(images, [0, 2, 1, 3]), [1]), images)


def _draw(seed, batch, among, numbers, ones, *limits):
    count, places = among or (batch, None)
    drawn = tf.random.stateless_uniform([numbers, count, *ones], seed, *limits)
    return drawn if places is None else tf.gather(drawn, places, axis=1)


KINDS = {'color': color, 'translation': translation, 'cutout': cutout, 'rotation': rotation}
