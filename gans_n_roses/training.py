"""The training run: a folder of pictures in, a run folder out."""

import dataclasses
import platform
import secrets
import signal
from datetime import datetime
from importlib import metadata

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.checkpoints import (
    RunState,
    build_save,
    how_to_go_on,
    read_newest,
    restore_run,
    save_checkpoint,
    set_aside_later,
)
from gans_n_roses.data import next_batch, read_folder, summary
from gans_n_roses.errors import BadInput, Interrupted, RunFailed
from gans_n_roses.files import hold
from gans_n_roses.graph import build_graph
from gans_n_roses.monitor import Monitor, grid_paths, network_table, tensorboard_command
from gans_n_roses.results import find_run, make_run_folder, read_options, write_options
from gans_n_roses.resuming import settle
from gans_n_roses.session import device_name, open_session

FEW_PICTURES = 1000
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
    run, options = None, {}
    if settings.resume:
        run = find_run(settings.results_path, settings.dataset_chosen, settings.run)
        options = read_options(run)
        settings, remarks = settle(settings, options['settings'], run.options)
        print('\n'.join(remarks))
    elif settings.seed is None:
        settings = dataclasses.replace(settings, seed=secrets.randbelow(2**32))

    # Data
    print(f'Reading {settings.dataset_path}', flush=True)
    dataset = read_folder(settings.dataset_path, settings.image_size)
    if len(dataset.images) < settings.batch_size:
        raise BadInput(f'BATCH_SIZE is {settings.batch_size}, but DATASET_PATH {settings.dataset_path!r} holds '
                       f'{len(dataset.images)} pictures: set BATCH_SIZE to at most that, or add pictures.')
    run = run or make_run_folder(settings, datetime.now())
    held = hold(run.path)
    if held is None:
        raise BadInput(f'{run.path} is being trained right now by another process: wait for it, or stop it first.')

    with held, tf.Graph().as_default() as graph, open_session() as session:
        # Networks
        gan = build_graph(settings)
        save_ops = build_save()
        initialize = tf.global_variables_initializer()
        graph.finalize()
        session.run(initialize)

        # State
        if options:
            iteration, values = read_newest(run.saved_models)
            state = restore_run(session, values, run.saved_models / f'train-{iteration}')
            _check_unfinished(settings, iteration)
            set_aside_later(run.saved_models, iteration)
            for path in grid_paths(run):  # of iterations that will be made again
                if int(path.stem) > iteration:
                    path.unlink()
        else:
            iteration = 0
            rng = np.random.RandomState(settings.seed)
            grid_z = rng.uniform(-1, 1, [settings.n_samples, settings.z_dim]).astype(np.float32)
            state = RunState(rng, grid_z)
        _record_options(run, options, settings, dataset, iteration)

        # What the user sees
        _introduce(run, settings, dataset, graph, iteration)
        with Monitor(run, iteration, settings.n_iterations) as monitor, StopRequest() as stop:
            if not options:
                monitor.graph(graph, _hyperparameters(settings))
                monitor.real_images(dataset.images)
                monitor.grid(0, session.run(gan.samples, {gan.sample_z: state.grid_z}))
                save_checkpoint(session, save_ops, run.saved_models, 0, state, settings.checkpoints_kept)

            # Train
            while iteration < settings.n_iterations and not stop.requested:
                iteration += 1
                images = next_batch(dataset.images, settings.batch_size, state.rng)
                z = state.rng.uniform(-1, 1, [settings.batch_size, settings.z_dim]).astype(np.float32)
                _, scalars = session.run([gan.train_step, gan.scalars], {gan.images: images, gan.z: z})
                _check_finite(scalars, iteration, settings, run)
                monitor.progress(iteration, scalars['Discriminator_Loss'], scalars['Generator_Loss'])

                # Record and save; what is due at the end is due however the run ends
                done = iteration == settings.n_iterations
                if iteration % settings.scalars_every == 0 or done:
                    monitor.scalars(iteration, scalars)
                if iteration % grid_cadence(settings, iteration) == 0 or done:
                    monitor.grid(iteration, session.run(gan.samples, {gan.sample_z: state.grid_z}))
                if iteration % settings.checkpoint_every == 0 or done:
                    save_checkpoint(session, save_ops, run.saved_models, iteration, state, settings.checkpoints_kept)
            if stop.requested and iteration < settings.n_iterations:
                save_checkpoint(session, save_ops, run.saved_models, iteration, state, settings.checkpoints_kept)
                raise Interrupted(f'Stopped at iteration {iteration}. {how_to_go_on(run.saved_models)}', stop.requested)
            monitor.animation()
    print(f"Done: {run.path}\nMake roses with it: python main.py LOAD=True RUN='{run.path}'")
    return run


