"""Losses, Adam's update, one iteration against the article's two runs, averaged weights, and that training learns."""

import contextlib
import functools
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.machine.session import open_session
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.networks.losses import cross_entropy
from gans_n_roses.networks.models import discriminator, generator

BATCH, SIZE, Z_DIM = 4, 16, 8
# Batch norm subtracts what these add: their gradient is zero but for rounding, which Adam blows up to a whole step.
WITHOUT_EFFECT = {'g_h0_lin/bias', 'g_h1/b', 'd_h1_conv/b'}


@pytest.fixture
def tiny(make_settings):
    """Function: settings of a tiny network, with some fields changed."""
    return lambda **changes: make_settings(**{
        'image_size': SIZE, 'batch_size': BATCH, 'z_dim': Z_DIM, 'seed': 1, 'learning_rate': 0.01, 'beta_1': 0.3,
        **changes})


@functools.cache
def graph_of(settings):
    """The graph of the settings, built once, with its variables and the logits of both batches."""
    with tf.Graph().as_default() as graph:
        gan = build_graph(settings)
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        logits = discriminator(gan.images, reuse=True), discriminator(gan.fakes, reuse=True)
        return SimpleNamespace(graph=graph, gan=gan, variables=variables, logits=logits,
                               initialize=tf.global_variables_initializer())


@contextlib.contextmanager
def built(settings):
    """`graph_of` the settings in a session of its own, its variables at their beginning."""
    t = graph_of(settings)
    with t.graph.as_default(), open_session() as session:
        session.run(t.initialize)
        yield SimpleNamespace(session=session, **vars(t))


def feed(gan, number=0):
    rng = np.random.RandomState(number)
    return {gan.images: rng.uniform(-1, 1, [BATCH, SIZE, SIZE, 3]), gan.z: rng.uniform(-1, 1, [BATCH, Z_DIM])}


def loss(logits, label):
    """Sigmoid cross-entropy in NumPy float64: -log σ(l) for real, -log(1 - σ(l)) for fake."""
    probability = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    return -np.log(probability if label else 1 - probability).mean()


@pytest.mark.parametrize(('labels_like', 'label'), [(tf.ones_like, 1), (tf.zeros_like, 0)])
def test_cross_entropy_equals_numpy_and_stands_large_logits(labels_like, label):
    logits = np.float32([[-9], [-1], [0], [0.5], [7]])
    with tf.Graph().as_default(), tf.Session() as session:
        placeholder = tf.placeholder(tf.float32, [None, 1])
        value = cross_entropy(placeholder, labels_like)
        assert session.run(value, {placeholder: logits}) == pytest.approx(loss(logits, label), rel=1e-6)
        assert session.run(value, {placeholder: [[200], [-200]]}) == pytest.approx(100, rel=1e-6)


def test_losses_equal_numpy_from_the_logits(tiny):
    with built(tiny()) as t:
        for number in range(2):  # the second time with trained weights, whose logits differ from zero
            real, fake = t.session.run(t.logits, feed(t.gan, number))
            assert real.shape == fake.shape == (BATCH, 1)
            found = t.session.run([t.gan.d_loss_real, t.gan.d_loss_fake, t.gan.d_loss, t.gan.g_loss],
                                  feed(t.gan, number))
            expected = [loss(real, 1), loss(fake, 0), loss(real, 1) + loss(fake, 0), loss(fake, 1)]
            np.testing.assert_allclose(found, expected, rtol=1e-5)
            for _ in range(3):
                t.session.run(t.gan.train_step, feed(t.gan, number))


def test_adam_updates_the_discriminator_as_numpy_does(tiny):
    settings, beta_2, epsilon = tiny(), 0.999, 1e-8
    rate, beta_1 = settings.learning_rate, settings.beta_1
    with built(settings) as t:
        names = [name for name in t.variables if name.startswith('d_') and name not in WITHOUT_EFFECT]
        d_variables = [variable for variable in tf.trainable_variables() if variable.op.name in names]
        assert len(d_variables) == 7
        gradients = tf.gradients(t.gan.d_loss, d_variables)
        means = [np.zeros(variable.shape.as_list()) for variable in d_variables]
        squares = [np.zeros(variable.shape.as_list()) for variable in d_variables]
        for step in range(1, 4):
            before, slopes = t.session.run([d_variables, gradients], feed(t.gan, step))
            t.session.run(t.gan.train_step, feed(t.gan, step))
            after = t.session.run(d_variables)
            pace = rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
            for row, slope in enumerate(np.float64(slope) for slope in slopes):
                means[row] = beta_1 * means[row] + (1 - beta_1) * slope
                squares[row] = beta_2 * squares[row] + (1 - beta_2) * slope**2
                expected = before[row] - pace * means[row] / (np.sqrt(squares[row]) + epsilon)
                np.testing.assert_allclose(after[row], expected, rtol=1e-5, atol=2e-3 * rate * step)


