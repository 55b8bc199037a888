"""The training run: a folder of pictures in, a run folder out."""

import dataclasses
import platform
import secrets
from datetime import datetime
from importlib import metadata

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.checkpoints import RunState, build_save, save_checkpoint
from gans_n_roses.data import next_batch, read_folder
from gans_n_roses.errors import BadInput, Interrupted, RunFailed
from gans_n_roses.files import hold
from gans_n_roses.graph import build_graph
from gans_n_roses.introduction import introduce
from gans_n_roses.measuring import Measurements
from gans_n_roses.monitor import Monitor, grid_paths, nearest_paths
from gans_n_roses.precision import choose_precision, describe_choice
from gans_n_roses.restoring import best_score, read_newest, restore_run, set_aside_later
from gans_n_roses.results import find_run, how_to_go_on, make_run_folder, read_options, write_options
from gans_n_roses.resuming import BEFORE, settle, what_makes_it
from gans_n_roses.session import open_session
from gans_n_roses.stopping import StopRequest

PACKAGES = ('tensorflow', 'numpy', 'pillow', 'tensorboard')


def train(settings):
    """Train both networks on a folder of pictures, from the start or from where a run stopped.

    Args:
      settings: Settings.
    Returns:
      RunFolder, with everything that was made.
    Raises:
      BadInput: nothing was trained; a setting, file or folder is wrong.
      RunFailed: a loss is not finite, or the disk is full; earlier checkpoints are as they were.
      Interrupted: Ctrl-C or SIGTERM; the iteration was finished and saved.
    """
    # What to go on with
    run, options = None, None
    if settings.resume:
        run = find_run(settings.results_path, settings.dataset_chosen, settings.run)
        options = read_options(run)
        settings, remarks = settle(settings, options['settings'], run.options)
        print('\n'.join(remarks))
    elif settings.seed is None:
        settings = dataclasses.replace(settings, seed=secrets.randbelow(2**32))

    if settings.precision == 'auto':
        precision, share = choose_precision()
        print(describe_choice(precision, share))
        settings = dataclasses.replace(settings, precision=precision)

    # Data
    dataset = _read_pictures(settings)
    run = run or make_run_folder(settings, datetime.now())

    with _claim(run), tf.Graph().as_default() as graph, open_session() as session:
        # Networks
        gan = build_graph(settings)
        save_ops = build_save()
        initialize = tf.global_variables_initializer()
        graph.finalize()
        session.run(initialize)

        # State
        iteration, state = _go_on(session, run, settings) if options else (0, _begin(settings))
        _record_options(run, options, settings, dataset, iteration)
        introduce(run, settings, dataset, graph, iteration)

        # Train
        with Monitor(run, iteration, settings.n_iterations) as monitor, StopRequest() as stop:
            if not options:
                monitor.graph(graph, what_makes_it(settings))
                monitor.real_images(dataset.images)
            known = options and options['data'].get('fingerprint') == dataset.fingerprint
            measurements = Measurements(session, gan, save_ops, dataset.images, settings, run, monitor,
                                        best_score(run.saved_models) if known else np.inf)
            _loop(session, gan, save_ops, state, iteration, dataset.images, settings, run, monitor, measurements, stop)
            monitor.animation()
    print(f"Done: {run.path}\nMake roses with it: python main.py LOAD=True RUN='{run.path}'")
    return run


def _loop(session, gan, save_ops, state, start, pictures, settings, run, monitor, measurements, stop):
    """Train from iteration `start` to the last, or until `stop` is requested."""
    def show_grid(iteration):
        monitor.grid(iteration, session.run(gan.samples, {gan.sample_z: state.grid_z}))

    def save(iteration):
        save_checkpoint(session, save_ops, run.saved_models, iteration, state, settings.checkpoints_kept)

    if start == 0:
        show_grid(0)
    for iteration in range(start + 1, settings.n_iterations + 1):
        images = next_batch(pictures, settings.batch_size, state.rng, settings.mirror)
        z = state.rng.uniform(-1, 1, [settings.batch_size, settings.z_dim]).astype(np.float32)
        _, scalars = session.run([gan.train_step, gan.scalars], {gan.images: images, gan.z: z})
        _check_finite(scalars, iteration, settings, run, monitor)
        monitor.progress(iteration, scalars['Discriminator_Loss'], scalars['Generator_Loss'])
        measurements.watch(iteration, scalars)

        last, stopped = iteration == settings.n_iterations, stop.requested
        if iteration % settings.scalars_every == 0 or last:
            monitor.scalars(iteration, scalars)
        if iteration % grid_cadence(settings, iteration) == 0 or last:
            show_grid(iteration)
        try:
            if iteration % settings.measure_every == 0 or last:
                measurements.take(iteration, state)
        finally:  # the checkpoint comes last, since what a kill cuts off is done again; and it comes in any case
            # The first, too: a disk that has no room is told at once, and no crash leaves a run that cannot go on.
            if iteration % settings.checkpoint_every == 0 or iteration == 1 or last or stopped:
                save(iteration)
        if stopped and not last:
            raise Interrupted(f'Stopped at iteration {iteration}. {how_to_go_on(run.saved_models)}', stopped)


