"""Measures a run while it trains: copying, quality, variety; keeps the best checkpoint."""

import numpy as np

from gans_n_roses.networks.noise import fixed_batches
from gans_n_roses.pictures.grids import to_uint8
from gans_n_roses.quality.advice import COPIES_ALLOWED, Adviser
from gans_n_roses.quality.metrics import SCORE, describe_kinds, describe_real, measure, measure_kinds
from gans_n_roses.quality.nearest import COPY_SHEET, beside_nearest
from gans_n_roses.quality.plateau import Plateau, watch
from gans_n_roses.runs.checkpoints import save_best
from gans_n_roses.training.introduction import best_to_load
from gans_n_roses.training.steps import grid_of


class Measurements:
    """The measurements of a run, every CHECKPOINT_EVERY iterations, always on the same z.

    Args:
      training: Training.
      monitor: Monitor.
      best: score of the best checkpoint so far; infinite if there is none, or it was measured beside other pictures.
    """

    def __init__(self, training, monitor, best):
        self._training, self._monitor = training, monitor
        self._adviser = Adviser(training.settings)
        self._z = fixed_batches(training.settings.z_dim, training.kinds.counts)
        self._best = best
        self._real = self._of_kinds = None

    def watch(self, iteration, scalars):
        """Say what the scalars of an iteration mean, once a pattern has lasted."""
        self._advise(iteration, self._adviser.watch_training(scalars))

    def take(self, iteration, state):
        """Measure, show the nearest pictures, and keep the checkpoint if it is the best so far.

        Args:
          iteration: number of iterations made.
          state: RunState.
        Returns:
          (RunState, in which `better` may have moved on; whether nothing has got better for long).
        Raises:
          RunFailed: the best checkpoint cannot be saved.
        """
        session, pictures, settings, run, kinds = (
            self._training.session, self._training.pictures, self._training.settings, self._training.run,
            self._training.kinds)
        if self._real is None:  # not before: it takes a second or more, in which training could have begun
            self._real, self._of_kinds = describe_real(pictures), describe_kinds(pictures, kinds)
        grid, *others = map(self._make, (grid_of(state.grid_z, kinds)[0], *self._z))
        measures, expected = measure(self._real, np.concatenate(others)), self._real.expected
        if self._of_kinds:
            found, floors = measure_kinds(self._of_kinds, kinds.names, settings.z_dim, self._make)
            measures, expected = measures | found, expected | floors
        self._monitor.scalars(iteration, measures)
        self._monitor.expected(iteration, expected)
        self._monitor.nearest(iteration, beside_nearest(self._real, pictures, grid[:COPY_SHEET]))
        # A last iteration that is no multiple is measured, but not remembered: a run that goes on is as if it had not
        # ended there.
        plateau = Plateau(state.better, lasts=False)
        if iteration % settings.checkpoint_every == 0:
            plateau = watch(state.better, iteration, settings.checkpoint_every, measures[SCORE],
                            measures['Quality/Standard_Error'])
        state = state._replace(better=plateau.better)
        if measures[SCORE] < self._best and measures['Quality/Copies'] <= COPIES_ALLOWED:
            save_best(session, self._training.save_ops, run.saved_models, iteration, state, measures[SCORE])
            self._best = measures[SCORE]
        best = best_to_load(run, settings.origin)
        self._advise(iteration, self._adviser.watch_measures(iteration, measures, expected, plateau, best))
        return state, plateau.lasts

    def _make(self, z):
        gan = self._training.gan
        return to_uint8(self._training.session.run(gan.samples, {gan.sample_z: z}))

    def _advise(self, iteration, sentences):
        for sentence in sentences:
            self._monitor.advise(iteration, sentence)
