"""The weights of both networks in a checkpoint: their names, and a fingerprint that tells one model from another."""

import hashlib
import re

import numpy as np

AVERAGE = '/ExponentialMovingAverage'  # ends the name of a weight's moving average
ITERATIONS = 'global_step'  # number of iterations that made them
SMOOTHED = re.compile(r'g_smooth\d*/taps')  # one for each layer whose output is filtered
PROJECTION = 'd_label/Matrix'  # [features, kinds], in the discriminator of a model that knows kinds (LABELS)
WEIGHT = re.compile(rf'[gd]_(h\d+(_conv|_lin)?|bn\d+)/(w|b|Matrix|bias|gamma|beta)({AVERAGE})?|{SMOOTHED.pattern}|'
                    + PROJECTION)


def smoothed_layers(names):
    """The number of layers whose output is filtered (SMOOTH), from the names of a model's values."""
    return sum(SMOOTHED.fullmatch(name) is not None for name in names)


def kinds_known(values):
    """The number of kinds that a model knows (LABELS), from its values; 0 for most models."""
    return values[PROJECTION].shape[1] if PROJECTION in values else 0


def weights_in(values):
    """The values that make a model: both networks' weights, their averages, the filter of SMOOTH; no moments of Adam.

    Args, returns: dict of name → array.
    """
    return {name: value for name, value in values.items() if WEIGHT.fullmatch(name)}


def fingerprint(weights):
    """SHA-256 of the weights' names, types, shapes and values, as 64 characters: other weights have another one."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = np.ascontiguousarray(weights[name])
        digest.update(f'{name} {value.dtype} {value.shape}\n'.encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
