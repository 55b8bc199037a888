"""Placeholders, losses and the training step."""

from functools import partial
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from gans_n_roses.machine.precision import compute_dtype
from gans_n_roses.networks.augment import augment
from gans_n_roses.networks.losses import discriminator_loss, generator_loss
from gans_n_roses.networks.models import discriminator, generator
from gans_n_roses.networks.ops import batch_norm
from gans_n_roses.networks.penalty import add_penalty
from gans_n_roses.settings import names_in
from gans_n_roses.workers.team import ALONE

AVERAGED_BEFORE = 'averaged_before'  # variable: iterations of the model that a run began from (START_FROM)


class GanGraph(NamedTuple):
    """Tensors that the loop feeds and fetches. Only `train_step` changes weights."""

    images: tf.Tensor  # placeholder, float32 [batch, size, size, channels] in [-1, 1]
    z: tf.Tensor  # placeholder, float32 [batch, z_dim] in (-1, 1); with LABELS [batch, z_dim + kinds]
    fakes: tf.Tensor  # G(z), float32 [batch, size, size, channels] in [-1, 1]
    d_loss_real: tf.Tensor
    d_loss_fake: tf.Tensor
    d_loss: tf.Tensor
    g_loss: tf.Tensor
    train_step: tf.Operation  # one iteration
    iteration: tf.Variable  # int64, number of iterations made
    scalars: dict  # name → scalar, to be fetched together with train_step
    sample_z: tf.Tensor  # placeholder like z, of any batch
    samples: tf.Tensor  # roses to look at, float32 [any, size, size, channels]; from averaged weights with EMA_DECAY


