"""LOAD: a saved model → roses."""

import itertools
import math
import os
from datetime import datetime

import numpy as np
from tqdm import tqdm

from gans_n_roses.errors import BadInput, RunFailed, reason, shown
from gans_n_roses.machine.files import claim_file, claim_folder, write_file
from gans_n_roses.machine.session import within_memory
from gans_n_roses.networks.noise import fixed_batches, walk, with_kind, z_of_seed
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.pictures.grids import enlarge, label, labelled_size, merge, save_gif, save_image
from gans_n_roses.pictures.kinds import NO_KINDS, choose, file_names, listed, titles
from gans_n_roses.quality.metrics import describe_kinds, describe_real, measure, measure_kinds
from gans_n_roses.quality.nearest import COPY_SHEET, beside_nearest
from gans_n_roses.runs.checkpoints import read_newest
from gans_n_roses.runs.folders import TIMESTAMP
from gans_n_roses.sampling.projection import project
from gans_n_roses.sampling.saved_generator import export, make_rose, open_generator
from gans_n_roses.sampling.web_page import web_page
from gans_n_roses.settings import names_in

GRID_PIXELS = 2**26  # the largest grid: some 13,000 roses at 64 pixels, 192 MB
GIF_MILLISECONDS = 50


@within_memory()
def sample(plan):
    """Make roses with the newest or the best checkpoint of a run, with the one that RUN names, or the model that ships.

    The checkpoint alone says how large the pictures and z are, and whether the pictures are filtered (SMOOTH).

    Args:
      plan: Plan with LOAD; reads run, options and shipped, and of its settings checkpoint, seed, n_samples,
        sample_as, label, n_frames, enlarge, dataset_path and origin.
    Returns:
      list of Paths made, in the order of SAMPLE_AS.
    Raises:
      BadInput: no whole checkpoint, no pictures to measure beside, a LABEL that is no kind, or more roses than a grid
        holds.
      RunFailed: the disk is full, the run's folder cannot be written, or the memory is not enough.
    """
    settings, run = plan.settings, plan.run
    model = plan.shipped or read_newest(run.saved_models, run.checkpoint or settings.checkpoint)
    kinds = NO_KINDS if plan.shipped else model.kinds
    place = settings.origin.place('LABEL')
    plan = plan._replace(kinds=choose(settings.label, kinds, place))
    if settings.label and len(plan.kinds) > settings.n_samples and not settings.project:
        raise BadInput(f'LABEL names {len(plan.kinds)} kinds {place}, but the number of roses is {settings.n_samples}: '
                       'raise N_SAMPLES, or list more seeds.')
    print(f'Model  {model.path}\nSEED   {shown(settings.seed)}', flush=True)
    if kinds.names:
        print(f'LABEL  {listed(_labels(kinds, plan))}', flush=True)
    try:
        run.generated_images.mkdir(parents=True, exist_ok=True)
        with open_generator(model.values, model.path, kinds) as saved:
            makers = ['projection'] if settings.project else dict.fromkeys(names_in(settings.sample_as))
            made = [_make(make, saved, plan) for make in makers]
    except OSError as problem:
        raise RunFailed(f'{problem.filename or run.path} cannot be written: {reason(problem)}. '
                        'The model is as it was.') from None
    return made


def _make(kind, saved, plan):
    print(f'Makes  {kind}', flush=True)
    path = MAKERS[kind](saved, plan)
    print(f'Made   {path}', flush=True)
    return path


def make_grid(saved, plan):
    """Write all roses as one picture, the seed of each under it; returns its path."""
    asked, times, named = _asked(plan), plan.settings.enlarge, titles(saved.kinds.names)
    texts = [f'{seed} {named[kind]}' if named else str(seed) for seed, kind in asked]
    most = GRID_PIXELS // (times**2 * math.prod(labelled_size(saved.image_size, texts)))
    if len(asked) > most:
        raise BadInput(f'{len(asked)} roses are asked for, but a grid holds at most {most} of '
                       f"{times * saved.image_size} pixels: ask for fewer, or set SAMPLE_AS = 'images'.")
    with claim_file(_new_name(plan, 'image', '.png')) as path:
        roses = [_rose(saved, *each) for each in _progress(asked)]
        save_image(path, enlarge(merge(label(np.stack(roses), texts)), times), _text(saved, plan, 'grid'))
    return path


def make_images(saved, plan):
    """Write each rose as a file named by its own seed, and kind, which make it again alone; returns their folder."""
    named = file_names(saved.kinds.names)
    with claim_folder(_new_name(plan, 'images')) as path:
        for seed, kind in _progress(_asked(plan)):
            name, one = f'seed_{seed:010d}', {'SEED': seed, 'N_SAMPLES': 1}
            if named:
                name, one = f'{name}_{named[kind]}', {**one, 'LABEL': saved.kinds.names[kind]}
            save_image(path / f'{name}.png', enlarge(_rose(saved, seed, kind), plan.settings.enlarge),
                       _text(saved, plan, 'images', **one))
    return path


def make_interpolation(saved, plan):
    """Write a looping animation that walks from rose to rose and back to the first; returns its path."""
    with claim_file(_new_name(plan, 'interpolation', '.gif')) as path:
        save_gif(path, _walk(saved, plan), GIF_MILLISECONDS)
    return path


def make_frames(saved, plan):
    """Write the frames of the walk as numbered files, for a film; returns their folder."""
    text = _text(saved, plan, 'frames', N_FRAMES=plan.settings.n_frames)
    with claim_folder(_new_name(plan, 'frames')) as path:
        for number, frame in enumerate(_walk(saved, plan)):
            save_image(path / f'frame_{number:05d}.png', frame, text)
    return path


