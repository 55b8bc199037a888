"""The model that ships with the project: the weights of both networks in one file, roses_64.npz, beside its card."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gans_n_roses.errors import BadInput, reason
from gans_n_roses.machine.files import read_file, write_file
from gans_n_roses.runs.weights import AVERAGE, ITERATIONS, fingerprint, weights_in

SHIPPED = 'shipped'  # what RUN and START_FROM call it
FILE = Path(__file__).parents[1] / SHIPPED / 'roses_64.npz'
MOST_BYTES = 20 * 10**6  # git keeps every version of it for ever
MOST_UNPACKED = 2 * MOST_BYTES  # weights in float16 shrink by a tenth
FACTS = ('image_size', 'z_dim', ITERATIONS)  # entries of the file beside its weights, int64
MARK = 'fingerprint'  # entry: of all others


class ShippedModel(NamedTuple):
    """The file's content, checked."""

    path: Path
    values: dict  # name of a variable → float32 array; "global_step" is the number of iterations that made them
    image_size: int
    z_dim: int
    fingerprint: str  # of the facts, and the weights as they are in the file, in float16


def shipped_exists():
    """Whether this copy of the project has a shipped model."""
    return FILE.exists()


def read_shipped(path=None, setting='RUN'):
    """Read and check a file that `write_shipped` wrote.

    Args:
      path: Path; None is the model that ships.
      setting: name of the setting that asks for it, RUN or START_FROM, for the sentence to the user.
    Returns:
      ShippedModel.
    Raises:
      BadInput: there is none in this copy of the project, it cannot be read, or it is not whole.
    """
    path = path or FILE
    if not path.exists():
        raise BadInput(f"{setting} is '{SHIPPED}', but this copy of the project has no shipped model: there is no "
                       f'{path}. Name a run of your own, or leave {setting} out.')
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f'it is larger than {MOST_BYTES / 1e6:.0f} MB')
        with np.lib.npyio.NpzFile(io.BytesIO(read_file(path))) as file:  # which loads no pickles
            if sum(entry.file_size for entry in file.zip.infolist()) > MOST_UNPACKED:
                raise ValueError(f'it unpacks to more than {MOST_UNPACKED / 1e6:.0f} MB')
            entries = {name: file[name] for name in file.files}
        mark = str(entries.pop(MARK, ''))
        if mark != fingerprint(entries):
            raise ValueError('it is not as it was written')
        image_size, z_dim, iterations = (int(entries.pop(name)) for name in FACTS)
        values = {name: value.astype(np.float32) for name, value in entries.items()}
    except Exception as why:  # zipfile and NumPy raise a dozen kinds for damaged bytes
        raise BadInput(f'{path} is no whole model ({reason(why)}): put it back as it came with the project.') from None
    return ShippedModel(path, {**values, ITERATIONS: np.int64(iterations)}, image_size, z_dim, mark)


def write_shipped(path, values, image_size, z_dim):
    """Write the weights of both networks in float16, the generator's averages in the place of its weights.

    Args:
      path: Path of the file, which ends in ".npz"; its folder exists.
      values: dict of name → array, as a checkpoint has it.
      image_size: height and width of the pictures.
      z_dim: length of z.
    Returns:
      ShippedModel, as it reads.
    Raises:
      BadInput: a weight is too large for float16, or the file would be too large to ship.
      OSError: as `write_file`.
    """
    weights = weights_in(values)
    with np.errstate(over='ignore'):  # told below
        halves = {name: weights.get(name + AVERAGE, value).astype(np.float16)
                  for name, value in weights.items() if not name.endswith(AVERAGE)}
    large = [name for name, value in halves.items() if not np.isfinite(value).all()]
    if large:
        raise BadInput(f'{large[0]} holds weights beyond 65504, the largest of float16: this model cannot be shipped.')
    facts = map(np.int64, (image_size, z_dim, values.get(ITERATIONS, 0)))
    entries = {**dict(zip(FACTS, facts, strict=True)), **halves}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{MARK: fingerprint(entries)}, **entries)
    if buffer.tell() > MOST_BYTES:
        count = sum(value.size for value in halves.values())
        raise BadInput(f'The model of {count / 1e6:.1f} million weights takes {buffer.tell() / 1e6:.1f} MB, but at '
                       f'most {MOST_BYTES / 1e6:.0f} MB are shipped: train one with a smaller WIDTH.')
    write_file(path, buffer.getvalue())
    return read_shipped(path)