def grid_cadence(settings, iteration):
    """How many iterations apart the sample grids are at an iteration."""
    return settings.grid_every if iteration < settings.grid_later_from else settings.grid_every_later


def _read_pictures(settings):
    print(f'Reading {settings.dataset_path}', flush=True)
    dataset = read_folder(settings.dataset_path, settings.image_size)
    if len(dataset.images) < settings.batch_size:
        raise BadInput(f'BATCH_SIZE is {settings.batch_size}, but DATASET_PATH {settings.dataset_path!r} holds '
                       f'{len(dataset.images)} pictures: set BATCH_SIZE to at most that, or add pictures.')
    return dataset


def _claim(run):
    try:
        claim = hold(run.path)
    except OSError as problem:
        raise BadInput(f'{run.path} cannot be written: {problem.strerror}. Make it so, or train a new run.') from None
    if claim is None:
        raise BadInput(f'{run.path} is being trained right now by another process: wait for it, or stop it first.')
    return claim


def _begin(settings):
    rng = np.random.RandomState(settings.seed)
    return RunState(rng, rng.uniform(-1, 1, [settings.n_samples, settings.z_dim]).astype(np.float32))


def _go_on(session, run, settings):
    """Restore the newest whole checkpoint, and clear away what came after it; returns (iteration, RunState)."""
    iteration, values = read_newest(run.saved_models)
    if iteration >= settings.n_iterations:
        raise BadInput(f'The run has made its {iteration} iterations and N_ITERATIONS is {settings.n_iterations}: '
                       'raise N_ITERATIONS to go on.')
    state = restore_run(session, values, run.saved_models / f'train-{iteration}')
    try:
        set_aside_later(run.saved_models, iteration)
        for path in (*grid_paths(run), *nearest_paths(run)):  # of iterations that will be made again
            if int(path.stem) > iteration:
                path.unlink()
    except OSError as problem:
        raise BadInput(f'{problem.filename} cannot be changed: {problem.strerror}. Make {run.path} writable.') from None
    return iteration, state


def _check_finite(scalars, iteration, settings, run, monitor):
    for name in ('Discriminator_Loss', 'Generator_Loss'):
        if not np.isfinite(scalars[name]):
            lower = f'LEARNING_RATE={settings.learning_rate / 2:g}'
            sentence = (f'{name} is {scalars[name]} at iteration {iteration}: the training has diverged, and a '
                        f'lower LEARNING_RATE may hold it. {how_to_go_on(run.saved_models, lower)}')
            monitor.text(iteration, sentence)
            raise RunFailed(sentence)


def _record_options(run, options, settings, dataset, iteration):
    now = datetime.now().isoformat(timespec='seconds')
    found = {'pictures': len(dataset.images), 'duplicates': dataset.duplicates, 'enlarged': dataset.enlarged,
             'skipped': dict(dataset.skipped), 'fingerprint': dataset.fingerprint}
    changes = {}
    if options:
        before = {**BEFORE, **options['settings']}
        changes = {name: [before.get(name), value] for name, value in what_makes_it(settings).items()
                   if before.get(name) != value}
        if options['data'].get('fingerprint') != dataset.fingerprint:
            print(f'The pictures in {settings.dataset_path} have changed since the run was last trained: '
                  f'{options["data"].get("pictures")} then, {len(dataset.images)} now. '
                  'Training goes on with those of now.')
            changes['data'] = [options['data'].get('fingerprint'), dataset.fingerprint]
    packages = {'python': platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}
    history = [*(options['history'] if options else []), {'time': now, 'iteration': iteration, 'changes': changes}]
    try:
        write_options(run, {'settings': settings.constants(), 'packages': packages, 'data': found, 'history': history})
    except OSError as fault:
        then = how_to_go_on(run.saved_models)
        raise RunFailed(f'{run.options} cannot be written: {fault.strerror}. {then}') from None
