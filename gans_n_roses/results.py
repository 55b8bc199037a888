"""Run folders: where they are, what they are called, and the options.json that says how a run was made."""

import json
import os
import re
import shlex
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from gans_n_roses.errors import BadInput, reason
from gans_n_roses.files import read_file, write_file

FORMAT = 1  # of a run folder; raise it when an old reader would misread a new folder
TIMESTAMP = '%Y-%m-%d_%H-%M-%S'


class RunFolder(NamedTuple):
    """The folders of one run."""

    path: Path

    @property
    def tensorboard(self):
        """Losses, accuracies, sample grids, the graph and the settings, for TensorBoard."""
        return self.path / 'Tensorboard'

    @property
    def generated_images(self):
        """Sample grids while training, and what LOAD makes."""
        return self.path / 'Generated_Images'

    @property
    def saved_models(self):
        """Saved_Models, or the folder itself where someone points at checkpoints directly."""
        inside = self.path / 'Saved_Models'
        return self.path if not inside.is_dir() and checkpoint_names(self.path) else inside

    @property
    def options(self):
        """The file of settings, package versions, data and history."""
        return self.path / 'options.json'


def make_run_folder(settings, now):
    """Make the folders of a new run, with parents.

    Args:
      settings: Settings.
      now: datetime that the run's name begins with; where the clock was set back behind that of an earlier run, the
        second after it, so that the newest run stays the last one.
    Returns:
      RunFolder, claimed by this process alone: a name that is taken gets "_2", "_3" …
    Raises:
      BadInput: RESULTS_PATH cannot be written.
    """
    parent = Path(settings.results_path) / settings.dataset_chosen
    try:
        parent.mkdir(parents=True, exist_ok=True)
        begun = _not_before_others(parent, now).strftime(TIMESTAMP)
        name = '_'.join(map(str, (begun, settings.z_dim, settings.batch_size, settings.n_iterations,
                                  settings.learning_rate, settings.beta_1)))
        for attempt in range(1, 1000):
            run = RunFolder(parent / (name if attempt == 1 else f'{name}_{attempt}'))
            try:
                run.path.mkdir()
                break
            except FileExistsError:
                continue
        for folder in (run.tensorboard, run.generated_images, run.path / 'Saved_Models'):
            folder.mkdir()
    except OSError as problem:
        raise BadInput(f'No run can be kept in {parent}: {problem.strerror}. '
                       'Set RESULTS_PATH to a folder that can be written.') from None
    return run


def find_run(results_path, dataset_chosen, run):
    """The folder that RUN means.

    Args:
      results_path, dataset_chosen: as in Settings.
      run: 'latest' (the one begun last), the name of a run's folder, or a path.
    Returns:
      RunFolder with at least one checkpoint.
    Raises:
      BadInput: there is none, and what to do.
    """
    parent = Path(results_path) / dataset_chosen
    runs = sorted(_run_folders(parent), key=_begun)
    with_checkpoint = [other for other in runs if checkpoint_names(other.saved_models)]
    if run == 'latest':
        if not runs:
            raise BadInput(f'There is no run in {parent} yet: train first, with LOAD = False and RESUME = False.')
        chosen = runs[-1]
    else:
        is_name = Path(run).name == run
        others = sorted(Path(results_path).glob('*')) if is_name else []
        candidates = [*([parent / run] if is_name else []), *(folder / run for folder in others), Path(run)]
        chosen = next((RunFolder(path) for path in candidates if os.path.isdir(path)), None)
        if chosen is None:
            raise BadInput(f'RUN is {run!r}, but there is no such folder, neither in {parent} nor as a path'
                           + (f': the latest run there is {runs[-1].path.name!r}.' if runs else '.'))
    if not checkpoint_names(chosen.saved_models):
        other = (f"RUN = '{with_checkpoint[-1].path.name}' is the newest run that has one." if with_checkpoint
                 else 'Train first, with LOAD = False and RESUME = False.')
        raise BadInput(f'{chosen.path} has no checkpoint. {other}')
    return chosen


