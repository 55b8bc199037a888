"""Differentiable augmentation of what the discriminator sees (Zhao et al. 2020, arXiv:2006.10738, sec. 3.2).

The ranges are those of the paper's own code. Rotation is not in it: it is one of Karras et al. 2020, arXiv:2006.06676,
app. B, where kinds that only move pixels are among the most useful.
"""

import tensorflow.compat.v1 as tf

SHIFT = 1 / 8  # the longest shift, as a share of the side
CUTOUT = 1 / 2  # the square's side, as a share of the picture's
UPRIGHT = 5  # in eight pictures; one each is turned by one, two and three quarters


def augment(images, kinds, seed, among=None):
    """Change each picture's colours, place, a square of it or which way is up, at random; gradients flow through.

    Args:
      images: float32 [batch, size, size, 3] in [-1, 1].
      kinds: names among KINDS; none leaves the pictures as they are.
      seed: integer tensor [2]. The same seed and batch size change pictures in the same way, on every machine.
      among: None, or (how many pictures are changed by this seed in all, list of the places that `images` have among
        them): each is changed as it would be beside all the others.
    Returns:
      float32 [batch, size, size, 3]; colours may leave [-1, 1], as in the paper.
    """
    seeds = tf.random.experimental.stateless_split(seed, len(KINDS))
    for row, (kind, change) in enumerate(KINDS.items()):
        if kind in kinds:
            with tf.name_scope(f'augment_{kind}'):
                images = change(images, seeds[row], among)
    return images


def color(images, seed, among=None):
    """Brightness shifted by up to ±0.5, saturation scaled by 0 to 2, contrast by 0.5 to 1.5, in this order."""
    draws = _draw([3, tf.shape(images)[0], 1, 1, 1], among, seed)
    images = images + draws[0] - 0.5
    grey = tf.reduce_mean(images, 3, keepdims=True)
    images = grey + (images - grey) * 2 * draws[1]
    level = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    return level + (images - level) * (draws[2] + 0.5)


def translation(images, seed, among=None):
    """Shifted by up to 1/8 of the side each way, zero (grey) moving in."""
    size = images.shape.as_list()[1]
    most = int(size * SHIFT + 0.5)
    shifts = _draw([2, tf.shape(images)[0], 1, 1], among, seed, -most, most + 1, tf.int32)
    place = tf.range(size)
    # A shift is a product with a matrix of zeros and ones: quicker than gathering, and so is its gradient.
    down, right = tf.unstack(tf.cast(tf.equal(place[:, tf.newaxis] - place, shifts), tf.float32))  # [batch, to, from]
    return tf.einsum('bik,bklc,bjl->bijc', down, images, right)


def cutout(images, seed, among=None):
    """A square of half the side set to zero (grey); its middle is anywhere, so that part of it may lie outside."""
    size = images.shape.as_list()[1]
    side = int(size * CUTOUT + 0.5)
    middles = _draw([2, tf.shape(images)[0], 1], among, seed, 0, size + 1 - side % 2, tf.int32)
    offset = tf.range(size) - middles + side // 2
    inside = tf.cast((offset >= 0) & (offset < side), tf.float32)  # [2, batch, size]
    return images * (1 - inside[0][:, :, tf.newaxis, tf.newaxis] * inside[1][:, tf.newaxis, :, tf.newaxis])


def rotation(images, seed, among=None):
    """Turned by one, two or three quarters, an eighth of the pictures each; the others stay as they are.

    Most stay, so that the generator learns which way is up: were all ways as likely, none could be told from another
    (Karras et al. 2020, arXiv:2006.06676, sec. 3.1).
    """
    turns = tf.nn.relu(_draw([1, tf.shape(images)[0], 1, 1, 1], among, seed, 0, 8, tf.int32)[0] - (UPRIGHT - 1))
    images = tf.where_v2(turns >= 2, tf.reverse(images, [1, 2]), images)
    return tf.where_v2(turns % 2 > 0, tf.reverse(tf.transpose(images, [0, 2, 1, 3]), [1]), images)


def _draw(shape, among, *how):
    """Uniform numbers of a shape [any, batch, …], each picture's own."""
    if among is None:
        return tf.random.stateless_uniform(shape, *how)
    count, places = among
    return tf.gather(tf.random.stateless_uniform([shape[0], count, *shape[2:]], *how), places, axis=1)


KINDS = {'color': color, 'translation': translation, 'cutout': cutout, 'rotation': rotation}
