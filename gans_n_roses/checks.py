"""What can be known to be wrong before TensorFlow is started, which takes seconds."""

import os
import shutil
from itertools import islice

from gans_n_roses.errors import BadInput
from gans_n_roses.machine.cluster import ALONE, VARIABLE
from gans_n_roses.pictures.folder import find_files, require_folder
from gans_n_roses.runs.folders import find_run
from gans_n_roses.runs.options import read_options
from gans_n_roses.runs.resuming import merge_settings
from gans_n_roses.runs.shipped import SHIPPED
from gans_n_roses.settings import OF_RUN, RULES, UNSET, names_in

# float32 values for each pixel of a picture, measured at 64 pixels: a picture more in a batch took 4.7 to 5.9 MB, one
# more in a sample grid 0.75 MB.
VALUES_TRAINED = 280
VALUES_SAMPLED = 45
STATES = 3  # of each weight: itself and Adam's two moments
FEATURES = 4 * 4 * 512  # that the generator's first layer makes of z, at 64 pixels and above


def check(settings, cluster=ALONE):
    """Look at all that needs no TensorFlow: folders, runs, numbers that fit together, memory.

    Args:
      settings: Settings.
      cluster: Cluster that this worker belongs to.
    Returns:
      list of sentences on what the user may not expect: settings that do nothing here, and whose runs these are.
    Raises:
      BadInput: training or sampling could not begin.
    """
    remarks = [*_idle(settings), *_named_by_folder(settings)]
    if settings.load and cluster.count > 1:
        raise BadInput(f'LOAD is True {settings.origin.place("LOAD")}, but roses are made by one process, and '
                       f'{VARIABLE} names {cluster.count} workers: start one without it.')
    if settings.resume and settings.run == SHIPPED:
        raise BadInput(f"RUN is '{SHIPPED}' {settings.origin.place('RUN')}, but RESUME goes on with a run of your own: "
                       f'START_FROM={SHIPPED} without RESUME begins one from the shipped model.')
    if settings.resume and not cluster.leads:  # the run is the first worker's, and need not be on this machine
        return []
    if settings.start_from and cluster.leads and not (settings.load or settings.resume):
        find_run(settings.results_path, settings.dataset_chosen, settings.start_from, 'START_FROM')
    if settings.load or settings.resume:
        run = find_run(settings.results_path, settings.dataset_chosen, settings.run)
        if settings.resume:
            settings, _ = merge_settings(settings, read_options(run), run.options)
    if not settings.load:
        _check_pictures(settings, cluster)
    _check_memory(settings)
    if settings.load and 'images' in names_in(settings.sample_as):
        _check_disk(settings, run)
    return remarks


def _idle(settings):
    """What is set though nothing here reads it: refused on the command line, else told."""
    remarks = []
    for name, rule in RULES.items():
        value = getattr(settings, name.lower())
        why, mend = ('', '') if rule.idle in (UNSET, value) else _why_idle(name, rule, settings)
        sentence = f'{name} is {value!r} {settings.origin.place(name)}, but does nothing {why}'
        if why and name in settings.origin.given:
            raise BadInput(f'{sentence}: {mend}leave {name} out.')
        if why and rule.of != OF_RUN:  # what a new run takes may stay in the file
            remarks.append(f'{sentence}.')
    return remarks


def _why_idle(name, rule, settings):
    """(why a setting does nothing here, the beginning of how to mend it); both empty where it is read."""
    done = 'LOAD' if settings.load else 'RESUME' if settings.resume else ''
    if rule.of == OF_RUN:
        return (f'with {done}=True, only where a run begins' if done else '', '')
    opened = {'LOAD': settings.run, 'RESUME': '', '': settings.start_from}[done]  # whose checkpoint is chosen here
    if name == 'CHECKPOINT' and opened == SHIPPED:
        return 'with the shipped model, which has no other', ''
    if done == 'LOAD' or (name == 'RUN' and done) or (name == 'CHECKPOINT' and opened):
        return '', ''
    others = {'RUN': ' or RESUME=True', 'CHECKPOINT': ' or START_FROM'}
    return f'without LOAD=True{others.get(name, "")}', 'add that, or '


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
    count = len(list(islice(find_files(settings.dataset_path), needed)))  # of a million files, no more than that
    if 0 < count < needed:
        raise BadInput(f'BATCH_SIZE is {settings.batch_size} {settings.origin.place("BATCH_SIZE")}{cluster.each}, but '
                       f'DATASET_PATH {settings.dataset_path!r} holds {count} files: set BATCH_SIZE to at most '
                       f'{count // cluster.count}, or add pictures.')


def _check_memory(settings):
    """Refuse what is larger than the machine's memory, by the largest of the settings that it comes from."""
    pixels = settings.image_size**2
    if settings.load:
        needs = {'N_FRAMES': settings.n_frames * (2 * pixels + 24 * settings.z_dim) * (
            'interpolation' in names_in(settings.sample_as))}
    else:
        needs = {'BATCH_SIZE': 4 * settings.batch_size * (VALUES_TRAINED * pixels + settings.z_dim),
                 'N_SAMPLES': 4 * settings.n_samples * (VALUES_SAMPLED * pixels + settings.z_dim),
                 'Z_DIM': 4 * settings.z_dim * STATES * FEATURES}
    memory = _memory()
    if sum(needs.values()) <= memory:
        return
    name = max(needs, key=needs.get)
    raise BadInput(f'{name} is {getattr(settings, name.lower())} {settings.origin.place(name)}, which needs some '
                   f'{needs[name] / 2**30:.0f} GB of memory, but this machine has {memory / 2**30:.0f} GB: '
                   f'lower {name}.')


def _check_disk(settings, run):
    """Refuse more files of roses than the disk has room for: a byte for each pixel, of which PNG takes one to two, and
    at least a block of the disk for each file.
    """
    needed = settings.n_samples * max(settings.image_size**2, 4096)
    place = next(folder for folder in (run.path, *run.path.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise BadInput(f'N_SAMPLES is {settings.n_samples} {settings.origin.place("N_SAMPLES")}: files of so many '
                       f'roses take some {needed / 2**30:.0f} GB, but {free / 2**30:.0f} GB are free in {place}: '
                       'lower N_SAMPLES.')


def _memory():
    """The machine's memory in bytes; infinite where the system does not say."""
    try:
        return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf, others not these names
        return float('inf')