class StopRequest:
    """Notes Ctrl-C and SIGTERM, so that an iteration is finished and saved. The second one ends the process at once.

    Attributes:
      requested: the signal's number, or 0.
    """

    def __enter__(self):
        self.requested = 0
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, _):
        self.requested = number
        # The system's own handling ends even a step inside TensorFlow; files are whole or aside, so it harms nothing.
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)


def grid_cadence(settings, iteration):
    """How many iterations apart the sample grids are at an iteration."""
    return settings.grid_every if iteration < settings.grid_later_from else settings.grid_every_later


def _check_unfinished(settings, iteration):
    if iteration >= settings.n_iterations:
        raise BadInput(f'The run has made its {iteration} iterations and N_ITERATIONS is {settings.n_iterations}: '
                       'raise N_ITERATIONS to go on.')


def _check_finite(scalars, iteration, settings, run):
    for name in ('Discriminator_Loss', 'Generator_Loss'):
        if not np.isfinite(scalars[name]):
            lower = f' LEARNING_RATE={settings.learning_rate / 2:g}'
            raise RunFailed(f'{name} is {scalars[name]} at iteration {iteration}: the training has diverged, and a '
                            f'lower LEARNING_RATE may hold it. {how_to_go_on(run.saved_models, lower)}')


def _record_options(run, options, settings, dataset, iteration):
    now = datetime.now().isoformat(timespec='seconds')
    found = {'pictures': len(dataset.images), 'duplicates': dataset.duplicates, 'enlarged': dataset.enlarged,
             'skipped': dict(dataset.skipped), 'fingerprint': dataset.fingerprint}
    changes = {}
    if options:
        changes = {name: [options['settings'].get(name), value] for name, value in settings.constants().items()
                   if options['settings'].get(name) != value}
        if options.get('data', {}).get('fingerprint') != dataset.fingerprint:
            print(f'The pictures in {settings.dataset_path} have changed since the run was last trained: '
                  f'{options.get("data", {}).get("pictures")} then, {len(dataset.images)} now. '
                  'Training goes on with those of now.')
            changes['data'] = [options.get('data', {}).get('fingerprint'), dataset.fingerprint]
    packages = {'python': platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}
    history = [*options.get('history', []), {'time': now, 'iteration': iteration, 'changes': changes}]
    write_options(run, {'settings': settings.constants(), 'packages': packages, 'data': found, 'history': history})


def _introduce(run, settings, dataset, graph, iteration):
    first, *others = summary(dataset)
    print(f'\n{network_table(graph)}\n')
    print(f'Runs on      {device_name()}')
    print(f'Pictures     {first}', *(f'\n             {line}' for line in others), sep='')
    if len(dataset.images) < FEW_PICTURES:
        print('             so few are soon learnt by heart: README.md, "Few pictures"')
    print(f'Run          {run.path} (SEED {settings.seed})' + (f', from iteration {iteration}' if iteration else ''))
    print(f'TensorBoard  {tensorboard_command(run.path.parent)}', flush=True)


def _hyperparameters(settings):
    return {name: value for name, value in settings.constants().items() if isinstance(value, bool | int | float | str)}