def checkpoint_iterations(folder, kind='train'):
    """The iterations that have a checkpoint of a kind, 'train' or 'best', in a folder, lowest first."""
    indices = Path(folder).glob(f'{kind}-*.index')
    matches = (re.fullmatch(rf'{kind}-(0|[1-9][0-9]*)\.index', path.name) for path in indices)
    return sorted(int(match[1]) for match in matches if match)


def checkpoint_names(folder, kinds=('train', 'best')):
    """The names of the checkpoints in a folder, the newest last: at the same iteration "best-6", then "train-6"."""
    found = [(iteration, kind) for kind in kinds for iteration in checkpoint_iterations(folder, kind)]
    return [f'{kind}-{iteration}' for iteration, kind in sorted(found)]


def how_to_go_on(folder, change=''):
    """A sentence that says what was saved last in Saved_Models, and the command that goes on from there.

    Args:
      folder: Path of Saved_Models.
      change: a NAME=value that the run should go on with.
    """
    names = checkpoint_names(folder)
    if not names:
        return 'Nothing was saved before.'
    iteration = names[-1].partition('-')[2]
    words = ['RESUME=True', f'RUN={folder.parent}']
    return (f'The last checkpoint is {folder / names[-1]}: go on from iteration {iteration} with '
            f'`{command(words, [change] if change else [])}`.')


def command(before, after=()):
    """The command that does what this process does, with some NAME=value more."""
    # What this process was given on its command line stands in no file, and would be lost with it.
    given = [word for word in sys.argv[1:] if re.match(r'(?!LOAD|RESUME|RUN)[A-Z][A-Z_0-9]*=', word)]
    return f'python main.py {shlex.join([*before, *given, *after])}'


def write_options(run, options):
    """Write options.json. Raises OSError as `write_file`."""
    write_file(run.options, (json.dumps({'format': FORMAT, **options}, indent=2) + '\n').encode())


def read_options(run):
    """Read options.json.

    Returns:
      dict with "format", "settings" (constant → value), "data", "packages" and "history".
    Raises:
      BadInput: it is missing, not JSON, or of a format that this version does not know.
    """
    try:
        options = json.loads(read_file(run.options).decode())
    except (OSError, ValueError, RecursionError) as problem:  # the last one where brackets are nested without end
        raise BadInput(f'{run.options} cannot be read ({reason(problem)}): put it back as the run wrote it.') from None
    if not isinstance(options, dict) or not isinstance(options.get('settings'), dict):
        raise BadInput(f'{run.options} has no "settings": put it back as the run wrote it.')
    if options.get('format') != FORMAT:
        raise BadInput(f'{run.options} is of format {options.get("format")!r}, but this version reads format {FORMAT}: '
                       'use the version of gans_n_roses that made the run.')
    if not isinstance(options.get('data'), dict) or not isinstance(options.get('history'), list):
        raise BadInput(f'{run.options} has no "data" or no "history": put it back as the run wrote it.')
    return options


def _run_folders(parent):
    return [RunFolder(path) for path in parent.glob('*') if path.is_dir() and _begun(RunFolder(path))]


def _not_before_others(parent, now):
    newest = max((_begun(run)[0] for run in _run_folders(parent)), default=now)
    return now if newest <= now else min(newest, datetime(9999, 12, 31)) + timedelta(seconds=1)


def _begun(run):
    """(time in the run's name, number of the run within that second), or None: the folder is no run's."""
    match = re.match(r'\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d', run.path.name)
    try:
        begun = datetime.strptime(match[0], TIMESTAMP) if match else None
    except ValueError:
        return None
    # name: time_time_z_batch_iterations_rate_beta[_number]
    parts = run.path.name.split('_')
    return begun and (begun, int(parts[7]) if len(parts) > 7 and parts[7].isdigit() else 1, run.path.name)
