"""Iterations, one after the other, without screen and disk.

What one iteration does to the weights is `train_step` in networks/graph.py.
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.networks.graph import GanGraph
from gans_n_roses.networks.noise import draw_z, with_kind, z_of_seed
from gans_n_roses.pictures.cache import CachedPictures
from gans_n_roses.pictures.folder import next_batch, spread_rows
from gans_n_roses.pictures.kinds import NO_KINDS, Kinds, draw_evenly, titles
from gans_n_roses.runs.checkpoints import SaveOps
from gans_n_roses.runs.folders import RunFolder
from gans_n_roses.runs.state import RunState
from gans_n_roses.settings import Settings
from gans_n_roses.workers.team import ALONE, Alone

MOST_COLUMNS = 16  # kinds that a sample grid shows: of more, those that are evenly spread


class Training(NamedTuple):
    """What stays the same while a run trains."""

    session: tf.Session
    gan: GanGraph
    pictures: np.ndarray | CachedPictures  # uint8 [n, size, size, channels], the real ones
    settings: Settings
    team: Alone = ALONE
    run: RunFolder | None = None  # this and the next one are for loop.py, which saves; `steps` works without them
    save_ops: SaveOps | None = None
    kinds: Kinds = NO_KINDS  # of the pictures, with LABELS


def begin(settings, kinds=NO_KINDS):
    """The state of a run that begins.

    The grids' z are those of the seeds SEED, SEED + 1, …, as LOAD takes them, so that N_SAMPLES changes no training.

    Args:
      settings: Settings; reads seed, n_samples and z_dim.
      kinds: Kinds of the pictures.
    Returns:
      RunState.
    """
    grid_z = [z_of_seed(settings.seed + k, settings.z_dim) for k in range(settings.n_samples)]
    return RunState(np.random.RandomState(settings.seed), np.stack(grid_z), kinds=kinds)


def grid_of(z, kinds):
    """The z of a sample grid: as they are; with LABELS as many of them, each as every kind, as make a grid as large.

    Args:
      z: float32 [n, z_dim].
      kinds: Kinds.
    Returns:
      (float32 [n, z_dim], or with LABELS [rows * columns, z_dim + kinds]; titles of the columns).
    """
    if not kinds.names:
        return z, ()
    shown = spread_rows(len(kinds.names), MOST_COLUMNS)
    rows = math.ceil(len(z) / len(shown))
    labelled = with_kind(z[:rows].repeat(len(shown), 0), np.tile(shown, rows), len(kinds.names))
    named = titles(kinds.names)
    return labelled, [named[kind] for kind in shown]


def steps(training, state, start=0):
    """Make iterations, each on a batch and z of its own, until all are made or nobody asks for the next.

    With LABELS each batch has the kinds evenly, however many pictures there are of each, so that a kind of few is seen
    as often. Each generated picture is of the kind of a real one in its batch.

    Each of several workers draws the batches of all and keeps its own rows, so that their random generators stay alike.

    Args:
      training: Training; its session's variables are initialized, or restored.
      state: RunState; its random generator moves on.
      start: number of iterations made before.
    Yields:
      (iteration from start + 1 to N_ITERATIONS, dict of the scalars of that iteration).
    """
    gan, settings, team, kinds = training.gan, training.settings, training.team, training.kinds
    drawn, rows = team.count * settings.batch_size, team.rows(settings.batch_size)
    for iteration in range(start + 1, settings.n_iterations + 1):
        chosen = draw_evenly(kinds, drawn, state.rng) if kinds.names else None
        images = next_batch(training.pictures, drawn, state.rng, settings.mirror, chosen)[rows]
        z = draw_z(state.rng, drawn, settings.z_dim)
        if kinds.names:
            z = with_kind(z, kinds.of[chosen], len(kinds.names))
        _, scalars = team.run(training.session, [gan.train_step, gan.scalars], {gan.images: images, gan.z: z[rows]})
        yield iteration, scalars


def due(iteration, every, last):
    """Whether something that comes every so many iterations, and after the last one, comes now."""
    return iteration % every == 0 or iteration == last
