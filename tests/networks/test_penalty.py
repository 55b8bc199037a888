"""The gradient penalty: its value and gradient against NumPy, how often it is added, and that it flattens D."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.machine.session import open_session
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.networks.models import discriminator
from gans_n_roses.networks.penalty import EVERY, add_penalty, squared_slope

BATCH, SIZE, HIDDEN = 3, 4, 5
RNG = np.random.RandomState(0)
IMAGES = RNG.uniform(-1, 1, [BATCH, SIZE, SIZE, 3])
WEIGHTS = RNG.normal(0, 0.1, [SIZE * SIZE * 3, HIDDEN]), RNG.normal(0, 1, [HIDDEN, 1])


def mean_squared_gradient(first, second):
    """Of D(x) = tanh(x · first) · second, batch mean over IMAGES, by hand."""
    hidden = np.tanh(IMAGES.reshape(BATCH, -1) @ first)
    gradient = ((1 - hidden**2) * second[:, 0]) @ first.T
    return (gradient**2).sum(1).mean()


@pytest.fixture
def smooth():
    """(images, function that discriminates, variables) of that D, and its session."""
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.constant(IMAGES, tf.float32)
        variables = [tf.get_variable(f'w{k}', initializer=np.float32(values)) for k, values in enumerate(WEIGHTS)]
        session.run(tf.global_variables_initializer())
        yield images, lambda x: tf.tanh(tf.reshape(x, [BATCH, -1]) @ variables[0]) @ variables[1], variables, session


def test_squared_slope_is_the_mean_squared_gradient(smooth):
    images, discriminate, _, session = smooth
    assert session.run(squared_slope(images, discriminate)) == pytest.approx(mean_squared_gradient(*WEIGHTS), rel=1e-3)


def test_its_gradient_is_that_of_the_mean_squared_gradient(smooth):
    images, discriminate, variables, session = smooth
    found = session.run(tf.gradients(squared_slope(images, discriminate), variables))
    for which in range(2):
        towards = [RNG.normal(size=values.shape) * (k == which) for k, values in enumerate(WEIGHTS)]
        above, below = (mean_squared_gradient(*(values + sign * 1e-5 * each for values, each in
                                                zip(WEIGHTS, towards, strict=True))) for sign in (1, -1))
        expected = (above - below) / 2e-5
        assert (found[which] * towards[which]).sum() == pytest.approx(expected, rel=0.01)


def test_where_the_discriminator_is_flat_the_penalty_is_zero():
    with tf.Graph().as_default(), tf.Session() as session:
        scale = tf.get_variable('scale', initializer=0.0)
        images = tf.constant(IMAGES, tf.float32)
        slope = squared_slope(images, lambda x: scale * tf.reduce_sum(x, [1, 2, 3])[:, tf.newaxis])
        session.run(tf.global_variables_initializer())
        assert session.run([slope, *tf.gradients(slope, scale)]) == [0, 0]


@pytest.mark.parametrize('gamma', [0.5, 10])
def test_penalty_is_added_at_every_16th_iteration_and_so_many_times_as_strong(smooth, gamma):
    images, discriminate, variables, session = smooth
    unused = tf.get_variable('unused', initializer=1.0)
    session.run(unused.initializer)
    plain = [tf.ones_like(variable) for variable in (*variables, unused)]
    iteration = tf.placeholder(tf.int64, [])
    added = add_penalty(plain, images, discriminate, [*variables, unused], gamma, iteration)
    expected = session.run(tf.gradients(EVERY * gamma / 2 * squared_slope(images, discriminate), variables))
    for number in (0, 1, 15, 16, 17, 160):
        found = session.run(added, {iteration: number})
        for each, penalty in zip(found, [*expected, 0], strict=True):
            np.testing.assert_allclose(each, 1 + (penalty if number % 16 == 0 else 0), rtol=1e-5, atol=1e-6)


def test_penalty_keeps_the_discriminator_flatter_and_adds_no_variable(make_settings):
    rng = np.random.RandomState(1)
    pictures, z = rng.uniform(-1, 1, [4, 16, 16, 3]), rng.uniform(-1, 1, [40, 4, 8])
    steepness, names = {}, {}
    for gamma in (0, 10):
        settings = make_settings(image_size=16, batch_size=4, z_dim=8, seed=1, r1_gamma=gamma, augment='translation')
        with tf.Graph().as_default(), open_session() as session:
            gan = build_graph(settings)
            gradient, = tf.gradients(discriminator(gan.images, reuse=True), gan.images)
            names[gamma] = [variable.op.name for variable in tf.global_variables()]
            session.run(tf.global_variables_initializer())
            for noise in z:
                session.run(gan.train_step, {gan.images: pictures, gan.z: noise})
            steepness[gamma] = np.square(session.run(gradient, {gan.images: pictures})).sum()
    assert names[10] == names[0]
    assert steepness[10] < 0.8 * steepness[0]
