"""The training run: a folder of pictures in, a run folder out."""

import contextlib
import shutil
from datetime import datetime

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput, Interrupted, RunFailed
from gans_n_roses.machine.files import lock_folder
from gans_n_roses.machine.precision import WHY, choose_precision
from gans_n_roses.machine.session import within_memory
from gans_n_roses.machine.stopping import StopRequest
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.pictures.kinds import listed
from gans_n_roses.runs.checkpoints import best_score, build_save, clear_up, read_newest, restore_run, save_checkpoint
from gans_n_roses.runs.folders import checkpoint_names, how_to_go_on, make_run_folder
from gans_n_roses.runs.options import record_options
from gans_n_roses.runs.state import NOT_YET
from gans_n_roses.training.introduction import introduce, what_to_load
from gans_n_roses.training.measuring import Measurements
from gans_n_roses.training.monitor import Monitor, delete_grids
from gans_n_roses.training.start_from import begin_from, first_weights
from gans_n_roses.training.steps import Training, begin, due, grid_of, steps
from gans_n_roses.workers.team import join

SCALARS_EVERY = 10  # iterations
GRIDS_BEFORE_FEWER = 100  # grids that are GRID_EVERY iterations apart; later ones are FEWER times as far apart
FEWER = 10


@within_memory()
def train(plan):
    """Train both networks on a folder of pictures, from the start or from where a run stopped.

    Args:
      plan: Plan.
    Returns:
      RunFolder, with everything that was made; None to a worker that is not the first, and keeps nothing.
    Raises:
      BadInput: nothing was trained; a setting, file or folder is wrong.
      RunFailed: a loss is not finite, the disk is full, or another worker is lost; earlier checkpoints are as they
        were.
      Interrupted: Ctrl-C, SIGTERM or SIGHUP; the iteration was finished and saved.
    """
    team = join(plan.cluster)
    with team.losses_told():
        # Settings and pictures
        settings = _with_precision(plan.settings) if team.leads else plan.settings
        settings = team.settle_settings(plan.asked, settings)
        if team.leads:
            print(f'Reading {settings.dataset_path}', flush=True)
        dataset = read_folder(settings.dataset_path, settings.image_size, settings.channels, settings.fit,
                              settings.labels)
        team.settle_pictures(dataset)
        _require_batch(settings, len(dataset.images), team.cluster)
        weights = first_weights(plan, dataset.images, dataset.kinds.names)

        # From here on a signal waits for a checkpoint: a run's folder without one could not go on. The session
        # comes before the folder: TensorFlow ends the process where it cannot start its threads.
        with StopRequest() as stop, tf.Graph().as_default() as graph, team.open_session() as session, \
                _claimed(plan, settings) as run:
            # Networks
            if team.leads:
                print('Building the networks', flush=True)
            gan = build_graph(settings, team, len(dataset.kinds.names))
            training = Training(session, gan, dataset.images, settings, team, run, build_save(dataset.kinds),
                                dataset.kinds)
            team.prepare(list(gan.scalars))
            initialize = tf.global_variables_initializer()
            graph.finalize()
            session.run(initialize)

            # State
            start, state = 0, begin(settings, dataset.kinds)
            if plan.options:
                start, state = _restore(training)
            elif weights:
                begin_from(session, weights)
            start, state = team.settle_state(session, start, state)

            # Train
            monitor, measurements = None, None  # the first worker's alone: it shows and keeps the run
            with contextlib.ExitStack() as stack:
                if team.leads:
                    known = _record(training, plan.options, dataset, start, weights)
                    state = state if known else state._replace(better=NOT_YET)  # it was measured beside other pictures
                    introduce(training, dataset, start, plan.recipe, weights)
                    monitor = stack.enter_context(Monitor(run, start, settings, team.count))
                    if not plan.options:
                        monitor.begin(graph, settings, dataset.images)
                    measurements = Measurements(training, monitor, best_score(run.saved_models) if known else np.inf)
                try:
                    with team.losses_told():
                        _iterate(training, state, start, stop, monitor, measurements)
                except RunFailed as failed:
                    raise RunFailed(f'{failed} {_how_to_go_on(training, *failed.changes)}') from None
    if team.leads:
        print(what_to_load(run, settings.origin))
    return run


def _iterate(training, state, start, stop, monitor, measurements):
    """Train from iteration `start` to the last, or until the workers agree to stop."""
    session, gan, settings, team, run = (
        training.session, training.gan, training.settings, training.team, training.run)
    last = settings.n_iterations
    grid_z, titles = grid_of(state.grid_z, training.kinds)

    def show_grid(iteration):
        monitor.grid(iteration, session.run(gan.samples, {gan.sample_z: grid_z}), titles)

    if team.leads and start == 0:
        show_grid(0)
    for iteration, scalars in steps(training, state, start):
        scalars, signal = team.agree(session, scalars, stop.requested)
        _check_finite(scalars, iteration, settings, monitor)
        measured, no_better = due(iteration, settings.checkpoint_every, last), False

        # What is shown and kept
        if team.leads:
            monitor.progress(iteration, scalars['Discriminator_Loss'], scalars['Generator_Loss'])
            measurements.watch(iteration, scalars)
            try:
                if measured:
                    with monitor.busy('Measuring'):
                        state, no_better = measurements.take(iteration, state)
                    last = iteration if no_better and settings.stop_when else last
                if due(iteration, SCALARS_EVERY, last):
                    monitor.scalars(iteration, scalars)
                if due(iteration, _grids_apart(settings, iteration), last):
                    show_grid(iteration)
                if iteration == last:
                    with monitor.busy('Making the film'):
                        monitor.animation()
            finally:
                # Saved last: after a kill, the resumed run makes this iteration's grid and measurements again. Saved
                # even if one of them failed. The first one, too: a full disk shows at once, and a crash loses no run.
                if measured or iteration == 1 or signal:
                    save_checkpoint(session, training.save_ops, run.saved_models, iteration, state,
                                    settings.checkpoints_kept)

        if measured and settings.stop_when and team.anybody(session, no_better):
            last = iteration
        if iteration == last or signal:
            break
    if iteration < last:
        raise Interrupted(f'Stopped at iteration {iteration}. {_how_to_go_on(training)}', signal)
    if team.leads and last < settings.n_iterations:
        monitor.say(f'STOP_WHEN is {settings.stop_when!r}, so the run ends at iteration {iteration}. '
                    + _how_to_go_on(training, 'STOP_WHEN='))