def make_measures(saved, plan):
    """Print how good, how varied and how copied the model's roses are, and write a sheet of nearest pictures.

    Measured are 256 roses from fixed z, beside the pictures that the run was trained on, or those in DATASET_PATH if
    they are gone. While training, the same z are measured, but with the statistics of each batch.

    Returns:
      Path of the sheet: roses of SEED, each over the picture that is most like it.
    """
    folder, of_run = plan.settings.dataset_path, plan.options['settings'] if plan.options else {}
    trained_on = of_run.get('DATASET_PATH')
    if isinstance(trained_on, str) and os.path.isdir(known := plan.settings.origin.folder / trained_on):
        folder = known
    pictures, *_, kinds = read_folder(folder, saved.image_size, saved.images.shape[-1], of_run.get('FIT', 'crop'),
                                      'folders' if saved.kinds.names else '')
    print(f'Measured beside the {len(pictures)} pictures in {folder}:', flush=True)

    def make(z):
        return saved.session.run(saved.pictures, {saved.z: z})
    real = describe_real(pictures)
    made = np.concatenate(list(map(make, fixed_batches(saved.z_dim, saved.kinds.counts))))
    measures, expected = measure(real, made), real.expected
    known = {name: each for name, each in describe_kinds(pictures, kinds).items() if name in saved.kinds.names}
    if known:
        found, floors = measure_kinds(known, saved.kinds.names, saved.z_dim, make)
        measures, expected = measures | found, expected | floors
    width = max(24, *map(len, measures))
    for name, value in measures.items():
        print(f'  {name:<{width}}{value:8.2f}' + (f'   (real: {expected[name]:.2f})' if name in expected else ''))
    if left := [name for name in saved.kinds.names if name not in known]:
        print(f'  Not measured alone, since there are too few pictures of them, or too many kinds: {listed(left)}')
    shown = [_rose(saved, *each) for each in _progress(_asked(plan)[:COPY_SHEET])]
    with claim_file(_new_name(plan, 'nearest', '.png')) as path:
        save_image(path, beside_nearest(real, pictures, np.stack(shown)), _text(saved, plan, 'measures'))
    return path


def make_savedmodel(saved, plan):
    """Write the generator as a SavedModel, which TensorFlow 2 runs without this package; returns its folder."""
    return export(saved, plan.run.path / 'Exported_Model' / saved.source.stem)


def make_page(saved, plan):
    """Write the model as one file that opens in any browser; returns its path."""
    with claim_file(_new_name(plan, 'page', '.html')) as path:
        write_file(path, web_page(saved, plan))
    return path


def make_projection(saved, plan):
    """Look for the roses that are most like the pictures of PROJECT; returns the folder with what was found."""
    with claim_folder(_new_name(plan, 'projection')) as path:
        zs = project(saved, plan, path, _text(saved, plan, plan.settings.sample_as))
        if 'interpolation' in names_in(plan.settings.sample_as):
            save_gif(path / 'walk.gif', _walk(saved, plan, zs), GIF_MILLISECONDS)
    return path


MAKERS = {'grid': make_grid, 'images': make_images, 'interpolation': make_interpolation, 'frames': make_frames,
          'measures': make_measures, 'savedmodel': make_savedmodel, 'page': make_page, 'projection': make_projection}


def _asked(plan):
    """(seed, place of its kind) of each rose.

    The seeds are those that SEED lists, or SEED, SEED + 1, …; 0 follows the largest. The kinds come in turn; where the
    model knows none, the place is 0.
    """
    seed = plan.settings.seed
    seeds = seed if isinstance(seed, list) else [(seed + k) % 2**32 for k in range(plan.settings.n_samples)]
    return list(zip(seeds, itertools.cycle(plan.kinds or [0]), strict=False))


def _labels(kinds, plan):
    """The names of the kinds that are made."""
    made = plan.kinds if plan.settings.project else plan.kinds[:plan.settings.n_samples]
    return [kinds.names[kind] for kind in made]


def _walk(saved, plan, zs=None):
    """Yield the frames of the walk from rose to rose and back to the first: uint8 [height, width, channels].

    Args:
      zs: as rows of saved.z; None takes those of SEED and LABEL.
    """
    zs = [_z(saved, *each) for each in _asked(plan)] if zs is None else zs
    for point in _progress(walk(np.stack(zs), plan.settings.n_frames, len(saved.kinds.names))):
        yield enlarge(make_rose(saved, point), plan.settings.enlarge)


def _z(saved, seed, kind):
    return with_kind(z_of_seed(seed, saved.z_dim)[np.newaxis], [kind], len(saved.kinds.names))[0]


def _rose(saved, seed, kind):
    return make_rose(saved, _z(saved, seed, kind))


def _progress(items):
    return tqdm(items, 'Making roses', unit='rose', delay=1, leave=False, disable=None)


def _new_name(plan, what, suffix=''):
    return plan.run.generated_images / f'Trained_model_{what}_{datetime.now():{TIMESTAMP}}{suffix}'


def _text(saved, plan, kind, **one):
    """The text fields of a picture: the settings for LOAD that make it again, the model, and the model's size.

    Args:
      one: SEED and N_SAMPLES of a picture that shows one rose only.
    """
    text = {'Software': "GANs N' Roses", 'RUN': plan.run.path.resolve().name, 'Checkpoint': saved.source.name,
            'SEED': plan.settings.seed, 'N_SAMPLES': plan.settings.n_samples, 'SAMPLE_AS': kind,
            'Z_DIM': saved.z_dim, 'IMAGE_SIZE': saved.image_size, **one}
    if saved.kinds.names:
        text.setdefault('LABEL', _labels(saved.kinds, plan))
    return {name: os.fsencode(str(value)).decode(errors='replace') for name, value in text.items()}
