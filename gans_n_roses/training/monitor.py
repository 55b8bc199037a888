"""Everything that the user sees of a run: the progress bar, TensorBoard, sample grids, the film of them."""

import contextlib
import io
import re
import time

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image
from tensorboard.plugins.hparams.api import hparams_pb
from tqdm import tqdm

from gans_n_roses.machine.files import read_file, write_file
from gans_n_roses.pictures.channels import from_saved, to_look_at
from gans_n_roses.pictures.folder import spread_rows
from gans_n_roses.pictures.grids import by_columns, merge, png, save_gif, save_image, to_uint8
from gans_n_roses.quality.advice import REAL_RUN
from gans_n_roses.training.events import Events

GIF_FRAMES = 100
GIF_MILLISECONDS = 100
NEAREST = 'nearest'  # subfolder of Generated_Images
SECONDS_BETWEEN_LINES = 30  # where the output is no terminal
REAL_SHOWN = 48  # pictures on the sheet of real ones


class Monitor:
    """Shows and records a run while it trains. A disk fault here is told once and costs no iteration.

    Args:
      run: RunFolder.
      start: iterations made before; TensorBoard drops what an interrupted run recorded after them.
      settings: Settings; reads n_iterations and batch_size.
      workers: number of workers; of several, the pictures a second that they see together are shown too.
    """

    def __init__(self, run, start, settings, workers=1):
        self._run = run
        self._faults = set()
        self._total = settings.n_iterations
        self._pictures = workers * settings.batch_size if workers > 1 else 0
        self._bar = tqdm(total=self._total, initial=start, unit='it', disable=None, dynamic_ncols=True)
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
        self._record(self._events.close)
        self._record(self._real.close)

    def begin(self, graph, settings, pictures):
        """Record what a new run begins with.

        Args:
          graph: tf.Graph.
          settings: Settings, recorded as hparams, by which TensorBoard compares runs.
          pictures: uint8 [n, size, size, channels], of which a sheet is saved, evenly taken from all.
        """
        # hparams_pb gives TensorBoard's own Summary class: the bytes are the same, the Python types are not.
        summary = hparams_pb(settings.of_training(), trial_id=self._run.path.name).SerializeToString()
        self._record(lambda: self._events.event(graph_def=graph.as_graph_def(add_shapes=True).SerializeToString()))
        self._record(lambda: self._events.event(summary=tf.Summary.FromString(summary)))
        sheet = merge(pictures[spread_rows(len(pictures), REAL_SHOWN)])
        self._attempt('pictures', lambda: save_image(self._run.generated_images / 'real_images.png', sheet))

    def say(self, text):
        """Print a line without breaking the progress bar."""
        tqdm.write(text)

    @contextlib.contextmanager
    def busy(self, what):
        """Say what takes time while the block runs and the bar stands; without a terminal, in a line.

        The time does not count as an iteration's, or the next line would say that hours are left.
        """
        began = time.monotonic()
        self._bar.set_description(what)
        if self._bar.disable:
            print(f'{what} ...', flush=True)
        yield
        self._bar.unpause()
        self._bar.set_description()
        if self._line_before:
            then, iteration = self._line_before
            self._line_before = then + time.monotonic() - began, iteration

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

    def scalars(self, iteration, values):
        """Record name → float."""
        self._record(lambda: self._events.scalars(iteration, values))

    def expected(self, iteration, values):
        """Record the values of pictures as good as real ones, as a second curve in the charts of `scalars`."""
        self._record(lambda: self._real.scalars(iteration, values))

    def grid(self, iteration, images, titles=()):
        """Save a sample grid and show it in TensorBoard.

        Args:
          iteration: number of iterations that the generator was trained for.
          images: float32 [n, size, size, channels] in [-1, 1].
          titles: of its columns, where they have some.
        """
        picture = by_columns(to_uint8(images), titles) if titles else merge(to_uint8(images))
        self._picture(iteration, 'Generated_Images', self._run.generated_images, picture)

    def nearest(self, iteration, picture):
        """Save a sheet of generated pictures over the real ones nearest to them, uint8 [height, width, channels]."""
        self._picture(iteration, 'Nearest_Pictures', self._run.generated_images / NEAREST, picture)

    def _picture(self, iteration, tag, folder, picture):
        content, shown = png(picture), to_look_at(picture)

        def write():
            folder.mkdir(exist_ok=True)
            write_file(folder / f'{iteration:07d}.png', content)  # so that the names sort
        self._attempt('pictures', write)
        self._record(lambda: self._events.image(iteration, tag, picture.shape,
                                                content if shown is picture else png(shown)))

    def advise(self, iteration, sentence):
        """Say what a lasting pattern means, here and in TensorBoard's text tab."""
        self.say(f'\nIteration {iteration}: {sentence}\n')
        self.text(iteration, sentence)

    def text(self, iteration, sentence):
        """Record a sentence for TensorBoard's text tab."""
        self._record(lambda: self._events.text(iteration, 'Advice', sentence))

    def animation(self):
        """Save training.gif, a film of the grids so far."""
        paths = _numbered(self._run.generated_images)
        if paths:  # none could be written
            chosen = tqdm([paths[row] for row in spread_rows(len(paths), GIF_FRAMES)], 'Making the film', delay=1,
                          leave=False, disable=None)
            self._attempt('pictures', lambda: save_gif(self._run.generated_images / 'training.gif',
                                                       map(_read_grid, chosen), GIF_MILLISECONDS))

    def _record(self, write):
        self._attempt('TensorBoard events', write)

    def _attempt(self, what, write):
        try:
            write()
        except (OSError, tf.errors.OpError) as problem:
            if what not in self._faults:
                self._faults.add(what)
                self.say(f'{self._run.path}: {what} cannot be written ({problem}); training goes on without them.')


def delete_grids(run, newest):
    """Delete the sample grids and the sheets of nearest pictures of iterations after `newest`. Raises OSError."""
    for folder in (run.generated_images, run.generated_images / NEAREST):
        for path in _numbered(folder):
            if int(path.stem) > newest:
                path.unlink()


def _numbered(folder):
    """The pictures in a folder that are named by their iteration, in order."""
    return sorted(path for path in folder.glob('*.png') if re.fullmatch(r'\d{7,}', path.stem))


def _read_grid(path):
    try:
        return from_saved(np.asarray(Image.open(io.BytesIO(read_file(path)))))
    except (SyntaxError, ValueError) as problem:  # Pillow's, where a picture is torn
        raise OSError(None, f'{problem}', str(path)) from None
