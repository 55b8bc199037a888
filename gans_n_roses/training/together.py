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
from gans_n_roses.machine.collectives import SCALARS, exchange, mean_of_all, share_variables
from gans_n_roses.machine.session import open_session
from gans_n_roses.machine.stopping import StopRequest
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.runs.resuming import what_makes_it
from gans_n_roses.runs.state import RunState, pack, unpack
from gans_n_roses.training.steps import Training, steps


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
    if not (asked.resume and os.path.isdir(values['DATASET_PATH'])):
        values['DATASET_PATH'] = asked.dataset_path
    return dataclasses.replace(asked, **{name.lower(): value for name, value in values.items()})


def settle_pictures(team, dataset):
    """Refuse workers that do not have the first worker's pictures.

    Raises:
      BadInput: a worker has others. All say so.
    """
    (count, fingerprint), *others = exchange(team, [len(dataset.images), dataset.fingerprint])
    for index, (other_count, other) in enumerate(others, start=1):
        if other != fingerprint:
            raise BadInput(f'{team.cluster.name(index)} has other pictures ({other_count}) than the first worker '
                           f'({count}): give DATASET_PATH the same files on each machine.')


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
    session.run(share)
    return start, state or RunState(unpack(rng), np.zeros([0, 0], np.float32))


def agreement(cluster, session, names, stop):
    """Function by which all workers get the same scalars, and stop at the same iteration.

    Args:
      cluster: Cluster.
      session: tf.Session on the default graph.
      names: of the scalars.
      stop: StopRequest of this worker.
    Returns:
      f(dict of scalars) → (dict of their means over all workers, number of the signal to stop for, or 0).
    """
    if cluster.count == 1:
        return lambda scalars: (scalars, stop.requested)
    mine = tf.placeholder(tf.float32, [len(names) + 1])
    means, = mean_of_all(cluster, [mine], SCALARS)

    def agree(scalars):
        own = stop.requested
        *values, asked = session.run(means, {mine: [*(scalars[name] for name in names), float(own > 0)]})
        # A worker that was not sent the signal itself cannot know which it was.
        return dict(zip(names, values, strict=True)), (own or signal.SIGTERM) if asked > 0 else 0
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
    dataset = read_folder(settings.dataset_path, settings.image_size)
    settle_pictures(team, dataset)
    with StopRequest() as stop, tf.Graph().as_default() as graph, open_session(team.target, team.config) as session:
        gan = build_graph(settings, team.cluster)
        training = Training(session, gan, dataset.images, settings, cluster=team.cluster)
        agree = agreement(team.cluster, session, list(gan.scalars), stop)
        share = share_variables(team.cluster)
        initialize = tf.global_variables_initializer()
        graph.finalize()
        session.run(initialize)
        start, state = settle_state(team, session, share)
        for iteration, scalars in steps(training, state, start):
            scalars, stopped = agree(scalars)
            if fault := diverged(iteration, scalars):
                raise RunFailed(fault)
            if stopped and iteration < settings.n_iterations:
                raise Interrupted(f'Stopped at iteration {iteration}; the first worker saves it.', stopped)


def diverged(iteration, scalars):
    """The sentence about a loss that is not finite; '' where both are."""
    for name in ('Discriminator_Loss', 'Generator_Loss'):
        if not np.isfinite(scalars[name]):
            return (f'{name} is {scalars[name]} at iteration {iteration}: the training has diverged, and a '
                    'lower LEARNING_RATE may hold it.')
    return ''
