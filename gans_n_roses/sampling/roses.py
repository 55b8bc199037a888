"""LOAD: a saved model → roses."""

import os
import secrets
from datetime import datetime

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from gans_n_roses.errors import BadInput, RunFailed, reason
from gans_n_roses.machine.files import claim_file, claim_folder
from gans_n_roses.machine.session import within_memory
from gans_n_roses.networks.noise import fixed_batches, walk, z_of_seed
from gans_n_roses.pictures.folder import load_dataset
from gans_n_roses.pictures.images import merge, save_gif, save_image
from gans_n_roses.quality.metrics import describe_real, measure
from gans_n_roses.quality.nearest import COPY_SHEET, beside_nearest
from gans_n_roses.runs.checkpoints import read_newest
from gans_n_roses.runs.folders import TIMESTAMP, find_run
from gans_n_roses.runs.options import read_options, version_remarks
from gans_n_roses.runs.shipped import SHIPPED, read_shipped
from gans_n_roses.sampling.saved_generator import export, make_rose, open_generator
from gans_n_roses.settings import names_in

GRID_PIXELS = 2**26  # the largest grid: 16,384 roses at 64 pixels, 192 MB
GIF_MILLISECONDS = 50


@within_memory()
def sample(settings):
    """Make roses with the newest or the best checkpoint of a run, or with the model that ships.

    What makes the model comes from the checkpoint.

    Args:
      settings: Settings; reads results_path, dataset_chosen, run, checkpoint, cache, seed, n_samples, sample_as,
        n_frames, smooth and export.
    Returns:
      list of Paths made: a grid, a folder of roses, an animation, a sheet of nearest pictures, a SavedModel.
    Raises:
      BadInput: no such run, no whole checkpoint, or a number of roses that does not suit SAMPLE_AS.
      RunFailed: the disk is full, or the run's folder cannot be written.
    """
    run = find_run(settings.results_path, settings.dataset_chosen, settings.run)
    if run.options.exists():  # a run of the article's own code has none, nor has the model that ships
        for remark in version_remarks(read_options(run)):
            print(remark)
    model = read_shipped() if settings.run == SHIPPED else read_newest(run.saved_models, settings.checkpoint)
    seed = secrets.randbelow(2**31) if settings.seed is None else settings.seed
    print(f'Model  {model.path}\nSEED   {seed}', flush=True)
    try:
        run.generated_images.mkdir(parents=True, exist_ok=True)
        with open_generator(model.values, model.path, settings.smooth) as saved:
            if saved.filter_added:
                print('SMOOTH filters these roses; the model was trained without it', flush=True)
            made = [MAKERS[kind](saved, seed, settings, run)
                    for kind in dict.fromkeys(names_in(settings.sample_as))]
            if settings.export:
                made.append(export(saved, run.path / 'Exported_Model' / model.path.stem))
    except (OSError, tf.errors.OpError) as problem:
        raise RunFailed(f'{getattr(problem, "filename", None) or run.path} cannot be written: {reason(problem)}. '
                        'The model is as it was.') from None
    for path in made:
        print(f'Made   {path}')
    return made


def make_grid(saved, seed, settings, run):
    """Write all roses as one picture, rose k from seed + k; returns its path."""
    most = GRID_PIXELS // saved.image_size**2
    if settings.n_samples > most:
        raise BadInput(f'N_SAMPLES is {settings.n_samples}, but a grid holds at most {most} roses of '
                       f"{saved.image_size} pixels: lower N_SAMPLES, or set SAMPLE_AS = 'images'.")
    with claim_file(run.generated_images / f'Trained_model_image_{_now()}.png') as path:
        roses = [_rose(saved, rose_seed) for rose_seed in _seeds(seed, settings.n_samples)]
        save_image(path, merge(np.stack(roses)), _text(saved, run, 'grid', seed, settings.n_samples))
    return path


