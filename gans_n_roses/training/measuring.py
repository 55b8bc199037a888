"""Measures a run while it trains: copying, quality, variety; keeps the best checkpoint."""

import numpy as np

from gans_n_roses.networks.noise import fixed_batches
from gans_n_roses.pictures.images import to_uint8
from gans_n_roses.quality.advice import COPIES_ALLOWED, Adviser
from gans_n_roses.quality.metrics import SCORE, describe_real, measure
from gans_n_roses.quality.nearest import COPY_SHEET, beside_nearest
from gans_n_roses.quality.plateau import no_better
from gans_n_roses.runs.checkpoints import save_best
from gans_n_roses.training.introduction import best_to_load


class Measurements:
    """What is measured every MEASURE_EVERY iterations, always on the same z.

    Args:
      training: Training.
      monitor: Monitor.
      best: score of the best checkpoint so far; infinite if there is none, or it was measured beside other pictures.
    """

    def __init__(self, training, monitor, best):
        self._training, self._monitor = training, monitor
        self._adviser = Adviser(training.settings)
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
          state: RunState; what was better last moves on.
        Returns:
          bool: whether nothing has got better for long.
        Raises:
          RunFailed: the best checkpoint cannot be saved.
        """
        session, gan, pictures, settings, run, save_ops, *_ = self._training
        if self._real is None:  # not before: it takes a second or more, in which training could have begun
            self._real = describe_real(pictures)
        grid, *others = (to_uint8(session.run(gan.samples, {gan.sample_z: z})) for z in (state.grid_z, *self._z))
        measures, expected = measure(self._real, np.concatenate(others)), self._real.expected
        self._monitor.scalars(iteration, measures)
        self._monitor.expected(iteration, expected)
        self._monitor.nearest(iteration, beside_nearest(self._real, pictures, grid[:COPY_SHEET]))
        # What is measured at the end alone does not count: a run that goes on is as if it had never ended.
        lasts = iteration % settings.measure_every == 0 and no_better(
            state.better, iteration, settings.measure_every, measures[SCORE], measures['Quality/Standard_Error'])
        if measures[SCORE] < self._best and measures['Quality/Copies'] <= COPIES_ALLOWED:
            save_best(session, save_ops, run.saved_models, iteration, state, measures[SCORE])
            self._best = measures[SCORE]
        best = best_to_load(run, settings.origin)
        self._advise(iteration, self._adviser.watch_measures(iteration, measures, expected, best))
        self._advise(iteration, self._adviser.watch_plateau(lasts, int(state.better[0]), measures, expected,
                                                            best))
        return lasts

    def _advise(self, iteration, sentences):
        for sentence in sentences:
            self._monitor.advise(iteration, sentence)
