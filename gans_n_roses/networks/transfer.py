"""The shape of a saved model, and those of its weights that fit networks of another shape."""

import re
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput
from gans_n_roses.networks.models import BASE_SIZE, WIDTH, discriminator, generator
from gans_n_roses.runs.weights import AVERAGE, PROJECTION, kinds_known, smoothed_layers, weights_in
from gans_n_roses.settings import IMAGE_SIZES


class ModelShape(NamedTuple):
    """What must be known of a saved model to build its generator."""

    z_dim: int  # length of z
    image_size: int  # height and width of its pictures
    width: int  # channels of the layer next to the picture
    channels: int  # of its pictures
    smoothed: int  # number of layers, counted from the picture, whose output is filtered (SMOOTH)


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
    return ModelShape(len(matrix) - kinds_known(values), image_size, width, channels, smoothed_layers(values))


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
    """A saved model's values for networks that know other kinds (LABELS): what it knows of a kind goes over by name.

    What all its kinds have in common, their mean, joins the biases, so that a kind which it does not know begins as
    this mean, and so do networks without kinds. Where it knows none, every kind begins as the model.

    Args:
      values: dict of name → array, as a checkpoint has it.
      known: names of the kinds that the model knows.
      wanted: names of the kinds that the networks are to know.
    Returns:
      dict of name → array.
    """
    if known == wanted:
        return values

    def apart(rows):  # [known, n] → (mean [n], what sets each kind apart from it [wanted, n])
        mean = rows.mean(0) if known else np.zeros(rows.shape[1:], rows.dtype)
        own = dict(zip(known, rows - mean, strict=True))
        return mean, np.array([own.get(name, 0 * mean) for name in wanted], rows.dtype).reshape(-1, len(mean))

    moved = {name: value for name, value in values.items() if name != PROJECTION}
    for end in ('', AVERAGE):
        matrix, bias = f'g_h0_lin/Matrix{end}', f'g_h0_lin/bias{end}'
        if {matrix, bias} <= values.keys():
            of_z, rows = np.split(values[matrix], [len(values[matrix]) - len(known)])
            mean, own = apart(rows)
            moved |= {matrix: np.concatenate([of_z, own]), bias: values[bias] + mean}
    dense = f'd_h{generator_layers(values) - 1}_lin/Matrix'                            # [features, 1]
    if dense in values:
        mean, own = apart(values.get(PROJECTION, np.zeros([len(values[dense]), 0], np.float32)).T)
        moved |= {dense: values[dense] + mean[:, np.newaxis], **({PROJECTION: own.T} if wanted else {})}
    return moved


def generator_layers(names):
    """The number of transposed convolutions among the names of a model's weights."""
    return sum(re.fullmatch(r'g_h\d+/w', name) is not None for name in names)


def _renamed(name, shift):
    """A weight's name in networks of `shift` more layers; None for those that work for the layers at 4×4."""
    if shift and name.startswith(('g_h0_lin/', PROJECTION)):
        return None
    return re.sub(r'^(g_(?:h|bn))(\d+)(?=/)', lambda found: f'{found[1]}{int(found[2]) + shift}', name)
