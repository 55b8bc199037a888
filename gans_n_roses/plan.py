"""The plan: what main.py was asked to do, decided and checked once, before TensorFlow starts, which takes seconds."""

import contextlib
import os
import secrets
import shutil
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from gans_n_roses.errors import BadInput, shown
from gans_n_roses.pictures.folder import find_files, require_folder
from gans_n_roses.runs.folders import RunFolder, at_checkpoint, checkpoint_names, find_run, made_most, named_checkpoint
from gans_n_roses.runs.options import read_options, version_remarks
from gans_n_roses.runs.recipe import ARTICLE, take_recipe
from gans_n_roses.runs.resuming import BEFORE, merge_settings, recorded
from gans_n_roses.runs.shipped import SHIPPED, ShippedModel, read_shipped, shipped_exists
from gans_n_roses.settings import MISSING, OF_NOW, OF_RUN, RULES, Settings, names_in
from gans_n_roses.workers.cluster import ALONE, Cluster

OF_ROSES = ('DATASET_PATH', 'DATASET_CHOSEN', 'N_SAMPLES', 'SEED')  # settings of a run that LOAD reads too

# float32 values for each pixel of a picture, measured at 64 pixels and WIDTH 64: a picture more in a batch took 4.7 to
# 5.9 MB, one more in a sample grid 0.75 MB. Nearly all are of the layers next to the picture.
VALUES_TRAINED = 280
VALUES_SAMPLED = 45
COPIES_OF_WEIGHTS = 3  # the weight itself and Adam's two moments
FIRST_FEATURES = 4 * 4 * 512  # of the generator's dense layer, at 64 pixels and above; at WIDTH above 64 more


class Plan(NamedTuple):
    """Everything that is decided before TensorFlow starts."""

    settings: Settings  # as they will be used; PRECISION may be 'auto' still, since TensorFlow knows of GPUs
    asked: Settings  # as they were given: several workers compare them
    cluster: Cluster = ALONE
    run: RunFolder | None = None  # the run to resume or to make roses with; a new run gets its folder when it begins
    options: dict | None = None  # that run's options.json; a run of the article's own code has none
    start: RunFolder | None = None  # the run that START_FROM means
    shipped: ShippedModel | None = None  # read where RUN, START_FROM or RECIPE needs it
    kinds: tuple = ()  # LABEL: places of the kinds to make among the model's, filled in once the model is read
    recipe: tuple = ()  # lines on what RECIPE took
    remarks: tuple = ()  # sentences on what the user may not expect


def make_plan(settings, cluster=ALONE):
    """Decide what to do, and refuse what cannot be done.

    Args:
      settings: Settings, as mission_control.py and the command line give them.
      cluster: Cluster that this worker belongs to.
    Returns:
      Plan.
    Raises:
      BadInput: training or sampling could not begin.
    """
    remarks = [*_unread(settings), *_named_by_folder(settings)]
    settings = _count_seeds(settings)
    if settings.load:
        cluster.require_alone(f'LOAD is True {settings.origin.place("LOAD")}')
        plan = _plan_roses(settings)
    elif settings.resume:
        plan = _plan_resumed(settings, cluster)
    else:
        plan = _plan_new(settings, cluster)
    if not settings.load and (cluster.leads or not settings.resume):  # a follower learns a resumed run's from the first
        _check_pictures(plan.settings, cluster)
        _check_memory(plan.settings, _needed_to_train(plan.settings))
    return plan._replace(cluster=cluster, remarks=(*remarks, *plan.remarks, *cluster.remarks(plan.settings.batch_size)))


def _plan_roses(settings):
    run = _find_run(settings, 'RUN')
    options = read_options(run) if run.options.exists() else None
    own = recorded(options) if options else BEFORE
    _check_of_model(settings.origin.given, own)
    kinds = names_in(settings.sample_as)
    if settings.project:
        _check_project(settings, kinds)
    if 'interpolation' in kinds:
        _check_walk(settings, frame_bytes=2 * (settings.enlarge * settings.image_size)**2)
    if 'frames' in kinds:
        _check_walk(settings)
        _check_disk(settings, run, 'N_FRAMES', settings.n_frames)
    if 'images' in kinds:
        _check_disk(settings, run, _counts(settings), settings.n_samples)
    seed = secrets.randbelow(10**6) if settings.seed is None else settings.seed  # short enough to be noted
    return Plan(settings.changed({'SEED': seed}), settings, run=run, options=options,
                shipped=read_shipped() if settings.run == SHIPPED else None,
                remarks=[*(version_remarks(options) if options else ()), *made_most(run, 'RUN', settings, own)])