def article(settings):
    """The article's training as plain TensorFlow: two optimizers, each run on its own on the same feed."""
    images = tf.placeholder(tf.float32, [BATCH, SIZE, SIZE, 3])
    z = tf.placeholder(tf.float32, [BATCH, Z_DIM])
    fakes = generator(z, SIZE)
    real_logits, fake_logits = discriminator(images), discriminator(fakes, reuse=True)
    real_loss = tf.nn.sigmoid_cross_entropy_with_logits(logits=real_logits, labels=tf.ones_like(real_logits))
    fake_loss = tf.nn.sigmoid_cross_entropy_with_logits(logits=fake_logits, labels=tf.zeros_like(fake_logits))
    deceit = tf.nn.sigmoid_cross_entropy_with_logits(logits=fake_logits, labels=tf.ones_like(fake_logits))
    d_loss, g_loss = tf.reduce_mean(real_loss) + tf.reduce_mean(fake_loss), tf.reduce_mean(deceit)
    d_vars = [variable for variable in tf.trainable_variables() if 'd_' in variable.name]
    g_vars = [variable for variable in tf.trainable_variables() if 'g_' in variable.name]
    d_optim = tf.train.AdamOptimizer(settings.learning_rate, beta1=settings.beta_1).minimize(d_loss, var_list=d_vars)
    g_optim = tf.train.AdamOptimizer(settings.learning_rate, beta1=settings.beta_1).minimize(g_loss, var_list=g_vars)
    return images, z, d_optim, g_optim


@pytest.mark.parametrize('ema_decay', [0, 0.28])
def test_an_iteration_equals_the_articles_two_runs_averaged_or_not(tiny, ema_decay):
    settings = tiny(ema_decay=ema_decay)
    with built(settings) as t:
        trained = [variable.op.name for variable in tf.trainable_variables()]
        states = [t.session.run(t.variables)]
        for number in range(3):
            t.session.run(t.gan.train_step, feed(t.gan, number))
            states.append(t.session.run(t.variables))
        fed = [list(feed(t.gan, number).values()) for number in range(3)]

    with tf.Graph().as_default(), open_session() as session:
        images, z, d_optim, g_optim = article(settings)
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        assert {variable.op.name for variable in tf.trainable_variables()} == set(trained)
        for (pictures, noise), before, ours in zip(fed, states, states[1:], strict=False):
            for name, variable in variables.items():
                variable.load(before[name], session)
            session.run(d_optim, {images: pictures, z: noise})
            session.run(g_optim, {images: pictures, z: noise})
            theirs = session.run(variables)
            assert theirs.keys() <= ours.keys()
            for name in trained:
                assert_same_update(before[name], ours[name], theirs[name], theirs[f'{name}/Adam_1'],
                                   settings.learning_rate, name)


def assert_same_update(before, ours, theirs, second_moment, rate, name):
    """Equal to float32 rounding, which Adam divides by the size of the gradient."""
    if name in WITHOUT_EFFECT:  # the gradient is rounding and nothing else
        assert np.abs(ours - theirs).max() <= 2 * rate
        return
    size = np.sqrt(np.float64(second_moment))
    ill = np.sqrt(np.mean(size**2)) / np.maximum(size, 1e-30)
    assert np.mean(ill > 100) < 0.03, f'{name} is hardly tested'
    share = np.minimum(1e-3 + 1e-5 * ill, 2)
    apart = np.abs(np.float64(ours) - theirs) - 1e-6 * np.abs(theirs)
    assert (apart <= share * rate).all(), f'{name}: {(apart / share).max() / rate}'
    assert np.abs(ours - before).max() > rate / 10, f'{name} is not trained'


def test_a_loss_or_picture_alone_changes_no_variable(tiny):
    with built(tiny(ema_decay=0.28)) as t:
        gan = t.gan
        t.session.run(gan.train_step, feed(gan))
        before = t.session.run(t.variables)
        fed = {**feed(gan, 1), gan.sample_z: np.zeros([2, Z_DIM])}
        for tensor in (gan.d_loss_real, gan.d_loss_fake, gan.d_loss, gan.g_loss, gan.fakes, gan.samples):
            t.session.run(tensor, fed)
        after = t.session.run(t.variables)
        for name in before:
            np.testing.assert_array_equal(after[name], before[name], err_msg=name)


