"""What the user sees of a run: the progress bar, TensorBoard, sample grids."""

import io
import re
import time

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image
from tensorboard.plugins.hparams.api import hparams_pb
from tqdm import tqdm

from gans_n_roses.machine.files import read_file, write_file
from gans_n_roses.pictures.folder import spread_rows
from gans_n_roses.pictures.images import merge, png, save_gif, save_image, to_uint8
from gans_n_roses.quality.advice import REAL_RUN
from gans_n_roses.training.events import Events

GIF_FRAMES = 100
NEAREST = 'nearest'  # subfolder of Generated_Images
GIF_MILLISECONDS = 100
SECONDS_BETWEEN_LINES = 30  # where the output is no terminal
REAL_SHOWN = 48  # pictures on the sheet of real ones


class Monitor:
    """Shows and records a run while it trains. A disk fault here is told once and costs no iteration.

    Args:
      run: RunFolder.
      start: iterations made before; TensorBoard drops what an interrupted run recorded after them.
      total: iterations to make altogether.
      workers: how many there are; of several, it also shows how many pictures a second they see together.
      batch_size: pictures of one worker in an iteration.
    """

    def __init__(self, run, start, total, workers=1, batch_size=0):
        self._run = run
        self._faults = set()
        self._total = total
        self._pictures = workers * batch_size if workers > 1 else 0
        self._bar = tqdm(total=total, initial=start, unit='it', disable=None, dynamic_ncols=True)
        self._line_before = None  # (time, iteration) of the last line
        self._events = Events(run.tensorboard, start)
        self._real = Events(run.tensorboard / REAL_RUN, start)
        if start:  # what was recorded later is dropped in both at once
            self._record(self._events.open)
            self._record(self._real.open)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()
        for events in (self._events, self._real):
            self._attempt('TensorBoard events', events.close)

    def say(self, text):
        """Print a line without breaking the progress bar."""
        tqdm.write(text)

    def progress(self, iteration, d_loss, g_loss):
        """Move the bar; without a terminal, print a line now and then."""
        losses = f'D loss {d_loss:.3f}, G loss {g_loss:.3f}'
        rate = None if self._bar.disable else self._bar.format_dict['rate']
        self._bar.set_postfix_str(losses + self._speed(rate), refresh=False)
        self._bar.update()
        if self._bar.disable:
            self._line(iteration, losses)

    def _line(self, iteration, losses):
        now, pace = time.monotonic(), ''
        if self._line_before:
            seconds, made = now - self._line_before[0], iteration - self._line_before[1]
            if seconds < SECONDS_BETWEEN_LINES and iteration < self._total:
                return
            left = tqdm.format_interval(seconds / made * (self._total - iteration))
            pace = f', {made / seconds:.3g} it/s{self._speed(made / seconds)}, {left} left'
        print(f'iteration {iteration}/{self._total}: {losses}{pace}', flush=True)
        self._line_before = now, iteration

    def _speed(self, rate):
        return f', {rate * self._pictures:.3g} pictures/s' if rate and self._pictures else ''

    def graph(self, graph, hyperparameters):
        """Record the graph, and the settings as hparams, by which TensorBoard compares runs."""
        # hparams_pb gives TensorBoard's own Summary class: the bytes are the same, the Python types are not.
        summary = hparams_pb(hyperparameters, trial_id=self._run.path.name).SerializeToString()
        self._record(lambda: self._events.event(graph_def=graph.as_graph_def(add_shapes=True).SerializeToString()))
        self._record(lambda: self._events.event(summary=tf.Summary.FromString(summary)))

    def scalars(self, iteration, values):
        """Record name → float."""
        self._record(lambda: self._events.scalars(iteration, values))

    def expected(self, iteration, values):
        """Record what pictures as good as real ones would have, as a second curve in the charts of `scalars`."""
        self._record(lambda: self._real.scalars(iteration, values))

    def grid(self, iteration, images):
        """Save a sample grid and show it in TensorBoard.

        Args:
          iteration: how many iterations the generator was trained for.
          images: float32 [n, size, size, 3] in [-1, 1].
        """
        picture = merge(to_uint8(images))
        content = png(picture)
        path = grid_path(self._run, iteration)
        self._attempt('pictures', lambda: write_file(path, content))
        self._record(lambda: self._events.image(iteration, 'Generated_Images', picture.shape, content))

    def nearest(self, iteration, picture):
        """Save a sheet of generated pictures over the real ones nearest to them, uint8 [height, width, 3]."""
        def write():
            folder = self._run.generated_images / NEAREST
            folder.mkdir(exist_ok=True)
            save_image(folder / f'{iteration:07d}.png', picture)
        self._attempt('pictures', write)
        self._record(lambda: self._events.image(iteration, 'Nearest_Pictures', picture.shape, png(picture)))

    def advise(self, iteration, sentence):
        """Say what a lasting pattern means, here and in TensorBoard's text tab."""
        self.say(f'\nIteration {iteration}: {sentence}\n')
        self.text(iteration, sentence)

    def text(self, iteration, sentence):
        """Record a sentence for TensorBoard's text tab."""
        self._record(lambda: self._events.text(iteration, 'Advice', sentence))

    def real_images(self, pictures):
        """Save a sheet of what the network is shown, evenly taken from the data set, uint8 [n, size, size, 3]."""
        rows = spread_rows(len(pictures), REAL_SHOWN)
        self._attempt('pictures', lambda: save_image(self._run.generated_images / 'real_images.png',
                                                     merge(pictures[rows])))

    def animation(self):
        """Save training.gif."""
        self._attempt('pictures', lambda: save_animation(self._run))

    def _record(self, write):
        self._attempt('TensorBoard events', write)

    def _attempt(self, what, write):
        try:
            write()
        except (OSError, tf.errors.OpError) as problem:
            if what not in self._faults:
                self._faults.add(what)
                self.say(f'{self._run.path}: {what} cannot be written ({problem}); training goes on without them.')


def animation_path(run):
    """Where the film of a complete run is kept."""
    return run.generated_images / 'training.gif'


def lacks_animation(run):
    """Whether a complete run has no film of all its grids: it was killed while that was made."""
    film, grids = animation_path(run), grid_paths(run)
    return bool(grids) and (not film.exists() or film.stat().st_mtime < grids[-1].stat().st_mtime)


def save_animation(run):
    """Save training.gif: the grids so far, the last one included.

    Raises:
      OSError: it cannot be written, or a grid cannot be read.
    """
    paths = grid_paths(run)
    if not paths:  # none could be written
        return
    chosen = [paths[row] for row in spread_rows(len(paths), GIF_FRAMES)]
    save_gif(animation_path(run), map(_read_grid, chosen), GIF_MILLISECONDS)


def _read_grid(path):
    try:
        return np.asarray(Image.open(io.BytesIO(read_file(path))))
    except (SyntaxError, ValueError) as problem:  # Pillow's, where a picture is torn
        raise OSError(None, f'{problem}', str(path)) from None


def grid_path(run, iteration):
    """Where the sample grid of an iteration is kept; the names sort."""
    return run.generated_images / f'{iteration:07d}.png'


def grid_paths(run):
    """The sample grids of a run, in order."""
    return _numbered(run.generated_images)


def nearest_paths(run):
    """The sheets of nearest pictures of a run, in order."""
    return _numbered(run.generated_images / NEAREST)


def _numbered(folder):
    return sorted(path for path in folder.glob('*.png') if re.fullmatch(r'\d{7,}', path.stem))