def _plan_resumed(settings, cluster):
    if settings.run == SHIPPED:
        raise BadInput(f'{_said(settings, "RUN")}, but RESUME goes on with a run of your own: '
                       f'START_FROM={SHIPPED} without RESUME begins one from the shipped model.')
    if not cluster.leads:  # the run is the first worker's, and need not be on this machine
        return Plan(settings, settings)
    run = find_run(settings.results_path, settings.dataset_chosen, settings.run)
    newest = checkpoint_names(run.saved_models)[-1]
    if run.checkpoint not in ('', newest):
        raise BadInput(f'RUN names {run.checkpoint}, but RESUME goes on from the newest checkpoint, {newest}: give '
                       f'RUN={run.path}.')
    options = read_options(run)
    merged, remarks = merge_settings(settings, options, run.options)
    return Plan(merged, settings, run=run, options=options, remarks=(
        *version_remarks(options), *cluster.change_remarks(options, merged.batch_size), *remarks))


def _plan_new(settings, cluster):
    asked, recipe, shipped, start, remarks = settings, (), None, None, ()
    if not cluster.leads:  # the first worker decides
        return Plan(settings, asked)
    if settings.seed is None:
        settings = settings.changed({'SEED': secrets.randbelow(2**32)})
    if settings.start_from == SHIPPED or (settings.recipe == 'auto' and shipped_exists()):
        shipped = read_shipped(setting='START_FROM')
    if settings.recipe == 'auto':
        settings, recipe = take_recipe(settings, shipped.image_size if shipped else None)
    if settings.start_from not in ('', SHIPPED):
        start = _find_run(settings, 'START_FROM')
        remarks = made_most(start, 'START_FROM', settings)
        settings = settings.changed({'START_FROM': os.path.abspath(start.path)})
    return Plan(settings, asked, start=start, shipped=shipped, recipe=recipe, remarks=remarks)


def _find_run(settings, name):
    """The run that a setting means, RUN or START_FROM, with the checkpoint of CHECKPOINT where that is an iteration."""
    meant = getattr(settings, name.lower())
    run = find_run(settings.results_path, settings.dataset_chosen, meant, name)
    if isinstance(settings.checkpoint, int) and not run.checkpoint and meant != SHIPPED:
        run = at_checkpoint(run, settings.checkpoint, _said(settings, 'CHECKPOINT'))
    return run


def _count_seeds(settings):
    """Settings with N_SAMPLES seeds where SEED lists them. Raises BadInput: it must not here, or N_SAMPLES differs."""
    if not isinstance(settings.seed, list):
        return settings
    count, given = len(settings.seed), settings.origin.given.get('N_SAMPLES')
    if not settings.load:
        raise BadInput(f'{_said(settings, "SEED")}, but only LOAD=True makes roses of a list: a training takes one '
                       'whole number, or None.')
    if given not in (None, count):
        raise BadInput(f'{_said(settings, "N_SAMPLES")}, but SEED lists {count} {settings.origin.place("SEED")}: leave '
                       'N_SAMPLES out, or give SEED one number, the first seed.')
    return settings.changed({'N_SAMPLES': count})


def _counts(settings):
    """The setting that says how many roses LOAD makes."""
    return 'SEED' if isinstance(settings.seed, list) else 'N_SAMPLES'


def _said(settings, name):
    """The beginning of a sentence: "SEED is 7 on the command line"."""
    return f'{name} is {shown(getattr(settings, name.lower()))} {settings.origin.place(name)}'


def _check_of_model(given, own):
    """Refuse what LOAD is given for a training, other than the run has it: a model is as it was trained.

    Args:
      given: constant → value, of the command line.
      own: constant → value, the run's settings, as far as they are known.
    """
    names = ', '.join(name for name, value in given.items() if RULES[name].of in (OF_RUN, OF_NOW)
                      and name not in OF_ROSES and value not in (RULES[name].unset, own.get(name)))
    if names:
        raise BadInput(f'The command line sets {names}, which does nothing with LOAD=True: a model says itself what it '
                       f'is, and how it was trained. Leave {names} out.')


def _unread(settings):
    """Settings that are set though nothing reads them here: refused on the command line, else told."""
    remarks = []
    for name, (needed, read) in _readers(settings).items():
        value = getattr(settings, name.lower())
        if value == RULES[name].unset or read:
            continue
        sentence = f'{_said(settings, name)}, but does nothing {needed}'
        if name in settings.origin.given:
            mend = 'add that, or ' if needed.startswith('without') else ''
            raise BadInput(f'{sentence}: {mend}leave {name} out.')
        if RULES[name].unset is not MISSING and RULES[name].of != OF_RUN:  # what a new run takes may stay in the file
            remarks.append(f'{sentence}.')
    return remarks


def _readers(settings):
    """Settings that not every kind of run reads: name → (what they need, for the user; whether this run reads them)."""
    load, resume = settings.load, settings.resume
    begins = f'with {"LOAD" if load else "RESUME"}=True, only where a run begins', not (load or resume)
    opened = settings.run if load else '' if resume else settings.start_from  # the model whose checkpoint is chosen
    checkpoint = 'without LOAD=True or START_FROM', opened not in ('', SHIPPED)
    if opened == SHIPPED:
        checkpoint = 'with the shipped model, which has no other', False
    elif named_checkpoint(opened):
        checkpoint = f'with {named_checkpoint(opened)}, which is a checkpoint itself', False
    return {'RUN': ('without LOAD=True or RESUME=True', load or resume), 'CHECKPOINT': checkpoint,
            **dict.fromkeys(('PROJECT', 'SAMPLE_AS', 'LABEL', 'N_FRAMES', 'ENLARGE'), ('without LOAD=True', load)),
            **dict.fromkeys(('START_FROM', 'RECIPE'), begins)}


