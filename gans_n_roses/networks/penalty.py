"""R1, the gradient penalty on real pictures (Mescheder et al. 2018, arXiv:1801.04406, eq. 9)."""

import tensorflow.compat.v1 as tf

EVERY = 16  # iterations apart, and so many times as strong (Karras et al. 2020, arXiv:1912.04958, sec. 3.1)
STEP = 2 / 255  # one grey level, as the root mean square over a picture


def add_penalty(gradients, images, discriminate, variables, gamma, iteration):
    """Add the penalty's gradients to the discriminator's, at every 16th iteration.

    Args:
      gradients: list of gradients of the discriminator's loss, one for each of `variables`.
      images: float32 [batch, size, size, channels], the real pictures as the discriminator sees them.
      discriminate: function from such pictures to float32 [batch, 1], logits.
      variables: list of the discriminator's variables.
      gamma: weight of the penalty, γ in the paper.
      iteration: integer scalar tensor, number of iterations made.
    Returns:
      list of tensors, one for each of `variables`.
    """
    def with_penalty():
        penalty = EVERY * gamma / 2 * squared_slope(images, discriminate)
        more = tf.gradients(penalty, variables, unconnected_gradients='zero')
        return list(map(tf.add, gradients, more))
    return tf.cond(tf.equal(iteration % EVERY, 0), with_penalty, lambda: gradients)


def squared_slope(images, discriminate):
    """The mean of ‖∇D(x)‖² over a batch, whose gradient needs no second derivative of any layer.

    ‖∇D(x)‖ is D's slope in the direction of its gradient, and is computed as a central difference along it.

    Args:
      images, discriminate: as in `add_penalty`.
    Returns:
      float32 scalar.
    """
    gradient, = tf.gradients(discriminate(images), images)
    step = STEP * images[0].shape.num_elements()**0.5
    direction = tf.stop_gradient(tf.math.l2_normalize(gradient, [1, 2, 3]))
    slope = (discriminate(images + step * direction) - discriminate(images - step * direction)) / (2 * step)
    return tf.reduce_mean(tf.square(slope))
