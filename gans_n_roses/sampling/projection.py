"""PROJECT: pictures → the roses of a model that are most like them."""

import io
import math
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from gans_n_roses.errors import BadInput, printable
from gans_n_roses.machine.files import write_file
from gans_n_roses.machine.quiet import silenced
from gans_n_roses.networks.noise import AT_ONCE, MEASURED, draw_z, from_normal, to_normal, with_kind
from gans_n_roses.pictures.decoding import Form, describe_file, read_pictures
from gans_n_roses.pictures.folder import list_files, to_float
from gans_n_roses.pictures.grids import enlarge, pairs, save_image
from gans_n_roses.sampling.saved_generator import make_rose

ROUNDS = (4, 60), (1, 440)  # (z to go on with, steps of each): of 256 that are tried, the best 4; of these, the best
LEARNING_RATE = 0.05
HALVINGS = 4  # sizes that pictures are compared at: the whole one, a half, a quarter and an eighth


def project(saved, plan, folder, text):
    """Write each picture of PROJECT beside the rose that is most like it, the rose's z, and a sheet of several.

    Args:
      saved: SavedGenerator.
      plan: Plan of LOAD; reads options, kinds and of its settings project, seed, sample_as, n_frames and enlarge.
      folder: Path of the folder to write to.
      text: dict of text fields of each picture.
    Returns:
      list of float32, each as a row of saved.z: those of the roses, in the order of the pictures' names.
    Raises:
      BadInput: no picture can be read, or their number makes no walk.
    """
    settings, of_run = plan.settings, plan.options['settings'] if plan.options else {}
    form = Form(saved.image_size, saved.images.shape[-1], of_run.get('FIT', 'crop'))
    names, pictures = _read(Path(settings.project), form)
    if 'interpolation' in settings.sample_as and not 2 <= len(names) <= settings.n_frames:
        raise BadInput(f'PROJECT is {settings.project!r}, where the number of pictures is {len(names)}, but an '
                       f'interpolation walks between at least 2 and at most N_FRAMES = {settings.n_frames}: change one '
                       'of the two.')
    zs, roses, steps = [], [], len(names) * sum(steps for _, steps in ROUNDS)
    with tqdm(None, 'Looking for roses', steps, unit='step', leave=False, disable=None) as bar:
        found = _search(saved, pictures, plan.kinds, np.random.RandomState(settings.seed), bar.update)
        for name, picture, z in zip(names, pictures, found, strict=True):
            zs.append(z)
            roses.append(make_rose(saved, z))
            path = folder / f'picture_{len(zs):05d}.png'
            np.save(array := io.BytesIO(), z[:saved.z_dim])
            write_file(path.with_suffix('.npy'), array.getvalue())
            kind = {'LABEL': saved.kinds.names[z[saved.z_dim:].argmax()]} if plan.kinds else {}
            save_image(path, enlarge(np.hstack([picture, roses[-1]]), settings.enlarge),
                       {**text, 'PROJECT': name, **kind})
            apart = np.abs(picture.astype(int) - roses[-1]).mean()
            bar.write(f'  {path.name}  {apart:5.1f} grey levels from {", as ".join([name, *kind.values()])}')
    if len(zs) > 1:
        save_image(folder / 'sheet.png', pairs(pictures, np.stack(roses)), text)
    return zs


def _read(path, form):
    """Read a picture, or those of a folder: (names, uint8 [n, size, size, channels]), in the order of the names."""
    if path.is_dir():
        root, files = path, list_files(path)
    else:
        root, files = path.parent, [describe_file(str(path.parent), path.name)]
    with silenced():
        found = [(file, pixels) for file, pixels in read_pictures(root, files, form)]
    for file, _ in found:
        if file.problem:
            print(f'  {printable(file.name)} is left out: {file.problem}', flush=True)
    read = [(printable(file.name), pixels) for file, pixels in found if file.digest]
    if not read:
        raise BadInput(f'PROJECT is {str(path)!r}, but that is no picture that can be read, nor a folder of some: set '
                       'it to one of the two.')
    names, pictures = zip(*read, strict=True)
    return names, np.stack(pictures)


def _search(saved, pictures, kinds, rng, step_done):
    """Look for the z whose rose is most like each picture, in coordinates in which z is normally distributed.

    Args:
      saved: SavedGenerator.
      pictures: uint8 [n, size, size, channels].
      kinds: those that are tried, list of int, of a model that knows kinds; each z keeps its own.
      rng: np.random.RandomState, for z to begin with.
      step_done: function that is called after each step.
    Yields:
      float32 for each picture, as a row of saved.z.
    """
    target = tf.placeholder(tf.float32, [1, *saved.images.shape[1:]])
    distances = _distances(saved.images, target)                                       # [batch]
    slopes = tf.gradients(distances, saved.z)[0][:, :saved.z_dim]                      # [batch, z_dim]

    def run(values, picture, fed, to=saved.z):
        return saved.session.run(values, {to: fed, target: picture})
    count = AT_ONCE * math.ceil(max(MEASURED, len(kinds)) / AT_ONCE)
    tried = draw_z(rng, count, saved.z_dim)
    of = np.resize(kinds or [0], count)

    def beside(z, of):
        return with_kind(z, of, len(saved.kinds.names))

    def slopes_at(picture, kind, z):
        return run(slopes, picture, beside(z, kind))
    roses = [saved.session.run(saved.images, {saved.z: some})
             for some in np.split(beside(tried, of), count // AT_ONCE)]
    for picture in to_float(pictures[:, np.newaxis]):                                  # [1, size, size, channels]
        x, kind = to_normal(tried), of
        apart = np.concatenate([run(distances, picture, some, saved.images) for some in roses])
        for count, steps in ROUNDS:
            best = np.argsort(apart)[:count]
            kind = kind[best]
            x = _adam(x[best], steps, partial(slopes_at, picture, kind), step_done)
            apart = run(distances, picture, beside(from_normal(x), kind))
        yield beside(from_normal(x), kind)[0]


def _adam(x, steps, slopes_at, step_done):
    """Go downhill by Adam (Kingma and Ba 2015, arXiv:1412.6980, alg. 1), with a rate that falls in the second half.

    Args:
      x: float64 [batch, z_dim]: z in normal coordinates.
      steps: number of steps.
      slopes_at: function: z → the slopes along z.
      step_done: function that is called after each step.
    Returns:
      x after the last step.
    """
    mean, square = np.zeros_like(x), np.zeros_like(x)
    for step in range(1, steps + 1):
        slope = slopes_at(from_normal(x)) * np.exp(-x**2 / 2)  # times dz/dx, but for a factor, which Adam ends
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        rate = LEARNING_RATE * min(1, 2 - 2 * step / (steps + 1))
        x = x - rate * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-12)
        step_done()
    return x


def _distances(images, target):
    """The mean absolute difference of pictures, over several sizes: small ones compare what lies where, not pixels.

    Args:
      images: float32 [batch, size, size, channels].
      target: float32 [1, size, size, channels].
    Returns:
      float32 [batch].
    """
    apart, of_sizes = images - target, []
    for _ in range(HALVINGS):
        of_sizes.append(tf.reduce_mean(tf.abs(apart), [1, 2, 3]))
        apart = tf.nn.avg_pool2d(apart, 2, 2, 'VALID')
    return tf.add_n(of_sizes) / HALVINGS