def _named_by_folder(settings):
    origin, name = settings.origin, settings.dataset_chosen
    follows = 'DATASET_PATH' in origin.given and 'DATASET_CHOSEN' not in origin.given
    if not follows or name == origin.control['DATASET_CHOSEN']:
        return []
    return [f'Runs are kept under {name!r}, the name of the folder of pictures: DATASET_CHOSEN=… gives another.']


def _check_pictures(settings, cluster):
    place = settings.origin.place('DATASET_PATH')
    require_folder(settings.dataset_path, place)
    needed = settings.batch_size * cluster.count
    found = (path for path, problem in find_files(settings.dataset_path) if not problem)
    count = len(list(islice(found, needed)))  # of a million files, no more than that
    if 0 < count < needed:
        files = 'one file' if count == 1 else f'{count} files'
        raise BadInput(f'{_said(settings, "BATCH_SIZE")}{cluster.each}, but '
                       f'DATASET_PATH {settings.dataset_path!r} holds {files}: '
                       f'{cluster.mend(count, settings.batch_size)}.')


def _check_project(settings, kinds):
    if not os.path.exists(settings.project):
        raise BadInput(f'{_said(settings, "PROJECT")}, but there is no such file or folder: set it to a picture, or to '
                       'a folder of pictures.')
    if not set(kinds) <= {'grid', 'interpolation'}:
        raise BadInput(f"{_said(settings, 'SAMPLE_AS')}, but with PROJECT it may be 'grid', or 'interpolation' for a "
                       'walk from picture to picture: leave the others out.')


def _check_walk(settings, frame_bytes=0):
    """Refuse a walk of too few or too many roses or frames, each of which keeps so many bytes of memory."""
    if not (settings.project or 2 <= settings.n_samples <= settings.n_frames):
        raise BadInput(f'{_said(settings, _counts(settings))}, but a walk goes between at least 2 roses and at most '
                       f'N_FRAMES = {settings.n_frames}: change one of the two.')
    _check_memory(settings, {'N_FRAMES': settings.n_frames * (frame_bytes + 24 * settings.z_dim)})


def _needed_to_train(settings):
    """The memory that training takes, in bytes, by the setting that it comes from."""
    pixels, z_dim, wider = settings.image_size**2, settings.z_dim, settings.width / ARTICLE['WIDTH']
    return {'BATCH_SIZE': 4 * settings.batch_size * (VALUES_TRAINED * pixels * wider + z_dim),
            'N_SAMPLES': 4 * settings.n_samples * (VALUES_SAMPLED * pixels * wider + z_dim),
            'Z_DIM': 4 * z_dim * COPIES_OF_WEIGHTS * FIRST_FEATURES * max(wider, 1)}


def _check_memory(settings, needs):
    """Refuse what needs more than the memory there is, and name the setting that needs most."""
    memory = _memory()
    if sum(needs.values()) > memory:
        name = max(needs, key=needs.get)
        raise BadInput(f'{_said(settings, name)}, which needs some {needs[name] / 2**30:.1f} GB of memory, but this '
                       f'program may have {memory / 2**30:.1f} GB: lower {name}.')


def _memory(groups=Path('/proc/self/cgroup'), root='/sys/fs/cgroup'):
    """The bytes of memory that this process may have: the machine's, or what `ulimit -v` or a container leaves of it.

    Args:
      groups: Path of the file that names the process's control groups, a line "number:controllers:/folder" for each.
      root: folder of all control groups.
    Returns:
      int; infinite where the system says nothing.
    """
    limits = []
    with contextlib.suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf, others not these names
        limits.append(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'))
    with contextlib.suppress(ImportError):  # Windows
        import resource
        limits += [limit for limit in resource.getrlimit(resource.RLIMIT_AS) if limit != resource.RLIM_INFINITY]
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, controllers, folder = line.split(':', 2)
        first = 'memory' in controllers.split(',')  # control groups of version 1; the second names no controllers
        lowest = Path(f'{root}/memory{folder}' if first else f'{root}{folder}')
        for group in (lowest, *lowest.parents):  # a limit holds for the groups within
            with contextlib.suppress(OSError, ValueError):  # there is no such file, or it says "max"
                limits.append(int((group / ('memory.limit_in_bytes' if first else 'memory.max')).read_text()))
    return min(limits, default=float('inf'))


def _check_disk(settings, run, name, count):
    """Refuse more files of roses than the disk has room for; the setting `name` asks for so many.

    A PNG takes one to two bytes for each pixel, and each file at least a block of the disk.
    """
    needed = count * max((settings.enlarge * settings.image_size)**2, 4096)
    place = next(folder for folder in (run.path, *run.path.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise BadInput(f'{_said(settings, name)}: files of so many roses take some {needed / 2**30:.0f} GB, but '
                       f'{free / 2**30:.0f} GB are free in {place}: ask for fewer.')