def test_scalars_are_those_of_the_very_iteration_which_is_counted(tiny):
    with built(tiny()) as t:
        moved = []
        for number in range(4):
            assert t.session.run(t.gan.iteration) == number
            real, fake = t.session.run(t.logits, feed(t.gan, number))
            fakes = t.session.run(t.gan.fakes, feed(t.gan, number))
            _, found = t.session.run([t.gan.train_step, t.gan.scalars], feed(t.gan, number))
            # The generator's loss is that of its own update: against the updated discriminator.
            fooled = t.session.run(t.logits[1], {t.gan.fakes: fakes})
            expected = {
                'Discriminator_Loss': loss(real, 1) + loss(fake, 0),
                'Discriminator_Loss_Real': loss(real, 1),
                'Discriminator_Loss_Fake': loss(fake, 0),
                'Generator_Loss': loss(fooled, 1),
                'Discriminator_Accuracy_Real': (real > 0).mean(),
                'Discriminator_Accuracy_Fake': (fake < 0).mean(),
                'D_of_x': (1 / (1 + np.exp(-np.float64(real)))).mean(),
                'D_of_G_of_z': (1 / (1 + np.exp(-np.float64(fake)))).mean(),
            }
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-6), (number, name)
            moved.append(abs(loss(fooled, 1) - loss(fake, 1)))
        assert max(moved) > 0.01  # or nothing above tells before from after


def test_averaged_weights_follow_the_recursion_and_make_the_samples(tiny):
    decay = 0.28  # (1 + t) / (10 + t) is 2/11, 3/12, 4/13: below it at first, above it from the third iteration on
    with built(tiny(ema_decay=decay)) as t:
        g_names = [variable.op.name for variable in tf.trainable_variables() if variable.op.name.startswith('g_')]
        average_of = {name: t.variables[f'{name}/ExponentialMovingAverage'] for name in g_names}
        expected = {name: np.float64(t.session.run(t.variables[name])) for name in g_names}
        for name in g_names:
            np.testing.assert_array_equal(t.session.run(average_of[name]), expected[name])
        for iteration in range(1, 5):  # t counts the iteration that is just made
            t.session.run(t.gan.train_step, feed(t.gan, iteration))
            kept = min(decay, (1 + iteration) / (10 + iteration))
            for name in g_names:
                expected[name] = kept * expected[name] + (1 - kept) * t.session.run(t.variables[name])
                np.testing.assert_allclose(t.session.run(average_of[name]), expected[name], rtol=1e-5, atol=1e-7)

        z = np.random.RandomState(9).uniform(-1, 1, [BATCH, Z_DIM])
        samples = t.session.run(t.gan.samples, {t.gan.sample_z: z})
        latest = t.session.run(t.gan.fakes, {t.gan.z: z})
        for name in g_names:
            t.variables[name].load(t.session.run(average_of[name]), t.session)
        np.testing.assert_allclose(samples, t.session.run(t.gan.fakes, {t.gan.z: z}), atol=1e-6)
        assert np.abs(samples - latest).max() > 1e-3


def test_smoothed_pictures_are_what_the_discriminator_and_the_user_see(tiny):
    """Nothing in them alternates from pixel to pixel, and they are filtered while training, not afterwards."""
    alternating = (-1)**np.add.outer(np.arange(SIZE), np.arange(SIZE))[..., np.newaxis]
    with built(tiny(ema_decay=0.9, smooth=True)) as t:
        assert not [name for name in t.variables if name.startswith('g_smooth/') and name != 'g_smooth/taps']
        taps = t.session.run(t.variables['g_smooth/taps'])
        for number in range(3):
            t.session.run(t.gan.train_step, feed(t.gan, number))
        np.testing.assert_array_equal(t.session.run(t.variables['g_smooth/taps']), taps)
        z = np.random.RandomState(9).uniform(-1, 1, [BATCH, Z_DIM])
        for pictures in t.session.run([t.gan.fakes, t.gan.samples], {t.gan.z: z, t.gan.sample_z: z}):
            before_tanh = np.arctanh(np.float64(pictures))
            assert before_tanh.std() > 0.01
            # Not quite 0: at the edge, which is reflected, a little is left of it.
            assert np.abs((before_tanh * alternating).mean((1, 2))).max() < 1e-3 * before_tanh.std()


def test_without_averaging_the_samples_are_the_generators_and_nothing_more_is_kept(tiny):
    with built(tiny()) as t:
        assert not [name for name in t.variables if 'Average' in name]
        t.session.run(t.gan.train_step, feed(t.gan))
        z = np.random.RandomState(9).uniform(-1, 1, [BATCH, Z_DIM])
        samples = t.session.run(t.gan.samples, {t.gan.sample_z: z})
        np.testing.assert_allclose(samples, t.session.run(t.gan.fakes, {t.gan.z: z}), atol=1e-6)
        assert t.session.run(t.gan.samples, {t.gan.sample_z: np.zeros([7, Z_DIM])}).shape == (7, SIZE, SIZE, 3)


