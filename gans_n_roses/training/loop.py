"""The training run: a folder of pictures in, a run folder out."""

import contextlib
import dataclasses
import secrets
from datetime import datetime

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput, Interrupted, RunFailed, reason
from gans_n_roses.machine.cluster import ALONE
from gans_n_roses.machine.collectives import join, lost_worker_told, share_variables
from gans_n_roses.machine.files import lock_folder
from gans_n_roses.machine.precision import choose_precision, describe_choice
from gans_n_roses.machine.session import open_session, within_memory
from gans_n_roses.machine.stopping import StopRequest
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.quality.recipe import take_recipe
from gans_n_roses.runs.checkpoints import (
    best_score,
    build_save,
    read_newest,
    restore_run,
    save_checkpoint,
    set_aside_later,
)
from gans_n_roses.runs.folders import find_run, how_to_go_on, make_run_folder
from gans_n_roses.runs.options import read_options, record_options, version_remarks, worker_remarks
from gans_n_roses.runs.resuming import merge_settings, what_makes_it
from gans_n_roses.runs.shipped import shipped_size
from gans_n_roses.runs.state import NOT_YET
from gans_n_roses.training.introduction import introduce, what_to_load
from gans_n_roses.training.measuring import Measurements
from gans_n_roses.training.monitor import (
    Monitor,
    animation_path,
    grid_paths,
    lacks_animation,
    nearest_paths,
    save_animation,
)
from gans_n_roses.training.starting import begin_from, first_weights
from gans_n_roses.training.steps import Training, begin, due, steps
from gans_n_roses.training.together import (
    agreement,
    diverged,
    follow,
    settle_pictures,
    settle_run,
    settle_settings,
    settle_state,
)


@within_memory()
def train(settings, cluster=ALONE):
    """Train both networks on a folder of pictures, from the start or from where a run stopped.

    Args:
      settings: Settings.
      cluster: Cluster that this worker belongs to.
    Returns:
      RunFolder, with everything that was made; None to a worker that is not the first, and makes nothing.
    Raises:
      BadInput: nothing was trained; a setting, file or folder is wrong.
      RunFailed: a loss is not finite, the disk is full, or another worker is lost; earlier checkpoints are as they
        were.
      Interrupted: Ctrl-C, SIGTERM or SIGHUP; the iteration was finished and saved.
    """
    team = join(cluster)
    with lost_worker_told(cluster):
        return _lead(settings, team) if cluster.leads else follow(settings, team)


def _lead(settings, team):
    """Train as the first worker, or the only one."""
    # What to go on with
    asked, cluster = settings, team.cluster
    run, options, remarks = None, None, []
    if settings.resume:
        run = find_run(settings.results_path, settings.dataset_chosen, settings.run)
        options = read_options(run)
        settings, remarks = merge_settings(settings, options, run.options)
        remarks = [*version_remarks(options), *worker_remarks(options, cluster.count, settings.batch_size), *remarks]
    elif settings.seed is None:
        settings = dataclasses.replace(settings, seed=secrets.randbelow(2**32))
    if settings.precision == 'auto':
        precision, share = choose_precision()
        remarks.append(describe_choice(precision, share))
        settings = dataclasses.replace(settings, precision=precision)
    if cluster.count > 1:
        remarks.append(f'{cluster.count} workers, each with a batch of {settings.batch_size}: an iteration takes '
                       f'{cluster.count * settings.batch_size} pictures')
    settings = settle_settings(team, asked, settings)
    for remark in remarks:
        print(remark)

    # Pictures
    print(f'Reading {settings.dataset_path}', flush=True)
    dataset = settle_pictures(team, settings)

    # What a new run takes, and begins from
    recipe, weights = [], None
    if not options:
        if settings.recipe == 'auto':
            settings, recipe = take_recipe(settings, shipped_size())
        settings, weights = first_weights(settings)
    settle_run(team, settings)

    # From here on a signal waits for a checkpoint: a run's folder without one could not go on.
    with StopRequest() as stop, _claim(run or make_run_folder(settings, datetime.now())) as run, \
            tf.Graph().as_default() as graph, open_session(team.target, team.config) as session:
        # Networks
        gan = build_graph(settings, cluster)
        training = Training(session, gan, dataset.images, settings, run, build_save(), cluster)
        agree = agreement(cluster, session, list(gan.scalars))
        share = share_variables(cluster)
        initialize = tf.global_variables_initializer()
        graph.finalize()
        session.run(initialize)

        # State
        if weights:
            begin_from(session, weights)
        start, state = _go_on(training) if options else (0, begin(settings))
        settle_state(team, session, share, start, state)
        known = _record(training, options, dataset, start, weights)
        introduce(run, settings, dataset, graph, start, recipe, weights)
        if not known:
            state.better[:] = NOT_YET  # what was measured beside other pictures is not compared

        # Train
        with Monitor(run, start, settings.n_iterations, cluster.count, settings.batch_size) as monitor:
            if not options:
                monitor.graph(graph, what_makes_it(settings))
                monitor.real_images(dataset.images)
            measurements = Measurements(training, monitor, best_score(run.saved_models) if known else np.inf)
            try:
                with lost_worker_told(cluster):
                    _loop(training, state, start, monitor, measurements, stop, agree)
            except RunFailed as failed:
                raise RunFailed(f'{failed} {_how_to_go_on(training, *failed.changes)}') from None
            monitor.animation()
    print(what_to_load(run, settings.origin))
    return run


