"""Measures a run while it trains: copying, quality, variety; keeps the best checkpoint."""

import numpy as np

from gans_n_roses.networks.noise import fixed_batches
from gans_n_roses.pictures.images import to_uint8
from gans_n_roses.quality.advice import COPIES_ALLOWED, Adviser
from gans_n_roses.quality.metrics import describe_real, measure
from gans_n_roses.quality.nearest import COPY_SHEET, beside_nearest
from gans_n_roses.runs.checkpoints import save_best


class Measurements:
    """What is measured every MEASURE_EVERY iterations, always on the same z.

    Args:
      training: Training.
      monitor: Monitor.
      best: score of the best checkpoint so far; infinite if there is none, or it was measured beside other pictures.
    """

    def __init__(self, training, monitor, best):
        self._training, self._monitor = training, monitor
        self._adviser = Adviser(training.settings, len(training.pictures))
        self._z = fixed_batches(training.settings.z_dim)
        self._best = best
        self._real = None

    def watch(self, iteration, scalars):
        """Say what the scalars of an iteration mean, if they have meant it for long."""
        self._advise(iteration, self._adviser.watch_training(scalars))

    def take(self, iteration, state):
        """Measure, show the nearest pictures, and keep the checkpoint if it is the best so far.

        Args:
          iteration: how many iterations were made.
          state: RunState.
        Raises:
          RunFailed: the best checkpoint cannot be saved.
        """
        session, gan, pictures, _, run, save_ops, *_ = self._training
        if self._real is None:  # not before: it takes a second or more, in which training could have begun
            self._real = describe_real(pictures)
        grid, *others = (to_uint8(session.run(gan.samples, {gan.sample_z: z})) for z in (state.grid_z, *self._z))
        measures = measure(self._real, np.concatenate([grid, *others]))
        self._monitor.scalars(iteration, {f'Measures/{name}': value for name, value in measures.items()})
        self._monitor.nearest(iteration, beside_nearest(self._real, pictures, grid[:COPY_SHEET]))
        score = measures['Sliced_Wasserstein']
        if score < self._best and measures['Copies'] <= COPIES_ALLOWED:
            save_best(session, save_ops, run.saved_models, iteration, state, score)
            self._best = score
        self._advise(iteration, self._adviser.watch_measures(iteration, measures, np.isfinite(self._best)))

    def _advise(self, iteration, sentences):
        for sentence in sentences:
            self._monitor.advise(iteration, sentence)
