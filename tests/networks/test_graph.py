"""Losses, Adam's update, one iteration against the article's two runs, averaged weights, and that training learns."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.machine.session import open_session
from gans_n_roses.networks.graph import build_graph, split_variables
from gans_n_roses.networks.losses import cross_entropy
from gans_n_roses.networks.models import discriminator, generator

BATCH, SIZE, Z_DIM = 4, 16, 8
# Batch norm subtracts what these add: their gradient is zero but for rounding, which Adam blows up to a whole step.
WITHOUT_EFFECT = {'g_h0_lin/bias', 'g_h1/b', 'd_h1_conv/b'}


@pytest.fixture
def tiny(make_settings):
    """Function: settings of a tiny network, with some fields changed."""
    return lambda **changes: make_settings(
        **{'image_size': SIZE, 'batch_size': BATCH, 'z_dim': Z_DIM, 'seed': 1, **changes})


@contextlib.contextmanager
def built(settings):
    """The graph of the settings in a session, with its variables and the logits of both batches."""
    with tf.Graph().as_default(), open_session() as session:
        gan = build_graph(settings)
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        logits = discriminator(gan.images, reuse=True), discriminator(gan.fakes, reuse=True)
        session.run(tf.global_variables_initializer())
        yield SimpleNamespace(gan=gan, session=session, variables=variables, logits=logits)


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
    rate, beta_1, beta_2, epsilon = 0.001, 0.3, 0.999, 1e-8
    with built(tiny(learning_rate=rate, beta_1=beta_1)) as t:
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
                np.testing.assert_allclose(after[row], expected, rtol=1e-5, atol=2e-6 * step)


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


def test_an_iteration_equals_the_articles_two_runs(tiny):
    settings = tiny(learning_rate=0.002)
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
    with built(tiny(ema_decay=0.9)) as t:
        gan = t.gan
        t.session.run(gan.train_step, feed(gan))
        before = t.session.run(t.variables)
        fed = {**feed(gan, 1), gan.sample_z: np.zeros([2, Z_DIM])}
        for tensor in (gan.d_loss_real, gan.d_loss_fake, gan.d_loss, gan.g_loss, gan.fakes, gan.samples):
            t.session.run(tensor, fed)
        after = t.session.run(t.variables)
        for name in before:
            np.testing.assert_array_equal(after[name], before[name], err_msg=name)


def test_iteration_counts_training_steps(tiny):
    with built(tiny()) as t:
        counts = [t.session.run(t.gan.iteration)]
        for number in range(3):
            t.session.run(t.gan.train_step, feed(t.gan, number))
            counts.append(t.session.run(t.gan.iteration))
        assert counts == [0, 1, 2, 3]


def test_scalars_are_those_of_the_very_iteration(tiny):
    with built(tiny(learning_rate=0.02)) as t:
        moved = []
        for number in range(4):
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
    with built(tiny(ema_decay=decay, learning_rate=0.01)) as t:
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
    with built(tiny(ema_decay=0.9, smooth=True, learning_rate=0.01)) as t:
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


def test_a_long_average_is_held_short_at_first(tiny):
    with built(tiny(ema_decay=0.9)) as t:
        name = 'g_h0_lin/Matrix'
        expected = np.float64(t.session.run(t.variables[name]))
        for iteration, kept in ((1, 2 / 11), (2, 3 / 12), (3, 4 / 13)):
            t.session.run(t.gan.train_step, feed(t.gan, iteration))
            expected = kept * expected + (1 - kept) * t.session.run(t.variables[name])
        average = t.session.run(t.variables[f'{name}/ExponentialMovingAverage'])
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-7)


def test_without_averaging_the_samples_are_the_generators_and_nothing_more_is_kept(tiny):
    with built(tiny()) as t:
        assert not [name for name in t.variables if 'Average' in name]
        t.session.run(t.gan.train_step, feed(t.gan))
        z = np.random.RandomState(9).uniform(-1, 1, [BATCH, Z_DIM])
        samples = t.session.run(t.gan.samples, {t.gan.sample_z: z})
        np.testing.assert_allclose(samples, t.session.run(t.gan.fakes, {t.gan.z: z}), atol=1e-6)
        assert t.session.run(t.gan.samples, {t.gan.sample_z: np.zeros([7, Z_DIM])}).shape == (7, SIZE, SIZE, 3)


def test_averaging_leaves_the_training_as_it_is(tiny):
    trained = []
    for ema_decay in (0, 0.9):
        with built(tiny(ema_decay=ema_decay)) as t:
            for number in range(2):
                t.session.run(t.gan.train_step, feed(t.gan, number))
            trained.append({variable.op.name: t.session.run(variable) for variable in tf.trainable_variables()})
    plain, averaged = trained
    assert plain.keys() == averaged.keys()
    for name in plain.keys() - WITHOUT_EFFECT:
        np.testing.assert_allclose(averaged[name], plain[name], rtol=1e-5, atol=2e-6, err_msg=name)


def test_split_variables_goes_by_prefix_and_refuses_a_stray():
    with tf.Graph().as_default():
        ours = [tf.get_variable(name, []) for name in ('d_a', 'g_d_b', 'd_g_c')]
        assert split_variables(ours) == ([ours[0], ours[2]], [ours[1]])
        for stray in ('other', 'bad_d_a', 'D_a'):
            with pytest.raises(AssertionError, match=stray):
                split_variables([*ours, tf.get_variable(stray, [])])


def initial_weights(settings):
    with built(settings) as t:
        return {name: t.session.run(variable) for name, variable in t.variables.items()}


def test_a_seed_makes_the_initial_weights_repeatable(tiny):
    first, again, other = (initial_weights(tiny(seed=seed)) for seed in (5, 5, 4294967295))
    for name in first:
        np.testing.assert_array_equal(again[name], first[name], err_msg=name)
    for name in ('g_h0_lin/Matrix', 'g_h1/w', 'd_h0_conv/w', 'd_h1_lin/Matrix'):
        assert (other[name] != first[name]).any()


def test_without_a_seed_two_builds_differ(tiny):
    first, other = initial_weights(tiny(seed=None)), initial_weights(tiny(seed=None))
    assert (other['g_h0_lin/Matrix'] != first['g_h0_lin/Matrix']).any()


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
    before, after = learn(tiny(learning_rate=0.001, seed=3), 60)
    assert after < before / 2


def test_augmentation_reaches_real_and_fake_in_both_updates_by_seed_and_iteration_alone(tiny):
    def losses(settings, iteration):
        with built(settings) as t:
            t.session.run(t.gan.iteration.initializer, {t.gan.iteration.initializer.inputs[1]: iteration})
            fed = feed(t.gan)
            found = t.session.run([t.gan.d_loss_real, t.gan.d_loss_fake], fed)
            assert t.session.run([t.gan.d_loss_real, t.gan.d_loss_fake], fed) == found
            shown = t.session.run(t.gan.samples, {t.gan.sample_z: fed[t.gan.z]})
            _, scalars = t.session.run([t.gan.train_step, t.gan.scalars], fed)
            return *found, scalars['Generator_Loss'], shown

    with_all = tiny(augment='color,translation,cutout', learning_rate=1e-9)  # so that no update moves a loss
    first, again, later, plain, other_seed = (losses(*each) for each in (
        (with_all, 5), (with_all, 5), (with_all, 6), (tiny(learning_rate=1e-9), 5),
        (tiny(augment='color,translation,cutout', learning_rate=1e-9, seed=2), 5)))
    assert first[:2] == again[:2] and first[2] == pytest.approx(again[2], rel=1e-6)
    for other in (later, plain, other_seed):
        assert all(abs(a - b) > 1e-6 for a, b in zip(first[:3], other[:3], strict=True))
    np.testing.assert_array_equal(first[3], plain[3])  # what is shown is never augmented


def test_without_augmentation_the_graph_has_no_op_of_it(tiny):
    for kinds, expected in (('', False), ('cutout', True)):
        with built(tiny(augment=kinds)) as t:
            assert any('augment' in op.name for op in t.session.graph.get_operations()) == expected
