"""A saved model as one HTML file: the pieces in page/, joined with the generator's weights."""

import base64
import json
import re
from datetime import date
from pathlib import Path

import numpy as np

from gans_n_roses import __version__
from gans_n_roses.errors import BadInput, reason
from gans_n_roses.machine.files import read_file
from gans_n_roses.networks.noise import kind_weight
from gans_n_roses.networks.ops import BATCH_NORM_EPSILON
from gans_n_roses.networks.transfer import generator_layers
from gans_n_roses.runs.weights import ITERATIONS
from gans_n_roses.settings import OF_NOW, OF_RUN, PATHS, RULES

PIECES = Path(__file__).with_name('page')
LICENCE = 'licence.txt'  # in the run's folder; its first line is the page's licence line
# Settings of a run that do not tell how its model was made, or where only this machine's user keeps things.
UNTOLD = {*PATHS, 'DATASET_CHOSEN', 'N_SAMPLES', 'STOP_WHEN', 'GRID_EVERY', 'CHECKPOINT_EVERY', 'CHECKPOINTS_KEPT'}
DIRECTIONS = 6
AT_ONCE = 4  # output channels that the page's innermost loop computes at once


def web_page(saved, plan):
    """The page: it makes the roses that LOAD makes, with no server and no network.

    Args:
      saved: SavedGenerator.
      plan: Plan of LOAD; reads asked.seed, a list of seeds to pin or the first one that is shown, kinds, of which
        the first is shown first, and run, options and shipped for what the page says of the model. No path of this
        machine gets into the page.
    Returns:
      bytes of an HTML file; some 14 MB at 64 pixels.
    Raises:
      BadInput: a weight is too large for float16, or the run's licence.txt cannot be read.
    """
    variables = {variable.op.name: variable for variable in saved.session.graph.get_collection('variables')}
    arrays = _arrays(saved.session.run(variables), saved.z_dim)
    seed = plan.asked.seed or 0
    pinned = seed if isinstance(seed, list) else []
    model = {'zDim': saved.z_dim, 'imageSize': saved.image_size, 'layers': generator_layers(arrays),
             'arrays': [{'name': name, 'type': array.dtype.name, 'shape': array.shape}
                        for name, array in arrays.items()],
             'firstSeed': [*pinned, seed][0], 'pinned': pinned,
             'kinds': saved.kinds.names, 'firstKind': [*plan.kinds, 0][0],
             'kindWeight': float(kind_weight(saved.z_dim)), **_about(saved, plan)}
    weights = base64.b64encode(b''.join(array.tobytes() for array in arrays.values()))
    pieces = {path.name: path.read_text(encoding='utf-8') for path in PIECES.iterdir()}
    pieces |= {'model.json': json.dumps(model).replace('<', r'\u003c'), 'weights.txt': weights.decode()}
    page = re.sub(r'<link rel="stylesheet" href="(.+?)">', lambda found: f'<style>\n{pieces[found[1]]}</style>',
                  pieces['page.html'])
    page = re.sub(r'(<script.*?) src="(.+?)">', lambda found: f'{found[1]}>\n{pieces[found[2]]}', page)
    return page.encode()


def _arrays(values, z_dim):
    """The arrays that the page's generator reads, those in float32 first: dict of name → little-endian array.

    Args:
      values: dict of name → array: the generator's variables, with frozen moments under "population/".
      z_dim: length of z; further rows of the dense layer's matrix are those of kinds (LABELS).
    """
    small, large = {}, {}
    for name, value in values.items():
        layer, _, part = name.rpartition('/')
        if part == 'w':
            large[name] = _packed(value)
        elif part == 'Matrix':
            large[name] = value
        elif part in ('b', 'bias', 'taps'):
            small[name] = value
        elif part == 'gamma':
            mean, variance = (values[f'population/{layer}_{moment}'] for moment in ('mean', 'variance'))
            scale = value / np.sqrt(variance + BATCH_NORM_EPSILON)
            small |= {f'{layer}/scale': scale, f'{layer}/shift': values[f'{layer}/beta'] - mean * scale}
    # Each direction is one of z, of length 1: along the first the dense layer's result, normalized, changes most.
    matrix = values['g_h0_lin/Matrix'][:z_dim]
    normalized = (matrix.reshape(-1, len(small['g_bn1/scale'])) * small['g_bn1/scale']).reshape(matrix.shape)
    small['directions'] = np.linalg.svd(normalized, full_matrices=False)[0].T[:DIRECTIONS]
    with np.errstate(over='ignore'):  # told below
        halves = {name: value.astype('<f2') for name, value in large.items()}
    for name, value in halves.items():
        if not np.isfinite(value).all():
            raise BadInput(f'{name} holds weights beyond 65504, the largest of float16: this model makes no page.')
    return {name: value.astype('<f4') for name, value in small.items()} | halves


def _packed(filters):
    """Filters [5, 5, out, in] → [5, 5, out / 4, in, 4], with zeros where `out` is no multiple of 4."""
    rows, columns, outputs, inputs = filters.shape
    missing = -outputs % AT_ONCE
    filters = np.pad(filters, [(0, 0), (0, 0), (0, missing), (0, 0)])
    return filters.reshape(rows, columns, -1, AT_ONCE, inputs).swapaxes(3, 4)


def _about(saved, plan):
    """What the page says of the model: title, number of pictures, facts as pairs of name and value, licence."""
    options = plan.options or {}
    settings, pictures = options.get('settings', {}), options.get('data', {}).get('pictures')
    facts = {'Checkpoint': saved.source.name, 'Page made': f"{date.today()}, by GANs N' Roses {__version__}",
             **{name: value for name, value in settings.items()
                if value and name in RULES and RULES[name].of in (OF_RUN, OF_NOW) and name not in UNTOLD}}
    licence = 'MIT' if plan.shipped else ''
    if plan.shipped:
        facts |= {'IMAGE_SIZE': saved.image_size, 'Z_DIM': saved.z_dim,
                  'Iterations': int(plan.shipped.values[ITERATIONS])}
        card = plan.shipped.path.with_suffix('.md')
        counted = card.exists() and re.search(r'Pictures:\W*([\d,]+)', card.read_text(encoding='utf-8'))
        pictures = int(counted[1].replace(',', '')) if counted else None
    file = plan.run.path / LICENCE
    if file.exists():
        try:
            licence = read_file(file).decode(errors='replace').strip().partition('\n')[0]
        except OSError as problem:
            raise BadInput(f'{file} cannot be read ({reason(problem)}): let it be a text file, or take it '
                           'away.') from None
    return {'title': str(settings.get('DATASET_CHOSEN', 'roses')), 'pictures': pictures, 'licence': licence,
            'facts': [[name, str(value)] for name, value in facts.items()]}