def _with_precision(settings):
    """Settings in which PRECISION is no longer 'auto': the choice is said."""
    if settings.precision != 'auto':
        return settings
    precision = choose_precision()
    print(f'Computes in {precision}: {WHY[precision]}')
    return settings.changed({'PRECISION': precision})


def _require_batch(settings, count, cluster):
    if count < settings.batch_size * cluster.count:
        raise BadInput(f'BATCH_SIZE is {settings.batch_size}{cluster.each}, but DATASET_PATH '
                       f'{settings.dataset_path!r} holds {count} pictures: {cluster.mend(count, settings.batch_size)}.')


@contextlib.contextmanager
def _claimed(plan, settings):
    """The run's folder, held until the end of the block, so that no other process trains it; None to a follower.

    If the block fails before a new run's first checkpoint, the folder is deleted: the run could not go on.
    """
    if not plan.cluster.leads:
        yield None
        return
    run = plan.run or make_run_folder(settings, datetime.now())
    try:
        claim = lock_folder(run.path)
    except OSError as problem:
        raise BadInput(f'{run.path} cannot be written: {problem.strerror}. Make it so, or train a new run.') from None
    if claim is None:
        raise BadInput(f'{run.path} is being trained right now by another process: wait for it, or stop it first.')
    try:
        with claim:
            yield run
    except BaseException:
        if not plan.run and not checkpoint_names(run.saved_models):
            shutil.rmtree(run.path, ignore_errors=True)
        raise


def _restore(training):
    """Restore the newest whole checkpoint, and clear away what came after it; returns (iteration, RunState)."""
    settings, run = training.settings, training.run
    newest = read_newest(run.saved_models)
    _require_same_kinds(training, newest.kinds)
    state = restore_run(training.session, newest, settings)._replace(kinds=training.kinds)
    try:
        for folder in (run.tensorboard, run.generated_images):  # one may have deleted them to save room
            folder.mkdir(exist_ok=True)
        clear_up(run.saved_models, newest, settings.checkpoints_kept)
        delete_grids(run, newest.iteration)
    except OSError as problem:
        raise BadInput(f'{problem.filename} cannot be changed: {problem.strerror}. Make {run.path} writable.') from None
    if newest.iteration >= settings.n_iterations:
        raise BadInput(f'The run has made its {newest.iteration} iterations and N_ITERATIONS is '
                       f'{settings.n_iterations}: raise N_ITERATIONS to go on.')
    return newest.iteration, state


def _require_same_kinds(training, known):
    """Refuse folders of other names than the run's own (LABELS): its networks know the kinds by these. Raises BadInput.

    Args:
      training: Training.
      known: Kinds that the run's newest checkpoint knows.
    """
    now, run = training.kinds.names, training.run
    if now == known.names:
        return
    gone = [name for name in known.names if name not in now]
    new = [name for name in now if name not in known.names]
    changes = [f'{what} {listed(names)}' for what, names in (('without pictures of', gone), ('with', new)) if names]
    raise BadInput(f'The run {run.path} knows the kinds {known}, but the folders in DATASET_PATH '
                   f'{training.settings.dataset_path!r} are others now, {" and ".join(changes)}: give them the names '
                   f'that they had, or begin a new run with START_FROM={run.path}.')


def _record(training, options, dataset, iteration, weights):
    """Write options.json; returns whether the run was trained on these very pictures before."""
    settings, run = training.settings, training.run
    try:
        record_options(run, options, settings, dataset, iteration, weights, training.team.count)
    except OSError as fault:
        raise RunFailed(f'{run.options} cannot be written: {fault.strerror}. {_how_to_go_on(training)}') from None
    known = options is not None and options['data'].get('fingerprint') == dataset.fingerprint
    if options and not known:
        print(f'The pictures in {settings.dataset_path} have changed since the run was last trained: '
              f'{options["data"].get("pictures")} then, {len(dataset.images)} now. Training goes on with those of now.')
    return known


def _grids_apart(settings, iteration):
    """The number of iterations from one sample grid to the next."""
    fewer = iteration >= GRIDS_BEFORE_FEWER * settings.grid_every
    return settings.grid_every * (FEWER if fewer else 1)


def _check_finite(scalars, iteration, settings, monitor):
    for name in ('Discriminator_Loss', 'Generator_Loss'):
        if not np.isfinite(scalars[name]):
            sentence = (f'{name} is {scalars[name]} at iteration {iteration}: the training has diverged, and a lower '
                        'LEARNING_RATE may hold it.')
            if monitor:
                monitor.text(iteration, sentence)
            raise RunFailed(sentence, f'LEARNING_RATE={settings.learning_rate / 2:g}')


def _how_to_go_on(training, *changes):
    cluster = training.team.cluster
    if not cluster.leads:
        return 'The first worker keeps the run: start all workers with RESUME=True to go on.'
    return how_to_go_on(training.run.saved_models, training.settings.origin, *changes) + (
        '' if cluster.alone else f' All {cluster.count} workers go on if each is started with these words.')