def _loop(training, state, start, monitor, measurements, stop, agree):
    """Train from iteration `start` to the last, or until the workers agree to stop."""
    session, gan, _, settings, run, save_ops, *_ = training
    last = settings.n_iterations

    def show_grid(iteration):
        monitor.grid(iteration, session.run(gan.samples, {gan.sample_z: state.grid_z}))

    if start == 0:
        show_grid(0)
    for iteration, scalars in steps(training, state, start):
        scalars, stopped = agree(scalars, stop.requested)
        _check_finite(scalars, iteration, settings, monitor)
        monitor.progress(iteration, scalars['Discriminator_Loss'], scalars['Generator_Loss'])
        measurements.watch(iteration, scalars)

        try:
            if due(iteration, settings.measure_every, last):
                no_better = measurements.take(iteration, state)
                if settings.stop_when and agree(scalars, no_better)[1]:
                    last = iteration
            if due(iteration, settings.scalars_every, last):
                monitor.scalars(iteration, scalars)
            if due(iteration, grid_cadence(settings, iteration), last):
                show_grid(iteration)
        finally:  # the checkpoint comes last, since what a kill cuts off is done again; and it comes in any case
            # The first, too: a disk that has no room is told at once, and no crash leaves a run that cannot go on.
            if due(iteration, settings.checkpoint_every, last) or iteration == 1 or stopped:
                save_checkpoint(session, save_ops, run.saved_models, iteration, state, settings.checkpoints_kept)
        if iteration == last or stopped:
            break
    if last < settings.n_iterations:
        monitor.say(f'STOP_WHEN is {settings.stop_when!r}, so the run ends at iteration {iteration}. '
                    + _how_to_go_on(training, 'STOP_WHEN='))
    elif iteration < last:
        raise Interrupted(f'Stopped at iteration {iteration}. {_how_to_go_on(training)}', stopped)


def grid_cadence(settings, iteration):
    """How many iterations apart the sample grids are at an iteration."""
    return settings.grid_every if iteration < settings.grid_later_from else settings.grid_every_later


@contextlib.contextmanager
def _claim(run):
    try:
        claim = lock_folder(run.path)
    except OSError as problem:
        raise BadInput(f'{run.path} cannot be written: {problem.strerror}. Make it so, or train a new run.') from None
    if claim is None:
        raise BadInput(f'{run.path} is being trained right now by another process: wait for it, or stop it first.')
    with claim:
        yield run


def _go_on(training):
    """Restore the newest whole checkpoint, and clear away what came after it; returns (iteration, RunState)."""
    settings, run = training.settings, training.run
    newest = read_newest(run.saved_models)
    if newest.iteration >= settings.n_iterations:
        raise BadInput(f'{_complete(run)}The run has made its {newest.iteration} iterations and N_ITERATIONS is '
                       f'{settings.n_iterations}: raise N_ITERATIONS to go on.')
    state = restore_run(training.session, newest, settings)
    try:
        for folder in (run.tensorboard, run.generated_images):  # one may have deleted them to save room
            folder.mkdir(exist_ok=True)
        set_aside_later(run.saved_models, newest.path.name)
        for path in (*grid_paths(run), *nearest_paths(run)):  # of iterations that will be made again
            if int(path.stem) > newest.iteration:
                path.unlink()
    except OSError as problem:
        raise BadInput(f'{problem.filename} cannot be changed: {problem.strerror}. Make {run.path} writable.') from None
    return newest.iteration, state


def _complete(run):
    """Make the film that a run was killed over, after its last iteration; returns the sentence about it."""
    if not lacks_animation(run):
        return ''
    try:
        save_animation(run)
    except OSError as problem:
        return f'{animation_path(run)} was missing, and cannot be made: {reason(problem)}. '
    return f'{animation_path(run)} was missing, and is made now. '


def _check_finite(scalars, iteration, settings, monitor):
    if sentence := diverged(iteration, scalars):
        monitor.text(iteration, sentence)
        raise RunFailed(sentence, f'LEARNING_RATE={settings.learning_rate / 2:g}')


def _how_to_go_on(training, *changes):
    count = training.cluster.count
    return how_to_go_on(training.run.saved_models, training.settings.origin, *changes) + (
        f' All {count} workers go on if each is started with these words.' if count > 1 else '')


def _record(training, options, dataset, iteration, weights):
    """Write options.json; returns whether the run was trained on these very pictures before."""
    settings, run = training.settings, training.run
    try:
        record_options(run, options, settings, dataset, iteration, weights, training.cluster.count)
    except OSError as fault:
        raise RunFailed(f'{run.options} cannot be written: {fault.strerror}. {_how_to_go_on(training)}') from None
    known = options is not None and options['data'].get('fingerprint') == dataset.fingerprint
    if options and not known:
        print(f'The pictures in {settings.dataset_path} have changed since the run was last trained: '
              f'{options["data"].get("pictures")} then, {len(dataset.images)} now. Training goes on with those of now.')
    return known
