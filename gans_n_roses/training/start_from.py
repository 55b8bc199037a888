"""START_FROM: a run that begins with the weights of another model."""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput
from gans_n_roses.networks.graph import AVERAGED_BEFORE
from gans_n_roses.networks.growth import grow, grows
from gans_n_roses.networks.models import BASE_SIZE
from gans_n_roses.networks.transfer import fitting, for_kinds, generator_layers, weight_shapes
from gans_n_roses.runs.checkpoints import read_newest, restore
from gans_n_roses.runs.shipped import SHIPPED
from gans_n_roses.runs.weights import ITERATIONS, fingerprint, smoothed_layers, weights_in


class FirstWeights(NamedTuple):
    """The weights that a run begins with."""

    source: str  # path of the checkpoint, or of the shipped model's file
    fingerprint: str  # of the source's weights
    values: dict  # name of a variable of the run → array
    anew: list  # layers, or weights of a layer, that the source has none for
    smoothed: int  # number of layers that filter the source's pictures (SMOOTH)
    grown: int  # height and width of its pictures, where the run's networks are grown from it; 0 elsewhere


def first_weights(plan, pictures, kinds=()):
    """Read the model that START_FROM means, as far as it fits the networks of the settings.

    Args:
      plan: Plan.
      pictures: uint8 [n, image_size, image_size, channels], the pictures of the run.
      kinds: names of their kinds, with LABELS.
    Returns:
      FirstWeights; None where START_FROM is '', or the run is resumed.
    Raises:
      BadInput: the model is torn, or it is no model of this package or the article.
    """
    settings, known = plan.settings, ()
    if plan.shipped and settings.start_from == SHIPPED:
        source, values, mark = plan.shipped.path, plan.shipped.values, plan.shipped.fingerprint
    elif plan.start:
        checkpoint = read_newest(plan.start.saved_models, plan.start.checkpoint or settings.checkpoint, 'START_FROM')
        source, values, known = checkpoint.path, checkpoint.values, checkpoint.kinds.names
        mark = fingerprint(weights_in(values))
    else:
        return None
    values = for_kinds(values, known, kinds)
    grown = grows(values, settings)
    networks = grow(values, settings, pictures) if grown else values
    shapes = weight_shapes(settings.image_size, settings.z_dim, settings.width, settings.channels, len(kinds))
    taken = fitting(networks, shapes)
    if not all(any(name.startswith(network) for name in taken) for network in ('g_', 'd_')):
        raise BadInput(f'START_FROM means {source}, which holds no two networks that these could begin from: it is no '
                       'model of this package or the article. Name another, or leave START_FROM out.')
    if not any(name.startswith('g_') for name in shapes.keys() - taken.keys()):
        taken[AVERAGED_BEFORE] = np.int64(values.get(ITERATIONS, 0) + values.get(AVERAGED_BEFORE, 0))
    return FirstWeights(str(source), mark, taken, _anew(shapes, taken), smoothed_layers(values),
                        BASE_SIZE * 2**generator_layers(values) if grown else 0)


def begin_from(session, weights):
    """Give the variables of the session's graph, which are initialized, the values that a run begins with."""
    variables = {variable.op.name: variable for variable in tf.global_variables() if variable.op.name in weights.values}
    restore(session, variables, weights.values, weights.source)


def _anew(shapes, taken):
    """The parts that begin anew, in the order of the networks: a whole layer by its name, else its single weights."""
    layers = {}
    for name in shapes:
        layers.setdefault(name.partition('/')[0], []).append(name)
    anew = []
    for layer, names in layers.items():
        missing = [name for name in names if name not in taken]
        anew += [layer] if missing == names else missing
    return anew
