"""Both networks: shapes, ranges, variables, sharing of weights; at 16 pixels against NumPy in float64."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.networks.models import discriminator, discriminator_channels, generator
from gans_n_roses.networks.ops import batch_norm


def layers(prefix, *rows):
    """Variables of layers given as (scope, filter's or matrix's shape): name → shape."""
    shapes = {}
    for scope, shape in rows:
        if 'bn' in scope:
            shapes |= {f'{scope}/gamma': shape, f'{scope}/beta': shape}
        elif 'lin' in scope:
            shapes |= {f'{scope}/Matrix': shape, f'{scope}/bias': shape[1:]}
        else:
            shapes |= {f'{scope}/w': shape, f'{scope}/b': [shape[3 if prefix == 'd' else 2]]}
    return shapes


# z of length 100, as in the article; at 64 pixels these are its variables.
GENERATOR = {
    16: layers('g', ('g_h0_lin', [100, 2048]), ('g_bn1', [128]), ('g_h1', [5, 5, 64, 128]), ('g_bn2', [64]),
               ('g_h2', [5, 5, 3, 64])),
    64: layers('g', ('g_h0_lin', [100, 8192]), ('g_bn1', [512]), ('g_h1', [5, 5, 256, 512]), ('g_bn2', [256]),
               ('g_h2', [5, 5, 128, 256]), ('g_bn3', [128]), ('g_h3', [5, 5, 64, 128]), ('g_bn4', [64]),
               ('g_h4', [5, 5, 3, 64])),
    128: layers('g', ('g_h0_lin', [100, 8192]), ('g_bn1', [512]), ('g_h1', [5, 5, 512, 512]), ('g_bn2', [512]),
                ('g_h2', [5, 5, 256, 512]), ('g_bn3', [256]), ('g_h3', [5, 5, 128, 256]), ('g_bn4', [128]),
                ('g_h4', [5, 5, 64, 128]), ('g_bn5', [64]), ('g_h5', [5, 5, 3, 64])),
}
DISCRIMINATOR = {
    16: layers('d', ('d_h0_conv', [5, 5, 3, 64]), ('d_h1_conv', [5, 5, 64, 128]), ('d_bn1', [128]),
               ('d_h1_lin', [2048, 1])),
    64: layers('d', ('d_h0_conv', [5, 5, 3, 64]), ('d_h1_conv', [5, 5, 64, 128]), ('d_bn1', [128]),
               ('d_h2_conv', [5, 5, 128, 256]), ('d_bn2', [256]), ('d_h3_conv', [5, 5, 256, 512]), ('d_bn3', [512]),
               ('d_h3_lin', [8192, 1])),
    128: layers('d', ('d_h0_conv', [5, 5, 3, 64]), ('d_h1_conv', [5, 5, 64, 128]), ('d_bn1', [128]),
                ('d_h2_conv', [5, 5, 128, 256]), ('d_bn2', [256]), ('d_h3_conv', [5, 5, 256, 512]), ('d_bn3', [512]),
                ('d_h4_conv', [5, 5, 512, 512]), ('d_bn4', [512]), ('d_h4_lin', [8192, 1])),
}


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def variables():
    return {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()}


def randomize(session):
    """Give every variable a value of its own, biases too; returns name → array."""
    rng = np.random.RandomState(0)
    values = {}
    for variable in tf.global_variables():
        shape = variable.shape.as_list()
        spread = 0.05 if len(shape) > 1 else 0.5
        values[variable.op.name] = (rng.normal(0, spread, shape) + ('gamma' in variable.name)).astype(np.float32)
        variable.load(values[variable.op.name], session)
    return values


@pytest.mark.parametrize(('size', 'channels'), [
    (16, [64, 128]), (32, [64, 128, 256]), (64, [64, 128, 256, 512]), (128, [64, 128, 256, 512, 512]),
    (256, [64, 128, 256, 512, 512, 512])])
def test_channels_double_toward_4x4_up_to_512(size, channels):
    assert discriminator_channels(size) == channels


@pytest.mark.parametrize(('size', 'width', 'channels'), [
    (64, 128, [128, 256, 512, 1024]), (128, 32, [32, 64, 128, 256, 512]), (256, 16, [16, 32, 64, 128, 256, 512]),
    (64, 32, [32, 64, 128, 256]), (128, 128, [128, 256, 512, 1024, 1024])])
def test_width_is_that_of_the_layer_next_to_the_picture(graph, size, width, channels):
    assert discriminator_channels(size, width) == channels
    discriminator(generator(tf.placeholder(tf.float32, [2, 100]), size, width=width), width=width)
    shapes = variables()
    assert [shapes[f'd_h{layer}_conv/w'][3] for layer in range(len(channels))] == channels
    assert [shapes[f'g_h{layer + 1}/w'][3] for layer in range(len(channels))] == channels[::-1]


@pytest.mark.parametrize('size', [16, 64, 128])
def test_generator_has_the_articles_variables(graph, size):
    images = generator(tf.placeholder(tf.float32, [2, 100]), size)
    assert images.shape.as_list() == [2, size, size, 3]
    assert variables() == GENERATOR[size]


@pytest.mark.parametrize('size', [16, 64, 128])
def test_discriminator_has_the_articles_variables(graph, size):
    logits = discriminator(tf.placeholder(tf.float32, [2, size, size, 3]))
    assert logits.shape.as_list() == [2, 1]
    assert variables() == DISCRIMINATOR[size]


@pytest.mark.parametrize('size', [16, 64])
def test_generator_makes_pictures_in_range_and_discriminator_one_logit_each_for_any_batch_size(graph, size):
    z = tf.placeholder(tf.float32, [None, 4])
    images = generator(z, size)
    logits = discriminator(images)
    assert logits.shape.as_list()[1:] == [1]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for batch in (1, 3):
            noise = np.random.RandomState(batch).uniform(-1, 1, [batch, 4])
            pictures, values = session.run([images, logits], {z: noise})
            assert pictures.shape == (batch, size, size, 3)
            assert values.shape == (batch, 1)
            assert np.isfinite(values).all()
            assert np.abs(pictures).max() <= 1
            assert pictures.min() < -0.01 < 0.01 < pictures.max()


def test_generator_saturates_at_minus_one_and_one_and_logits_are_unbounded(graph):
    z = tf.placeholder(tf.float32, [2, 4])
    images = generator(z, 16)
    logits = discriminator(images)
    with tf.Session() as session:
        randomize(session)
        with tf.variable_scope('', reuse=True):
            tf.get_variable('g_h2/b').load(np.float32([50, -50, 0]), session)
            tf.get_variable('d_h1_lin/bias').load(np.float32([1000]), session)
        pictures, values = session.run([images, logits], {z: np.ones([2, 4])})
    assert (pictures[..., 0] == 1).all()
    assert (pictures[..., 1] == -1).all()
    assert (values > 500).all()


@pytest.mark.parametrize('smoothed', [0, 1, 2])
def test_generator_at_16_pixels_equals_numpy(graph, oracle, smoothed):
    z = tf.placeholder(tf.float32, [3, 6])
    images = generator(z, 16, smoothed=smoothed)
    assert [name for name in variables() if 'smooth' in name] == ['g_smooth1/taps', 'g_smooth/taps'][2 - smoothed:]
    noise = np.random.RandomState(1).uniform(-1, 1, [3, 6]).astype(np.float32)
    with tf.Session() as session:
        values = randomize(session)
        pictures = session.run(images, {z: noise})
    assert pictures.std() > 0.1
    np.testing.assert_allclose(pictures, oracle.generator_16(noise, values), atol=2e-5)


def test_discriminator_at_16_pixels_equals_numpy(graph, oracle):
    image = tf.placeholder(tf.float32, [3, 16, 16, 3])
    logits = discriminator(image)
    pictures = np.random.RandomState(1).uniform(-1, 1, [3, 16, 16, 3]).astype(np.float32)
    with tf.Session() as session:
        values = randomize(session)
        found = session.run(logits, {image: pictures})
    assert found.std() > 0.1
    np.testing.assert_allclose(found, oracle.discriminator_16(pictures, values), rtol=1e-4, atol=1e-4)


def test_normalize_takes_the_place_of_every_batch_norm_of_the_generator(graph):
    asked = []

    def normalize(x, name):
        asked.append((name, x.shape.as_list()[1:]))
        return batch_norm(x, name)
    generator(tf.placeholder(tf.float32, [None, 100]), 64, normalize)
    assert asked == [('g_bn1', [4, 4, 512]), ('g_bn2', [8, 8, 256]), ('g_bn3', [16, 16, 128]), ('g_bn4', [32, 32, 64])]
    assert variables() == GENERATOR[64]


def test_reuse_shares_the_weights_of_the_first_call(graph):
    z, image = tf.placeholder(tf.float32, [2, 4]), tf.placeholder(tf.float32, [2, 16, 16, 3])
    first = generator(z, 16), discriminator(image)
    before = variables()
    again = generator(z, 16, reuse=True), discriminator(image, reuse=True)
    assert variables() == before
    rng = np.random.RandomState(0)
    with tf.Session() as session:
        randomize(session)
        feed = {z: rng.uniform(-1, 1, [2, 4]), image: rng.uniform(-1, 1, [2, 16, 16, 3])}
        for one, other in session.run(list(zip(first, again, strict=True)), feed):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_reuse_ends_with_the_call(graph):
    z, image = tf.placeholder(tf.float32, [2, 4]), tf.placeholder(tf.float32, [2, 16, 16, 3])
    generator(z, 16)
    discriminator(image)
    generator(z, 16, reuse=True)
    discriminator(image, reuse=True)
    assert not tf.get_variable_scope().reuse
    tf.get_variable('another', [])  # raises ValueError where reuse has leaked


@pytest.mark.parametrize('reuse', [False, True])
def test_weights_are_neither_made_twice_nor_taken_where_there_are_none(graph, reuse):
    def build(reuse):
        generator(tf.placeholder(tf.float32, [2, 4]), 16, reuse=reuse)
    if not reuse:
        build(False)
    with pytest.raises(ValueError, match='g_h0_lin/Matrix'):
        build(reuse)
