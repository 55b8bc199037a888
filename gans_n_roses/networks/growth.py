"""Growth: a model of pictures twice as large, which makes the same pictures and says the same of them.

All layers but the two next to the picture are the smaller model's. The two are set so that nothing changes at first
(Net2Net: Chen et al. 2016, arXiv:1511.05641). Growing as such is from Karras et al. 2018, arXiv:1710.10196.

A picture passes through a layer in pairs of channels, one with its values and one with their opposites, since
relu(u) - relu(-u) = u and lrelu(u) - lrelu(-u) = 1.2 u (Shang et al. 2016, arXiv:1603.05201). Batch norm is undone by
its own scale and shift, the deviation and mean of what reaches it. The other channels change nothing at first, and are
ready to learn: their weights are random in one layer and zero in the next.
"""

import re

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.machine.session import assign, open_session
from gans_n_roses.networks.models import BASE_SIZE, discriminator, discriminator_channels, generator
from gans_n_roses.networks.noise import draw_z, with_kind
from gans_n_roses.networks.ops import BATCH_NORM_EPSILON, LEAK, WEIGHT_STDDEV, batch_norm
from gans_n_roses.networks.transfer import generator_layers, weight_shapes
from gans_n_roses.runs.weights import AVERAGE, kinds_known, weights_in

ENLARGE = np.float32([0.25, 0.75, 0.75, 0.25, 0])  # of a transposed convolution: a straight line from pixel to pixel
HALVE = np.float32([0, 0.5, 0.5, 0, 0])  # of a convolution: the mean of two pixels
MEASURED = 256  # pictures, real and generated, that tell how to undo a batch norm


def grows(values, settings):
    """Whether a saved model can grow into the networks of the settings, its pictures doubled once or more.

    It can where it is whole, and its channels are those of the larger networks as far from z.

    Args:
      values: dict of name → array, as a checkpoint has it.
      settings: Settings; reads image_size, width, channels and z_dim.
    """
    wanted, layers = discriminator_channels(settings.image_size, settings.width), generator_layers(values)
    if not 0 < layers < len(wanted):
        return False
    size, width = BASE_SIZE * 2**layers, wanted[-layers]
    shapes = weight_shapes(size, settings.z_dim, width, settings.channels, kinds_known(values))
    return discriminator_channels(size, width) == wanted[-layers:] and all(
        name in values and values[name].shape == shape for name, shape in shapes.items())


def grow(values, settings, pictures):
    """The weights of a larger model that makes the same pictures, enlarged, and says the same of pictures, halved.

    Enlarged are a picture's values before tanh, linearly. With SMOOTH the model makes the same where the larger one
    filters as many layers more as it has more.

    Args:
      values: dict of name → array, of a model that `grows`.
      settings: Settings; reads image_size, width, smooth and seed, which draws what is random.
      pictures: uint8 [n, image_size, image_size, channels], to be told from generated ones.
    Returns:
      dict of name → array: the values, with the larger networks' weights and averages in the place of the smaller's.
    """
    saved = weights_in(values)
    weights = {name: value for name, value in saved.items() if not name.endswith(AVERAGE)}
    averages = {name: saved.get(name + AVERAGE, value) for name, value in weights.items() if name.startswith('g_')}
    shown = np.stack([pictures[k] for k in range(min(len(pictures), MEASURED))]) / np.float32(127.5) - 1
    channels, kinds = discriminator_channels(settings.image_size, settings.width), kinds_known(values)
    for later in reversed(range(len(channels) - generator_layers(weights))):  # doublings that follow this one
        width, smoothed = channels[later], max(settings.smooth - later, 0)
        weights = {**_grow_generator(weights, width, smoothed, settings.seed, kinds),
                   **_grow_discriminator(weights, width, _halved(shown, later), settings.seed)}
        averages = _grow_generator(averages, width, smoothed, settings.seed, kinds)
    others = {name: value for name, value in values.items() if name not in saved}
    return {**others, **weights, **{name + AVERAGE: value for name, value in averages.items()}}


