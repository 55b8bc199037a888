"""START_FROM: a run that begins from the weights of another model."""

import dataclasses
import os
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput
from gans_n_roses.networks.graph import AVERAGED_BEFORE
from gans_n_roses.networks.transfer import fitting, weight_shapes
from gans_n_roses.runs.checkpoints import read_newest, restore
from gans_n_roses.runs.folders import find_run
from gans_n_roses.runs.shipped import SHIPPED, read_shipped, require_shipped
from gans_n_roses.runs.weights import ITERATIONS, SMOOTHED, fingerprint, weights_in


class FirstWeights(NamedTuple):
    """What a run begins from."""

    source: str  # path of the checkpoint, or of the shipped model's file
    fingerprint: str  # of the source's weights
    values: dict  # name of a variable of the run → array
    anew: list  # layers, or weights of a layer, that the source has none for
    smoothed: bool  # whether the source's pictures are filtered (SMOOTH)


def first_weights(settings):
    """Read what START_FROM names, as far as it fits the networks of the settings.

    Args:
      settings: Settings of a run that begins; reads start_from, checkpoint, results_path, dataset_chosen, image_size
        and z_dim.
    Returns:
      (Settings in which START_FROM is '', 'shipped' or a path, which stays the same whatever is trained later;
      FirstWeights, or None where START_FROM is '').
    Raises:
      BadInput: there is no such model, it is torn, or it is no model of this package or the article.
    """
    if not settings.start_from:
        return settings, None
    if settings.start_from == SHIPPED:
        require_shipped('START_FROM')
        model = read_shipped()
        source, values, mark = model.path, model.values, model.fingerprint
    else:
        run = find_run(settings.results_path, settings.dataset_chosen, settings.start_from, 'START_FROM')
        checkpoint = read_newest(run.saved_models, settings.checkpoint, setting='START_FROM')
        source, values, mark = checkpoint.path, checkpoint.values, fingerprint(weights_in(checkpoint.values))
        settings = dataclasses.replace(settings, start_from=os.path.abspath(run.path))
    shapes = weight_shapes(settings.image_size, settings.z_dim)
    taken = fitting(values, shapes)
    if not all(any(name.startswith(network) for name in taken) for network in ('g_', 'd_')):
        raise BadInput(f'START_FROM means {source}, which holds no two networks that these could begin from: it is no '
                       'model of this package or the article. Name another, or leave START_FROM out.')
    if not any(name.startswith('g_') for name in shapes.keys() - taken.keys()):
        taken[AVERAGED_BEFORE] = np.int64(values.get(ITERATIONS, 0) + values.get(AVERAGED_BEFORE, 0))
    return settings, FirstWeights(str(source), mark, taken, _anew(shapes, taken), SMOOTHED in values)


def begin_from(session, weights):
    """Give the variables of the session's graph, which are initialized, the values that a run begins from."""
    variables = {variable.op.name: variable for variable in tf.global_variables() if variable.op.name in weights.values}
    restore(session, variables, weights.values, weights.source)


def _anew(shapes, taken):
    """What begins anew, in the order of the networks: a layer's name, or that of a weight of a layer taken in part."""
    layers = {}
    for name in shapes:
        layers.setdefault(name.partition('/')[0], []).append(name)
    anew = []
    for layer, names in layers.items():
        missing = [name for name in names if name not in taken]
        anew += [layer] if missing == names else missing
    return anew
