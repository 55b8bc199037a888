"""Growth: the larger model makes the smaller one's pictures, enlarged, and says of pictures what that one says."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.networks.growth import grow, grows
from gans_n_roses.networks.models import discriminator, generator
from gans_n_roses.networks.noise import draw_z, with_kind
from gans_n_roses.networks.transfer import generator_layers, weight_shapes
from gans_n_roses.runs.weights import AVERAGE

Z = draw_z(np.random.RandomState(3), 64, 6)
TAPS = np.float32([-0.0625, 0.25, 0.625, 0.25, -0.0625])


@pytest.fixture
def pictures():
    """64 pictures of 64 pixels: blurred noise, uint8 [64, 64, 64, 3]."""
    noise = np.random.RandomState(0).uniform(0, 256, [64, 16, 16, 3])
    return noise.repeat(4, 1).repeat(4, 2).astype(np.uint8)


def model(size=16, width=64, averaged=False, smoothed=False, seed=0, kinds=0):
    """A model whose pictures have details and do not saturate."""
    rng = np.random.RandomState(seed)
    values = {}
    for name, shape in weight_shapes(size, Z.shape[1], width, kinds=kinds).items():
        spread = 0.03 if len(shape) > 1 else 0.2
        values[name] = (rng.normal(0, spread, shape) + ('gamma' in name)).astype(np.float32)
        if averaged and name.startswith('g_'):
            values[name + AVERAGE] = (rng.normal(0, spread, shape) + ('gamma' in name)).astype(np.float32)
    return {**values, 'global_step': np.int64(7), **({'g_smooth/taps': TAPS} if smoothed else {})}


def evaluate(values, pictures, width, smoothed=0, average='', kinds=0):
    """(pictures that a model makes of Z, logits that it gives to float32 pictures)."""
    with tf.Graph().as_default(), tf.Session() as session:
        of = np.arange(len(Z)) % max(kinds, 1)
        fakes = generator(tf.constant(with_kind(Z, of, kinds)), pictures.shape[1], smoothed=smoothed, width=width)
        logits = discriminator(tf.constant(pictures), width=width, kind=tf.one_hot(of, kinds) if kinds else None)
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            name = variable.op.name
            variable.load(values[name + average if name.startswith('g_') else name], session)
        return session.run([fakes, logits])


def enlarged(pictures, smooth, doublings):
    """Pictures in (-1, 1), twice as large: on straight lines from pixel to pixel before tanh, then filtered."""
    values = np.arctanh(np.float64(pictures))
    for _ in range(doublings):
        for axis in (1, 2):
            before, after = np.roll(values, 1, axis), np.roll(values, -1, axis)
            pairs = [0.75 * values + 0.25 * before, 0.75 * values + 0.25 * after]
            values = np.concatenate(np.split(np.stack(pairs, axis + 1), values.shape[axis], axis), axis + 1)
            values = values.reshape([2 * n if k == axis else n for k, n in enumerate(pairs[0].shape)])
        values = smooth(values)
    return np.tanh(values)


@pytest.mark.parametrize(('size', 'width', 'smoothed', 'kinds'), [
    (32, 32, 0, 0), (32, 32, 1, 0), (64, 16, 0, 0), (64, 16, 1, 0), (64, 16, 1, 2)])
def test_a_grown_model_makes_the_same_pictures_and_says_the_same(
        make_settings, oracle, pictures, size, width, smoothed, kinds):
    doublings = size // 32
    values = model(averaged=True, smoothed=bool(smoothed), kinds=kinds)
    shown = pictures[:, ::64 // size, ::64 // size]
    smooth = smoothed and smoothed + doublings
    settings = make_settings(image_size=size, width=width, z_dim=6, smooth=smooth, seed=1)
    assert grows(values, settings)
    grown = grow(values, settings, shown)

    real = shown / np.float32(127.5) - 1
    small = real.reshape(64, 16, size // 16, 16, size // 16, 3).mean((2, 4))
    for average in ('', AVERAGE):
        before, logits_before = evaluate(values, small, 64, smoothed, average, kinds)
        after, logits_after = evaluate(grown, real, width, smooth, average, kinds)
        inside = slice(4, -4)  # at its edge a transposed convolution sees zeros
        expected = enlarged(before, (lambda x: oracle.smooth(x, TAPS)) if smoothed else np.asarray, doublings)
        assert expected.std() > 0.1
        np.testing.assert_allclose(after[:, inside, inside], expected[:, inside, inside], atol=2 / 127.5)
        assert logits_before.std() > 0.1
        assert np.sqrt(np.mean((logits_after - logits_before)**2)) < 0.05 * np.sqrt(np.mean(logits_before**2))


def test_a_grown_model_is_whole_and_all_of_it_can_learn(make_settings, pictures):
    settings = make_settings(image_size=32, width=32, z_dim=6, seed=1)
    values = model()
    grown = grow(values, settings, pictures[:, ::2, ::2])
    shapes = weight_shapes(32, 6, 32)
    assert {name: value.shape for name, value in grown.items() if name in shapes} == shapes
    assert grown['global_step'] == 7
    assert all(value.dtype == np.float32 for name, value in grown.items() if name in shapes)
    for name in ('g_h1/w', 'g_h0_lin/Matrix', 'g_bn2/gamma'):
        np.testing.assert_array_equal(grown[name], values[name])
    np.testing.assert_array_equal(grown['d_h2_lin/Matrix'], values['d_h1_lin/Matrix'])
    with tf.Graph().as_default(), tf.Session() as session:
        logits = discriminator(generator(tf.constant(Z), 32, width=32), width=32)
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            variable.load(grown[variable.op.name], session)
        filters = [variable for variable in tf.trainable_variables() if variable.op.name.endswith('/w')]
        for value, gradient in zip(session.run(filters), session.run(tf.gradients(logits, filters)), strict=True):
            moves = gradient.reshape(-1, *gradient.shape[2:])
            stuck = (np.abs(moves).max(0) == 0) & (np.abs(value).max((0, 1)) == 0)
            assert not stuck.any()  # a channel that is zero on both sides would stay so


@pytest.mark.parametrize(('source', 'wanted', 'fits'), [
    ((16, 64), (32, 32), True), ((16, 64), (64, 16), True), ((32, 64), (64, 32), True),
    ((16, 64), (32, 64), False),  # its layers are wider
    ((16, 64), (16, 64), False), ((32, 32), (16, 64), False),  # no larger pictures
    ((16, 32), (64, 16), False)])
def test_a_model_grows_into_larger_networks_that_have_all_its_layers(make_settings, source, wanted, fits):
    values = model(*source)
    assert grows(values, make_settings(image_size=wanted[0], width=wanted[1], z_dim=6)) == fits
    assert not grows(values, make_settings(image_size=wanted[0], width=wanted[1], z_dim=7))
    assert not grows({}, make_settings(image_size=32, width=32))
    assert generator_layers(values) == (source[0] // 4).bit_length() - 1


@pytest.mark.parametrize('name', ['g_h0_lin/Matrix', 'g_h2/b', 'd_bn1/gamma', 'd_h0_conv/w'])
def test_a_model_that_is_not_whole_does_not_grow(make_settings, name):
    values, settings = model(), make_settings(image_size=32, width=32, z_dim=6)
    assert grows(values, settings)
    assert not grows({**values, name: np.float32(0)}, settings)
    assert not grows({each: value for each, value in values.items() if each != name}, settings)
