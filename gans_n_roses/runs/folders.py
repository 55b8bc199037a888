"""Run folders: their places, their names, their contents."""

import os
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from gans_n_roses.errors import BadInput
from gans_n_roses.runs.shipped import SHIPPED
from gans_n_roses.settings import AUGMENT_KINDS, names_in

MOST_NAMED = 5  # runs in a sentence
TIMESTAMP = '%Y-%m-%d_%H-%M-%S'
# Advice where there is no model that a setting could name:
WITHOUT = {'RUN': 'train first, with LOAD = False and RESUME = False', 'START_FROM': "set START_FROM = ''"}


class RunFolder(NamedTuple):
    """The folders of one run."""

    path: Path
    checkpoint: str = ''  # the checkpoint that RUN or START_FROM names itself: 'train-600'

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
                                  settings.learning_rate, settings.beta_1, *departures(settings))))
        for attempt in range(1, 1000):
            run = RunFolder(parent / (name if attempt == 1 else f'{name}_{attempt}'))
            try:
                _make_folders(run)
                break
            except FileExistsError:
                continue
    except OSError as problem:
        raise BadInput(f'No run can be kept in {parent}: {problem.strerror}. '
                       'Set RESULTS_PATH to a folder that can be written.') from None
    return run


def _make_folders(run):
    """All or none of them: a folder of a run that never began would be the latest run. Raises OSError."""
    run.path.mkdir()
    try:
        for folder in (run.tensorboard, run.generated_images, run.saved_models):
            folder.mkdir()
    except OSError:
        shutil.rmtree(run.path, ignore_errors=True)
        raise


def departures(settings):
    """The settings that depart from the article, as short words for a run's name, always in this order.

    Returns:
      list of str without '_', such as ['mirror', 'augment', 'ema0.999']; empty with the settings as shipped.
    """
    kinds = names_in(settings.augment)
    words = {f'{settings.image_size}px': settings.image_size != 64,
             f'{settings.width}wide': settings.width != 64,
             {1: 'grey', 4: 'alpha'}.get(settings.channels): settings.channels != 3,
             settings.fit: settings.fit != 'crop',
             'labels': settings.labels,
             'mirror': settings.mirror,
             'augment' if set(kinds) == set(AUGMENT_KINDS) else '-'.join(sorted(kinds)): kinds,
             f'r1-{settings.r1_gamma:g}': settings.r1_gamma,
             f'ema{settings.ema_decay:g}': settings.ema_decay,
             'smooth' if settings.smooth == 1 else f'smooth{settings.smooth}': settings.smooth,
             'started': settings.start_from}
    return [word for word, departs in words.items() if departs]


def find_run(results_path, dataset_chosen, run, setting='RUN'):
    """The folder that RUN or START_FROM means.

    Args:
      results_path, dataset_chosen: as in Settings.
      run: 'latest' (the one begun last), the name of a run's folder or a beginning of it that no other has, a path of
        one, of its Saved_Models or of a checkpoint there, or of a folder that holds runs; 'shipped', the model that
        ships, whose roses are kept in a folder of that name.
      setting: the setting that names it, for the sentence to the user.
    Returns:
      RunFolder with at least one checkpoint; that of the shipped model need not be there.
    Raises:
      BadInput: there is none, or more than one, and what to do.
    """
    if run == SHIPPED:
        return RunFolder(Path(results_path) / SHIPPED)
    parent = Path(results_path) / dataset_chosen
    if run == 'latest':
        runs = _runs_in(parent)
        if not runs:
            others = _other_data_sets(results_path, setting)
            raise BadInput(f'There is no run in {parent} yet: {others}{WITHOUT[setting]}.')
        return _with_checkpoint(runs[-1], setting)
    if checkpoint := named_checkpoint(run):
        found = find_run(results_path, dataset_chosen, os.path.dirname(run), setting)
        return at_checkpoint(found, checkpoint, f'{setting} is {run!r}')
    folders = [parent, *_folders_in(results_path), Path(results_path)] if Path(run).name == run else []
    given = Path(os.path.abspath(run))
    candidates = [*(folder / run for folder in folders), given.parent if given.name == 'Saved_Models' else given]
    chosen = next((RunFolder(path) for path in candidates if os.path.isdir(path)), None) or _begins_with(
        candidates, setting)
    if chosen is None:
        runs = _runs_in(parent)
        latest = f': the latest run there is {runs[-1].path.name!r}.' if runs else '.'
        raise BadInput(f'{setting} is {run!r}, but there is no such folder, neither in {parent} nor as a path{latest}')
    if not checkpoint_names(chosen.saved_models):
        chosen = (_runs_in(chosen.path) or [chosen])[-1]  # a data set's folder means its latest run
    return _with_checkpoint(chosen, setting)


def at_checkpoint(run, wanted, said):
    """A run with the one of its checkpoints that is asked for.

    Args:
      run: RunFolder.
      wanted: the checkpoint's name, 'train-600', or its iteration, 600: 'best-600' where no other of it is kept.
      said: what asks for it, for the sentence to the user.
    Returns:
      RunFolder that names the checkpoint.
    Raises:
      BadInput: there is none such; the sentence lists those there are.
    """
    names = checkpoint_names(run.saved_models)
    found = [name for name in names if wanted in (name, int(name.rpartition('-')[2]))]
    if not found:
        raise BadInput(f'{said}, but there is no such checkpoint in {run.saved_models}: there are {", ".join(names)}.')
    return run._replace(checkpoint=found[-1])


