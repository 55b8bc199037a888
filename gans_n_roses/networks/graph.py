"""Placeholders, losses and the training step."""

from functools import partial
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from gans_n_roses.machine.cluster import ALONE
from gans_n_roses.machine.collectives import D_GRADIENTS, G_GRADIENTS, mean_of_all
from gans_n_roses.machine.precision import compute_dtype
from gans_n_roses.networks.augment import augment
from gans_n_roses.networks.losses import discriminator_loss, generator_loss
from gans_n_roses.networks.models import discriminator, generator
from gans_n_roses.networks.ops import batch_norm
from gans_n_roses.networks.penalty import add_penalty
from gans_n_roses.settings import names_in

AVERAGED_BEFORE = 'averaged_before'  # variable of a run that began from another model's weights


class GanGraph(NamedTuple):
    """What the loop feeds and fetches. Each loss, run alone, changes no weight."""

    images: tf.Tensor  # placeholder, float32 [batch, size, size, 3] in [-1, 1]
    z: tf.Tensor  # placeholder, float32 [batch, z_dim] in (-1, 1)
    fakes: tf.Tensor  # G(z), float32 [batch, size, size, 3] in [-1, 1]
    d_loss_real: tf.Tensor
    d_loss_fake: tf.Tensor
    d_loss: tf.Tensor
    g_loss: tf.Tensor
    train_step: tf.Operation  # one iteration
    iteration: tf.Variable  # int64, how many iterations were made
    scalars: dict  # name → scalar; fetched together with train_step, it is of that iteration
    sample_z: tf.Tensor  # placeholder, float32 [any, z_dim] in (-1, 1)
    samples: tf.Tensor  # roses to look at, from the averaged weights where EMA_DECAY is above 0


def build_graph(settings, cluster=ALONE):
    """Build both networks, their losses and the training step into the default graph.

    One run of `train_step` is one iteration of the article: the discriminator's Adam update, then the
    generator's against the updated discriminator, on the same z. G(z) is computed once: the first update
    leaves the generator as it is.

    Everything that the discriminator sees is augmented, if AUGMENT says so: real and fake, each picture by a draw of
    its own, anew for each update (Zhao et al. 2020, arXiv:2006.10738, sec. 3.2). The draws depend on seed and iteration
    alone.

    Each of several workers computes on a batch of its own, with that batch's statistics in batch norm. They average the
    gradients of each update, and so keep the same weights. Processors send them in the type that the layers
    compute in.

    Args:
      settings: Settings; reads batch_size, image_size, z_dim, learning_rate, beta_1, ema_decay, augment, r1_gamma,
        smooth, precision, seed and start_from.
      cluster: Cluster that this worker belongs to.
    Returns:
      GanGraph.
    """
    tf.set_random_seed(settings.seed)
    size = settings.image_size
    images = tf.placeholder(tf.float32, [settings.batch_size, size, size, 3], 'real_images')
    z = tf.placeholder(tf.float32, [settings.batch_size, settings.z_dim], 'z')
    iteration = tf.train.get_or_create_global_step()

    dtype = compute_dtype(settings.precision)
    kinds = names_in(settings.augment)

    def augmented(pictures, update, batches):
        if not kinds:
            return pictures
        seed = tf.stack([settings.seed, 2 * iteration + update])
        return augment(pictures, kinds, seed, _among_all(cluster, settings.batch_size, batches))

    fakes = generator(z, size, dtype=dtype, smoothed=settings.smooth)
    # One pass over both took 5 % less time than two (bfloat16: 10 %); each batch keeps its own batch-norm statistics.
    both = augmented(tf.concat([images, fakes], 0), 0, batches=2)
    both_logits = discriminator(both, normalize=partial(batch_norm, groups=2), dtype=dtype)
    real_logits, fake_logits = tf.split(both_logits, 2)
    d_loss_real, d_loss_fake = discriminator_loss(real_logits, fake_logits)
    d_loss = d_loss_real + d_loss_fake
    g_loss = generator_loss(fake_logits)  # before the discriminator's update: to look at, not to train on

    d_variables, g_variables = split_variables(tf.trainable_variables())
    d_gradients = tf.gradients(d_loss, d_variables)
    if settings.r1_gamma:  # in float32: what it looks at are small differences
        d_gradients = add_penalty(d_gradients, tf.split(both, 2)[0], partial(discriminator, reuse=True), d_variables,
                                  settings.r1_gamma, iteration)
    d_gradients = mean_of_all(cluster, d_gradients, D_GRADIENTS, dtype)
    d_update = _adam(settings).apply_gradients(zip(d_gradients, d_variables, strict=True))
    with tf.control_dependencies([d_update]):
        g_loss_after_d = generator_loss(discriminator(augmented(fakes, 1, batches=1), reuse=True, dtype=dtype))
        g_adam = _adam(settings)
        g_gradients = [gradient for gradient, _ in g_adam.compute_gradients(g_loss_after_d, g_variables)]
        g_gradients = mean_of_all(cluster, g_gradients, G_GRADIENTS, dtype)
        g_update = g_adam.apply_gradients(zip(g_gradients, g_variables, strict=True), iteration)
    train_step, average = _keep_average(g_update, g_variables, iteration, settings)

    sample_z = tf.placeholder(tf.float32, [None, settings.z_dim], 'sample_z')
    with tf.name_scope('samples'), tf.variable_scope('', custom_getter=average):
        samples = generator(sample_z, size, reuse=True, dtype=dtype, smoothed=settings.smooth)

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


def split_variables(variables):
    """Split by prefix into the discriminator's and the generator's.

    Args:
      variables: list of variables named "d_…" or "g_…".
    Returns:
      (discriminator's list, generator's list).
    Raises:
      AssertionError: a variable is neither's, and would never be trained.
    """
    d_variables = [variable for variable in variables if variable.name.startswith('d_')]
    g_variables = [variable for variable in variables if variable.name.startswith('g_')]
    stray = [variable.name for variable in variables if not variable.name.startswith(('d_', 'g_'))]
    if stray:
        raise AssertionError(f'of neither network: {", ".join(stray)}')
    return d_variables, g_variables


def _among_all(cluster, batch_size, batches):
    """Which pictures of all workers' batches one worker's are, for `augment`; None where it is the only one."""
    if cluster.count == 1:
        return None
    length = cluster.count * batch_size
    places = [place for batch in range(batches) for place in range(batch * length, (batch + 1) * length)[
        cluster.share(batch_size)]]
    return batches * length, places


def _adam(settings):
    return tf.train.AdamOptimizer(settings.learning_rate, beta1=settings.beta_1)


def _keep_average(g_update, g_variables, iteration, settings):
    """Append the moving average of the generator's weights to its update (Polyak averaging).

    The decay is at most (1 + t) / (10 + t), so that early grids do not lag behind. t counts the iterations; where a run
    took over a whole generator, those of the model that it began from too, or the first few would throw away the
    average that it began with.

    Returns:
      (training step, getter that gives the average in a variable's place; both plain where EMA_DECAY is 0).
    """
    if settings.ema_decay == 0:
        return g_update, None
    before = tf.get_variable(AVERAGED_BEFORE, [], tf.int64, tf.zeros_initializer(),
                             trainable=False) if settings.start_from else None
    with tf.control_dependencies([g_update]):
        updates = iteration if before is None else iteration + before
        average = tf.train.ExponentialMovingAverage(settings.ema_decay, num_updates=updates)
        train_step = average.apply(g_variables)

    def averaged(getter, name, *args, **kwargs):
        variable = getter(name, *args, **kwargs)
        return average.average(variable) if variable.trainable else variable
    return train_step, averaged
