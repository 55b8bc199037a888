"""The shape of a saved model, and those of its weights that fit networks of another shape."""

import re
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput
from gans_n_roses.networks.models import BASE_SIZE, WIDTH, discriminator, generator
from gans_n_roses.runs.weights import AVERAGE, KIND, kinds_known, smoothed_layers, weights_in
from gans_n_roses.settings import IMAGE_SIZES


class ModelShape(NamedTuple):
    """What must be known of a saved model to build its generator."""

    z_dim: int  # length of z
    image_size: int  # height and width of its pictures
    width: int  # channels of the layer next to the picture
    channels: int  # of its pictures
    smoothed: int  # number of layers, counted from the picture, whose output is filtered (SMOOTH)
    kinds: int  # number of kinds of pictures that it knows (LABELS)


def model_shape(values, source):
    """Read the shape of a saved model off its weights.

    Args:
      values: dict of name → array, as a checkpoint has it.
      source: path that they were read from, for the sentence to the user.
    Returns:
      ModelShape.
    Raises:
      BadInput: there is no generator among them, or none of a size that there is.
    """
    matrix = values.get('g_h0_lin/Matrix')
    if matrix is None or matrix.ndim != 2:
        raise BadInput(f'{source} holds no matrix g_h0_lin/Matrix: it is no model of this package or the article.')
    layers = generator_layers(values)
    image_size = BASE_SIZE * 2**layers
    if image_size not in IMAGE_SIZES:
        raise BadInput(f'{source} holds a generator of {image_size} pixels, but there are those of '
                       f'{", ".join(map(str, IMAGE_SIZES))}: it is no model of this package or the article.')
    width, channels = values[f'g_h{layers}/w'].shape[:1:-1]
    kinds = kinds_known(values)
    return ModelShape(len(matrix) - kinds, image_size, width, channels, smoothed_layers(values), kinds)


def weight_shapes(image_size, z_dim, width=WIDTH, channels=3, kinds=0):
    """The shapes of all weights of both networks: dict of name → tuple."""
    with tf.Graph().as_default():
        tf.set_random_seed(0)  # of weights that are never made; under TF_DETERMINISTIC_OPS there must be one
        generator(tf.zeros([1, z_dim + kinds]), image_size, width=width, channels=channels)
        discriminator(tf.zeros([1, image_size, image_size, channels]), width=width,
                      kind=tf.zeros([1, kinds]) if kinds else None)
        return {variable.op.name: tuple(variable.shape.as_list()) for variable in tf.trainable_variables()}


def fitting(values, shapes):
    """Take over from a saved model the weights that fit: of the same layer, counted from the picture, and shape.

    At another image size both networks have more or fewer layers at the end that is far from the picture. The
    discriminator's names count from the picture; the generator's count from z, so that "g_h1" at 64 pixels does what
    "g_h2" does at 128. The generator's dense layer is taken over at the same size only, since it works for the layer
    that follows it.

    Args:
      values: dict of name → array, as a checkpoint has it.
      shapes: as `weight_shapes` gives them.
    Returns:
      dict of name → float32 array: the weights, and the moving average of each of the generator's; where the model
      has none, the average is the weight itself.
    """
    shift = generator_layers(shapes) - generator_layers(values)
    taken = {}
    for name, value in weights_in(values).items():
        here = _renamed(name, shift)
        if name.endswith(AVERAGE) or shapes.get(here) != value.shape or value.dtype != np.float32:
            continue
        taken[here] = value
        if here.startswith('g_'):
            taken[here + AVERAGE] = values.get(name + AVERAGE, value)
    return taken


def for_kinds(values, known, wanted):
    """A saved model's values for networks that know other kinds (LABELS): each kind begins as the model has it.

    A kind that the model does not know begins as the mean of those that it knows; where it knows none, as the model.

    Args:
      values: dict of name → array, as a checkpoint has it.
      known: names of the kinds that the model knows, a sequence.
      wanted: names of the kinds that the networks are to know.
    Returns:
      dict of name → array.
    """
    layers = generator_layers(values)
    if known == wanted or f'd_h{layers - 1}_lin/Matrix' not in values:
        return values

    def moved(rows):  # [known, n] → [wanted, n]
        rows_of = dict(zip(known, rows, strict=True))
        other = rows.mean(0) if known else np.zeros_like(rows, shape=rows.shape[1:])
        return np.array([rows_of.get(name, other) for name in wanted], rows.dtype).reshape(-1, rows.shape[1])
    features = len(values[f'd_h{layers - 1}_lin/Matrix'])
    moved_values = {KIND: moved(values.get(KIND, np.zeros([features, 0], np.float32)).T).T}
    for name in ('g_h0_lin/Matrix', f'g_h0_lin/Matrix{AVERAGE}'):
        if name in values:
            z, kinds = np.split(values[name], [len(values[name]) - len(known)])
            moved_values[name] = np.concatenate([z, moved(kinds)])
    if not wanted:
        del moved_values[KIND]
    return {**{name: value for name, value in values.items() if name != KIND}, **moved_values}


def generator_layers(names):
    """The number of transposed convolutions among the names of a model's weights."""
    return sum(re.fullmatch(r'g_h\d+/w', name) is not None for name in names)


def _renamed(name, shift):
    """A weight's name in networks of `shift` more layers; None for those that work for the layers at 4×4."""
    if shift and name.startswith(('g_h0_lin/', KIND)):
        return None
    return re.sub(r'^(g_(?:h|bn))(\d+)(?=/)', lambda found: f'{found[1]}{int(found[2]) + shift}', name)