def named_checkpoint(run):
    """The checkpoint that an absolute path names, also by one of its files: 'train-600'; '' where it names none."""
    match = re.match(r'(best|train)-\d+(?=\.|$)', os.path.basename(run))
    return match[0] if match and os.path.isabs(run) and not os.path.isdir(run) else ''


def _begins_with(candidates, setting):
    """The one run whose name begins as one of these paths does; None where there is none. Raises BadInput: several."""
    for path in candidates:
        runs = [run for run in _runs_in(path.parent) if run.path.name.startswith(path.name)]
        if len(runs) > 1:
            names = ', '.join(run.path.name for run in runs[-MOST_NAMED:])
            raise BadInput(f'{setting} is {path.name!r}, but {len(runs)} runs in {path.parent} begin so: '
                           f'{"… " * (len(runs) > MOST_NAMED)}{names}. Give more of the name.')
        if runs:
            return runs[0]
    return None


def _with_checkpoint(run, setting):
    if checkpoint_names(run.saved_models):
        return run
    others = [other for other in _runs_in(run.path.parent) if checkpoint_names(other.saved_models)]
    other = (f"{setting} = '{others[-1].path}' is the newest run that has one." if others
             else f'{WITHOUT[setting][0].upper()}{WITHOUT[setting][1:]}.')
    raise BadInput(f'{run.path} has no checkpoint. {other}')


def _other_data_sets(results_path, setting):
    """The beginning of a sentence that names the data sets that have runs."""
    names = [folder.name for folder in _folders_in(results_path) if _runs_in(folder)]
    if not names:
        return ''
    naming = 'DATASET_CHOSEN' if setting == 'RUN' else setting  # that of a new run stays
    return f'{naming} {" or ".join(map(repr, names))} has {"some" if len(names) > 1 else "one"}. Set it so, or '


def checkpoint_iterations(folder, kind='train'):
    """The iterations that have a checkpoint of a kind, 'train' or 'best', in a folder, lowest first."""
    indices = Path(folder).glob(f'{kind}-*.index')
    matches = (re.fullmatch(rf'{kind}-(0|[1-9][0-9]*)\.index', path.name) for path in indices)
    return sorted(int(match[1]) for match in matches if match)


def checkpoint_names(folder, kinds=('best', 'train')):
    """The names of the checkpoints in a folder, in the order of `kinds`, the newest of each kind last."""
    return [f'{kind}-{iteration}' for kind in kinds for iteration in checkpoint_iterations(folder, kind)]


def made_most(run, name, settings, own=None):
    """A sentence, in a list, if 'latest' means a run that made fewer iterations than another of its data set.

    Args:
      run: RunFolder that was found.
      name: the setting that means it, RUN or START_FROM.
      settings: Settings.
      own: constant → value, the run's settings, as far as they are known.
    """
    runs = _runs_in(run.path.parent) if getattr(settings, name.lower()) == 'latest' else [run]
    most = max(runs, key=_iterations_made)
    if _iterations_made(most) == _iterations_made(run):
        return []
    of = f' of {own["N_ITERATIONS"]}' if own and 'N_ITERATIONS' in own else ''
    command = settings.origin.command(*settings.origin.words(**{name: os.path.abspath(most.path)}))
    return [f'The latest run is at iteration {_iterations_made(run)}{of}. The one that made most, '
            f'{_iterations_made(most)}: {command}']


def _iterations_made(run):
    return max([0, *checkpoint_iterations(run.saved_models), *checkpoint_iterations(run.saved_models, 'best')])


def how_to_go_on(folder, origin, *changes):
    """A sentence that names the newest checkpoint in Saved_Models, and the command that goes on from there.

    The command repeats nothing: the run itself keeps what it was told.

    Args:
      folder: Path of Saved_Models.
      origin: Origin.
      changes: words NAME=value that the run should go on with.
    """
    names = checkpoint_names(folder)
    if not names:
        return 'Nothing was saved before.'
    return (f'The last checkpoint is {folder / names[-1]}: go on from iteration {names[-1].partition("-")[2]} with '
            f'`{origin.command("RESUME=True", f"RUN={folder.parent}", *changes)}`.')


def _runs_in(parent):
    """The runs in a data set's folder, the one begun last at the end."""
    runs = map(RunFolder, _folders_in(parent))
    return sorted((run for run in runs if _begun(run)), key=_begun)


def _folders_in(path):
    """The folders in a folder, sorted; none where the path is none that the system can open."""
    try:
        return sorted(each for each in Path(path).glob('*') if each.is_dir())
    except OSError:
        return []


def _not_before_others(parent, now):
    newest = max((_begun(run)[0] for run in _runs_in(parent)), default=now)
    return now if newest <= now else min(newest, datetime(9999, 12, 31)) + timedelta(seconds=1)


def _begun(run):
    """(time in the run's name, number of the run within that second), or None: the folder is no run's."""
    match = re.match(r'\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d', run.path.name)
    try:
        begun = datetime.strptime(match[0], TIMESTAMP) if match else None
    except ValueError:
        return None
    # name: time_time_z_batch_iterations_rate_beta[_departure …][_number]
    *others, last = run.path.name.split('_')
    return begun and (begun, int(last) if len(others) > 6 and last.isdecimal() else 1, run.path.name)