def make_images(saved, seed, settings, run):
    """Write each rose as a file named by its own seed, which makes it again alone; returns their folder."""
    with claim_folder(run.generated_images / f'Trained_model_images_{_now()}') as path:
        for rose_seed in _seeds(seed, settings.n_samples):
            save_image(path / f'seed_{rose_seed:010d}.png', _rose(saved, rose_seed),
                       _text(saved, run, 'images', rose_seed, 1))
    return path


def make_interpolation(saved, seed, settings, run):
    """Write a looping animation that walks from rose to rose and back to the first; returns its path."""
    if not 2 <= settings.n_samples <= settings.n_frames:
        raise BadInput(f'N_SAMPLES is {settings.n_samples}, but an interpolation walks between at least 2 roses and '
                       f'at most N_FRAMES = {settings.n_frames}: change one of the two.')
    corners = np.stack([z_of_seed(rose_seed, saved.z_dim) for rose_seed in range(seed, seed + settings.n_samples)])
    points = walk(corners, settings.n_frames)
    with claim_file(run.generated_images / f'Trained_model_interpolation_{_now()}.gif') as path:
        save_gif(path, (make_rose(saved, point) for point in _progress(points)), GIF_MILLISECONDS)
    return path


def make_measures(saved, seed, settings, run):
    """Print how good, how varied and how copied the model's roses are; returns the sheet of nearest pictures.

    Measured on 256 roses from fixed z, beside the pictures that the run was trained on, or those in DATASET_PATH if
    they are gone. In training the grid's roses are measured with them, by their batch's statistics.
    """
    of_the_run = read_options(run)['settings'].get('DATASET_PATH') if run.options.exists() else None
    path = settings.dataset_path
    if isinstance(of_the_run, str) and os.path.isdir(known := settings.origin.folder / of_the_run):
        path = known
    pictures = load_dataset(path, saved.image_size, settings.cache)
    real = describe_real(pictures)
    roses = [saved.session.run(saved.pictures, {saved.z: z}) for z in fixed_batches(saved.z_dim)]
    print(f'Measured beside the {len(pictures)} pictures in {path}:')
    for name, value in measure(real, np.concatenate(roses)).items():
        print(f'  {name:<24}{value:8.2f}' + (f'   (real: {real.expected[name]:.2f})' if name in real.expected else ''))
    shown = [_rose(saved, rose_seed) for rose_seed in _seeds(seed, min(settings.n_samples, COPY_SHEET))]
    sheet = beside_nearest(real, pictures, np.stack(shown))
    with claim_file(run.generated_images / f'Trained_model_nearest_{_now()}.png') as target:
        save_image(target, sheet, _text(saved, run, 'measures', seed, settings.n_samples))
    return target


MAKERS = {'grid': make_grid, 'images': make_images, 'interpolation': make_interpolation,
          'measures': make_measures}


def _rose(saved, seed):
    return make_rose(saved, z_of_seed(seed, saved.z_dim))


def _seeds(seed, count):
    """The seeds of so many roses, shown as they pass; beyond the largest SEED they begin again at 0."""
    return _progress([number % 2**32 for number in range(seed, seed + count)])


def _progress(items):
    return tqdm(items, 'Making roses', unit='rose', delay=1, leave=False, disable=None)


def _now():
    return datetime.now().strftime(TIMESTAMP)


def _text(saved, run, kind, seed, count):
    """What makes a picture again, for its text fields: the settings for LOAD, the model, and what the model is."""
    text = {'Software': "GANs N' Roses", 'RUN': run.path.resolve().name, 'Checkpoint': saved.source.name,
            'SEED': seed, 'N_SAMPLES': count, 'SAMPLE_AS': kind, 'Z_DIM': saved.z_dim, 'IMAGE_SIZE': saved.image_size}
    if saved.filter_added:  # otherwise the model says
        text['SMOOTH'] = True
    return {name: os.fsencode(str(value)).decode(errors='replace') for name, value in text.items()}
