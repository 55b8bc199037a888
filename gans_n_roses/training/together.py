"""What several workers settle before they train one run, and agree on at each iteration.

The first worker leads: it alone keeps, shows and measures the run. The others follow: they take its settings and its
state, and compute their share.
"""

import dataclasses
import os
import signal

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses import __version__
from gans_n_roses.errors import BadInput, Interrupted, RunFailed, shown
from gans_n_roses.machine.collectives import SCALARS, exchange, mean_of_all, run_together, share_variables
from gans_n_roses.machine.session import open_session
from gans_n_roses.machine.stopping import StopRequest
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.runs.resuming import what_makes_it
from gans_n_roses.runs.state import NOT_YET, RunState, pack, unpack
from gans_n_roses.training.steps import Training, due, steps


def settle_settings(team, asked, settings=None):
    """Refuse workers that were started otherwise than the first, and go on with the first worker's settings.

    Args:
      team: Team.
      asked: Settings that this worker was started with.
      settings: the first worker's: Settings to go on with; the others have none.
    Returns:
      Settings of the first worker; DATASET_PATH is this worker's own, but with RESUME the run's, where there is such a
      folder on this machine.
    Raises:
      BadInput: a worker has other settings, or another version. All say so.
    """
    started = {'the version of gans_n_roses': __version__, 'the version of TensorFlow': tf.version.VERSION,
               'RESUME': asked.resume, **what_makes_it(asked)}
    for name in ('DATASET_PATH', 'DATASET_CHOSEN'):  # the pictures themselves are compared, wherever they lie
        del started[name]
    heard = exchange(team, {'started': started, 'settings': what_makes_it(settings) if settings else {}})
    first, *others = (each['started'] for each in heard)
    for index, other in enumerate(others, start=1):
        for name, value in first.items():
            if other.get(name) != value:
                raise BadInput(f'{team.cluster.name(index)} has {shown(other.get(name))} for {name}, but the first '
                               f'worker has {shown(value)}: start all workers alike.')
    if team.cluster.leads:
        return settings
    values = heard[0]['settings']
    there = asked.resume and os.path.isdir(values['DATASET_PATH'])
    return _taken(values, asked, values['DATASET_PATH'] if there else asked.dataset_path)


def settle_pictures(team, settings):
    """Read the pictures, and refuse workers that do not have the first worker's, or all have too few.

    Args:
      team: Team.
      settings: Settings of the first worker, with this worker's DATASET_PATH.
    Returns:
      Dataset.
    Raises:
      BadInput: a worker has other pictures, or an iteration takes more than there are. All say so.
    """
    cluster, dataset = team.cluster, read_folder(settings.dataset_path, settings.image_size, settings.cache)
    (count, fingerprint), *others = exchange(team, [len(dataset.images), dataset.fingerprint])
    for index, (other_count, other) in enumerate(others, start=1):
        if other != fingerprint:
            raise BadInput(f'{cluster.name(index)} has other pictures ({other_count}) than the first worker '
                           f'({count}): give DATASET_PATH the same files on each machine.')
    if count < settings.batch_size * cluster.count:
        raise BadInput(f'BATCH_SIZE is {settings.batch_size}{cluster.each}, but DATASET_PATH '
                       f'{settings.dataset_path!r} holds {count} pictures: set BATCH_SIZE to at most '
                       f'{count // cluster.count}, or add pictures.')
    return dataset


def settle_run(team, settings):
    """Go on with the settings of the first worker's run, in which RECIPE and START_FROM are settled.

    Args:
      team: Team.
      settings: Settings that `settle_settings` gave.
    Returns:
      Settings; DATASET_PATH is this worker's own.
    """
    values = exchange(team, what_makes_it(settings))[0]
    return _taken(values, settings, settings.dataset_path)


def _taken(values, settings, dataset_path):
    values = {name.lower(): value for name, value in values.items()}
    return dataclasses.replace(settings, **{**values, 'dataset_path': dataset_path})


def settle_state(team, session, share, start=0, state=None):
    """Begin from the first worker's state: iteration, random generator, variables.

    Args:
      team: Team.
      session: tf.Session.
      share: ops that `share_variables` made.
      start, state: the first worker's.
    Returns:
      (iterations made before, RunState); a follower makes no grids, and has no z of them.
    """
    start, rng = exchange(team, [start, pack(state.rng).decode() if state else ''])[0]
    run_together(team.cluster, session, share)
    return start, state or RunState(unpack(rng), np.zeros([0, 0], np.float32), np.array(NOT_YET))


def agreement(cluster, session, names):
    """Function by which all workers get the same scalars, and stop at the same iteration.

    Args:
      cluster: Cluster.
      session: tf.Session on the default graph.
      names: of the scalars.
    Returns:
      f(dict of scalars, what this worker wishes to stop for: the number of a signal, True, or 0 for nothing) → (dict of
      the means over all workers, what to stop for; 0 where none wishes to).
    """
    if cluster.count == 1:
        return lambda scalars, wish: (scalars, wish)
    mine = tf.placeholder(tf.float32, [len(names) + 1])
    means, = mean_of_all(cluster, [mine], SCALARS)

    def agree(scalars, wish):
        feeds = {mine: [*(scalars[name] for name in names), float(wish > 0)]}
        *values, wished = run_together(cluster, session, means, feeds)
        # A worker that was not sent the signal itself cannot know which it was.
        return dict(zip(names, values, strict=True)), (wish or signal.SIGTERM) if wished > 0 else 0
    return agree


def follow(settings, team):
    """Compute this worker's share of a run that the first worker keeps.

    Args:
      settings: Settings that this worker was started with.
      team: Team.
    Raises:
      BadInput, RunFailed, Interrupted: as `train`.
    """
    settings = settle_settings(team, settings)
    dataset = settle_pictures(team, settings)
    settings = settle_run(team, settings)
    with StopRequest() as stop, tf.Graph().as_default() as graph, open_session(team.target, team.config) as session:
        gan = build_graph(settings, team.cluster)
        training = Training(session, gan, dataset.images, settings, cluster=team.cluster)
        agree = agreement(team.cluster, session, list(gan.scalars))
        share = share_variables(team.cluster)
        initialize = tf.global_variables_initializer()
        graph.finalize()
        session.run(initialize)
        start, state = settle_state(team, session, share)
        for iteration, scalars in steps(training, state, start):
            scalars, stopped = agree(scalars, stop.requested)
            if fault := diverged(iteration, scalars):
                raise RunFailed(fault)
            measured = due(iteration, settings.measure_every, settings.n_iterations)
            if measured and settings.stop_when and agree(scalars, 0)[1]:
                return
            if stopped and iteration < settings.n_iterations:
                raise Interrupted(f'Stopped at iteration {iteration}; the first worker saves it.', stopped)


def diverged(iteration, scalars):
    """The sentence about a loss that is not finite; '' where both are."""
    for name in ('Discriminator_Loss', 'Generator_Loss'):
        if not np.isfinite(scalars[name]):
            return (f'{name} is {scalars[name]} at iteration {iteration}: the training has diverged, and a '
                    'lower LEARNING_RATE may hold it.')
    return ''