def build_graph(settings, team=ALONE, kinds=0):
    """Build both networks, their losses and the training step into the default graph.

    One run of `train_step` is one iteration of the article: the discriminator's Adam update, then the
    generator's against the updated discriminator, on the same z. G(z) is computed once: the first update
    leaves the generator as it is.

    AUGMENT changes all that the discriminator sees, real and fake: each picture by a draw of its own, anew for each
    update (Zhao et al. 2020, arXiv:2006.10738, sec. 3.2). The draws depend on seed and iteration alone.

    Of several workers, each computes on a batch of its own, with that batch's statistics in batch norm. Before each
    update they take the mean of their gradients, and so keep the same weights.

    Args:
      settings: Settings; reads batch_size, image_size, channels, width, z_dim, learning_rate, beta_1, ema_decay,
        augment, r1_gamma, smooth, precision, seed and start_from.
      team: the workers that train together; ALONE where there is only this one.
      kinds: number of kinds of pictures (LABELS). A picture's kind stands beside the z that is fed with it, and is
        the kind of the rose that is made from this z.
    Returns:
      GanGraph.
    """
    tf.set_random_seed(settings.seed)
    size = settings.image_size
    images = tf.placeholder(tf.float32, [settings.batch_size, size, size, settings.channels], 'real_images')
    z = tf.placeholder(tf.float32, [settings.batch_size, settings.z_dim + kinds], 'z')
    kind = tf.sign(z[:, settings.z_dim:]) if kinds else None  # one-hot
    iteration = tf.train.get_or_create_global_step()

    dtype = compute_dtype(settings.precision)

    def augmented(pictures, update, batches):
        if not settings.augment:
            return pictures
        seed = tf.stack([settings.seed, 2 * iteration + update])
        return augment(pictures, names_in(settings.augment), seed, team.places(settings.batch_size, batches))

    generate = partial(generator, image_size=size, dtype=dtype, smoothed=settings.smooth, width=settings.width,
                       channels=settings.channels)
    discriminate = partial(discriminator, width=settings.width)
    fakes = generate(z)
    # One pass over both took 5 % less time than two (bfloat16: 10 %). Each half keeps its own batch-norm statistics.
    both = augmented(tf.concat([images, fakes], 0), 0, batches=2)
    both_logits = discriminate(both, normalize=partial(batch_norm, groups=2), dtype=dtype,
                               kind=tf.concat([kind, kind], 0) if kinds else None)
    real_logits, fake_logits = tf.split(both_logits, 2)
    d_loss_real, d_loss_fake = discriminator_loss(real_logits, fake_logits)
    d_loss = d_loss_real + d_loss_fake
    g_loss = generator_loss(fake_logits)  # before the discriminator's update; what is trained on comes after it

    d_variables, g_variables = tf.trainable_variables('d_'), tf.trainable_variables('g_')
    d_gradients = tf.gradients(d_loss, d_variables)
    if settings.r1_gamma:  # in float32, since it subtracts logits that differ little
        d_gradients = add_penalty(d_gradients, tf.split(both, 2)[0], partial(discriminate, reuse=True, kind=kind),
                                  d_variables, settings.r1_gamma, iteration)
    d_gradients = team.mean(d_gradients, 'd_gradients', dtype)
    d_update = _adam(settings).apply_gradients(zip(d_gradients, d_variables, strict=True))
    with tf.control_dependencies([d_update]):
        g_loss_after_d = generator_loss(discriminate(augmented(fakes, 1, batches=1), reuse=True, dtype=dtype,
                                                     kind=kind))
        g_gradients = team.mean(tf.gradients(g_loss_after_d, g_variables), 'g_gradients', dtype)
        g_update = _adam(settings).apply_gradients(zip(g_gradients, g_variables, strict=True), iteration)
    train_step, averaged = _keep_average(g_update, g_variables, iteration, settings)

    sample_z = tf.placeholder(tf.float32, [None, settings.z_dim + kinds], 'sample_z')
    with tf.name_scope('samples'), tf.variable_scope('', custom_getter=averaged):
        samples = generate(sample_z, reuse=True)

    scalars = {
        'Discriminator_Loss': d_loss,
        'Discriminator_Loss_Real': d_loss_real,
        'Discriminator_Loss_Fake': d_loss_fake,
        'Generator_Loss': g_loss_after_d,
        'Discriminator_Accuracy_Real': tf.reduce_mean(tf.cast(real_logits > 0, tf.float32)),
        'Discriminator_Accuracy_Fake': tf.reduce_mean(tf.cast(fake_logits < 0, tf.float32)),
        'D_of_x': tf.reduce_mean(tf.sigmoid(real_logits)),
        'D_of_G_of_z': tf.reduce_mean(tf.sigmoid(fake_logits)),
    }
    return GanGraph(images, z, fakes, d_loss_real, d_loss_fake, d_loss, g_loss, train_step, iteration, scalars,
                    sample_z, samples)


def _adam(settings):
    return tf.train.AdamOptimizer(settings.learning_rate, beta1=settings.beta_1)


def _keep_average(g_update, g_variables, iteration, settings):
    """Keep a moving average of the generator's weights, moved on after each update (Polyak averaging; EMA_DECAY).

    After t iterations the decay is at most (1 + t) / (10 + t), so that the random weights of the beginning are soon
    forgotten. A run that took over another model's whole generator (START_FROM) counts that model's iterations in t
    too, so that the average it took over is not forgotten.

    Returns:
      (training step: the update and then the average; variable getter that gives a weight's average in its place).
      Where EMA_DECAY is 0, the update alone, and None.
    """
    if settings.ema_decay == 0:
        return g_update, None
    if settings.start_from:
        before = tf.get_variable(AVERAGED_BEFORE, [], tf.int64, tf.zeros_initializer(), trainable=False)
    with tf.control_dependencies([g_update]):
        t = iteration + before if settings.start_from else iteration
        average = tf.train.ExponentialMovingAverage(settings.ema_decay, num_updates=t)
        train_step = average.apply(g_variables)

    def averaged(getter, *args, **kwargs):
        variable = getter(*args, **kwargs)
        return average.average(variable) if variable.trainable else variable  # SMOOTH's filter is not trained
    return train_step, averaged
