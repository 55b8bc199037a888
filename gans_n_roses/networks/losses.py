"""The loss of each network, which training makes small: the place to try another one.

Both take logits, above zero for "real", and give float32 scalars. They are the article's: the discriminator's
cross-entropy, and the generator's in the form that does not saturate (Goodfellow et al. 2014, arXiv:1406.2661, sec. 3).
What needs more than logits, such as a penalty on gradients, is added in graph.py, as penalty.py's is.
"""

import tensorflow.compat.v1 as tf


def discriminator_loss(real_logits, fake_logits):
    """The discriminator's errors on pictures and on generated ones; it is trained on the sum of both.

    Args:
      real_logits: float32 [batch, 1], of pictures.
      fake_logits: float32 [batch, 1], of generated pictures.
    Returns:
      (loss on pictures, loss on generated pictures), float32 scalars.
    """
    return cross_entropy(real_logits, tf.ones_like), cross_entropy(fake_logits, tf.zeros_like)


def generator_loss(fake_logits):
    """The generator's failure to have its pictures taken for real.

    Args:
      fake_logits: float32 [batch, 1], of generated pictures.
    Returns:
      float32 scalar.
    """
    return cross_entropy(fake_logits, tf.ones_like)


def cross_entropy(logits, labels_like):
    """Mean sigmoid cross-entropy of logits against one label for all.

    Args:
      logits: float32 [batch, 1].
      labels_like: tf.ones_like for "real", tf.zeros_like for "fake".
    Returns:
      float32 scalar.
    """
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels_like(logits), logits=logits))