def _grow_generator(values, width, smoothed, seed, kinds):
    """A generator's weights, and one transposed convolution more: [5, 5, colors, width], behind the last one."""
    layers = generator_layers(values)
    last, new, norm = f'g_h{layers}', f'g_h{layers + 1}', f'g_bn{layers + 1}'
    filters, bias = values[f'{last}/w'], values[f'{last}/b']  # [5, 5, colors, in], [colors]
    colors = len(bias)
    into = _small(seed, [5, 5, width, filters.shape[3]])
    into[:, :, :2 * colors] = np.concatenate([filters, -filters], 2)
    grown = {name: value for name, value in values.items() if name.startswith('g_')} | {
        f'{last}/w': into, f'{last}/b': np.concatenate([bias, -bias, np.zeros(width - 2 * colors, np.float32)]),
        f'{new}/w': _of_pairs(ENLARGE, colors, width), f'{new}/b': np.zeros_like(bias)}

    def network(z, normalize):
        return generator(z, BASE_SIZE * 2**(layers + 1), normalize, smoothed=smoothed, width=width,
                         channels=colors)
    z = draw_z(np.random.RandomState(0), MEASURED, len(values['g_h0_lin/Matrix']) - kinds)
    z = with_kind(z, np.arange(MEASURED) % max(kinds, 1), kinds)
    return grown | _undo(norm, _moments_at(norm, network, z, grown), 2 * colors)


def _grow_discriminator(values, width, pictures, seed):
    """A discriminator's weights, and one convolution more: [5, 5, colors, width], before the first one."""
    filters = values['d_h0_conv/w']  # [5, 5, colors, out]
    colors, outputs = filters.shape[2:]
    halve = _of_pairs(HALVE, colors, width)
    halve[..., 2 * colors:] = _small(seed, [5, 5, colors, width - 2 * colors])
    onward = np.zeros([5, 5, width, outputs], np.float32)
    onward[:, :, :2 * colors] = np.concatenate([filters, -filters], 2) / (1 + LEAK)
    moved = {re.sub(r'^(d_(?:h|bn))(\d+)', lambda found: f'{found[1]}{int(found[2]) + 1}', name): value
             for name, value in values.items() if name.startswith('d_')}
    grown = moved | {'d_h0_conv/w': halve, 'd_h0_conv/b': np.zeros(width, np.float32), 'd_h1_conv/w': onward}

    def network(images, normalize):
        return discriminator(images, normalize=normalize, width=width)
    return grown | _undo('d_bn1', _moments_at('d_bn1', network, pictures, grown), outputs)


def _of_pairs(taps, colors, width):
    """A filter [5, 5, colors, width] that joins each color to its pair of channels: `taps` along both sides."""
    filters = np.zeros([5, 5, colors, width], np.float32)
    for color in range(colors):
        filters[:, :, color, color] = np.outer(taps, taps)
        filters[:, :, color, colors + color] = -np.outer(taps, taps)
    return filters


def _small(seed, shape):
    return np.float32(WEIGHT_STDDEV * np.random.RandomState(seed).standard_normal(shape).clip(-2, 2))


def _undo(norm, moments, count):
    """The scale and shift that undo a batch norm in the first `count` channels; the other channels' are new."""
    mean, variance = moments
    kept = np.arange(len(mean)) < count
    return {f'{norm}/gamma': np.where(kept, np.sqrt(variance + BATCH_NORM_EPSILON), 1).astype(np.float32),
            f'{norm}/beta': np.where(kept, mean, 0).astype(np.float32)}


def _moments_at(norm, network, x, values):
    """The mean and variance of each channel that reaches a batch norm: float32 [channels] each.

    Args:
      norm: its name.
      network: function f(tensor like x, normalize) that builds the network.
      x: float32 array, the batch that the network is shown.
      values: dict of name → array: the weights of the layers before.
    """
    reached = {}

    def normalize(h, name):
        reached[name] = tf.nn.moments(h, [0, 1, 2])
        return batch_norm(h, name)
    with tf.Graph().as_default(), open_session() as session:
        tf.set_random_seed(0)  # of weights behind the batch norm, which are never made
        batch = tf.placeholder(tf.float32, x.shape)
        network(batch, normalize)
        known = [variable for variable in tf.global_variables() if variable.op.name in values]
        assign(session, known, [values[variable.op.name] for variable in known])
        for variable in tf.get_collection('variables', r'g_smooth\d+/'):
            session.run(variable.initializer)
        return session.run(reached[norm], {batch: x})


def _halved(pictures, times):
    for _ in range(times):
        n, size, _, channels = pictures.shape
        pictures = pictures.reshape(n, size // 2, 2, size // 2, 2, channels).mean((2, 4))
    return pictures