def test_workers_take_the_mean_of_both_gradients_before_each_update(tiny):
    """A team whose means are zero: no weight changes."""
    asked = []

    def mean(tensors, name, dtype):
        asked.append((name, dtype, [tensor.shape.as_list() for tensor in tensors]))
        return [tf.zeros_like(tensor) for tensor in tensors]
    team = SimpleNamespace(mean=mean, places=lambda batch_size, batches: (2 * batches * batch_size, list(
        range(batches * batch_size))))
    with tf.Graph().as_default(), open_session() as session:
        gan = build_graph(tiny(augment='translation'), team)
        session.run(tf.global_variables_initializer())
        before = session.run(tf.trainable_variables())
        session.run(gan.train_step, feed(gan))
        for old, new in zip(before, session.run(tf.trainable_variables()), strict=True):
            np.testing.assert_array_equal(new, old)
        shapes = {network: [variable.shape.as_list() for variable in tf.trainable_variables(network)]
                  for network in ('d_', 'g_')}
    assert asked == [('d_gradients', tf.float32, shapes['d_']), ('g_gradients', tf.float32, shapes['g_'])]


def initial_weights(settings):
    with tf.Graph().as_default(), tf.Session() as session:
        build_graph(settings)
        session.run(tf.global_variables_initializer())
        return session.run({variable.op.name: variable for variable in tf.trainable_variables()})


def test_a_seed_makes_the_initial_weights_repeatable_and_without_one_they_differ(tiny):
    first, again, unseeded, other = (initial_weights(tiny(seed=seed)) for seed in (4294967295, 4294967295, None, None))
    for name in first:
        np.testing.assert_array_equal(again[name], first[name], err_msg=name)
    for name in ('g_h0_lin/Matrix', 'g_h1/w', 'd_h0_conv/w', 'd_h1_lin/Matrix'):
        assert (unseeded[name] != first[name]).any() and (other[name] != unseeded[name]).any()


def toy_pictures(rng, count):
    """Bright discs of one colour on a dark ground of another, [-1, 1]."""
    y, x = np.mgrid[:SIZE, :SIZE]
    pictures = np.empty([count, SIZE, SIZE, 3])
    for picture in pictures:
        centre, radius = rng.uniform(6, 10, 2), rng.uniform(4, 6)
        disc = (y - centre[0])**2 + (x - centre[1])**2 < radius**2
        picture[:] = np.where(disc[..., np.newaxis], [0.9, 0.1, -0.6], [-0.7, -0.3, -0.9])
    return pictures


def learn(settings, iterations):
    """Distance between the mean colours of real and generated pictures, before and after training."""
    rng = np.random.RandomState(settings.seed)
    real, grid_z = toy_pictures(rng, 32), rng.uniform(-1, 1, [64, Z_DIM])
    with built(settings) as t:
        def distance():
            made = t.session.run(t.gan.samples, {t.gan.sample_z: grid_z})
            return np.linalg.norm(made.mean((0, 1, 2)) - real.mean((0, 1, 2)))
        before = distance()
        for _ in range(iterations):
            images = real[rng.permutation(len(real))[:BATCH]]
            t.session.run(t.gan.train_step, {t.gan.images: images, t.gan.z: rng.uniform(-1, 1, [BATCH, Z_DIM])})
        return before, distance()


def test_training_brings_generated_pictures_nearer_to_the_real_ones(tiny):
    before, after = learn(tiny(learning_rate=0.001, beta_1=0.5, seed=3), 60)
    assert after < before / 2


def test_augmentation_reaches_real_and_fake_in_both_updates_anew_at_each_iteration(tiny):
    def losses(t, iteration):
        t.session.run(t.gan.iteration.initializer, {t.gan.iteration.initializer.inputs[1]: iteration})
        fed = feed(t.gan)
        found = t.session.run([t.gan.d_loss_real, t.gan.d_loss_fake], fed)
        shown = t.session.run(t.gan.samples, {t.gan.sample_z: fed[t.gan.z]})
        _, scalars = t.session.run([t.gan.train_step, t.gan.scalars], fed)
        return [*found, scalars['Generator_Loss']], shown

    slow = {'learning_rate': 1e-9}  # so that no update moves a loss
    with built(tiny(augment='color,translation,cutout', **slow)) as t:
        (first, shown), (again, _), (later, _) = (losses(t, iteration) for iteration in (5, 5, 6))
    with built(tiny(**slow)) as t:
        assert not [op.name for op in t.session.graph.get_operations() if 'augment' in op.name]
        plain, plain_shown = losses(t, 5)
    assert again == pytest.approx(first, rel=1e-5)
    for other in (later, plain):
        assert all(abs(a - b) > 1e-4 * abs(b) for a, b in zip(first, other, strict=True))
    np.testing.assert_array_equal(shown, plain_shown)  # what is shown is never augmented
