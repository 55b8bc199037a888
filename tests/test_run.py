"""A whole tiny run through main.py, as a person makes it: train, look at what is there, load."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPO
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gans_n_roses.quality.advice import REAL_RUN
from main import main


def words(folder):
    return [f'DATASET_PATH={folder / "pictures"}', f'RESULTS_PATH={folder / "Results"}', 'DATASET_CHOSEN=shapes',
            'IMAGE_SIZE=16', 'BATCH_SIZE=4', 'Z_DIM=5', 'N_SAMPLES=6']


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """(folder it was run in, finished process, the run's folder)."""
    folder = tmp_path_factory.mktemp('run')
    (folder / 'pictures' / 'more').mkdir(parents=True)
    rng = np.random.RandomState(0)
    for k in range(7):
        picture = Image.fromarray(rng.randint(0, 256, [20, 30, 3], np.uint8))
        picture.save(folder / 'pictures' / ('more' if k % 2 else '.') / f'{k}.png')
    process = subprocess.run(
        [sys.executable, REPO / 'main.py', *words(folder), 'N_ITERATIONS=25', 'GRID_EVERY=10', 'CHECKPOINT_EVERY=20',
         'CHECKPOINTS_KEPT=2', 'SEED=3'], cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    [run] = (folder / 'Results' / 'shapes').iterdir()
    return folder, process, run


def test_run_folder_holds_what_it_promises(trained):
    _, _, run = trained
    assert re.fullmatch(r'\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_5_4_25_0\.0002_0\.5_16px', run.name)
    assert sorted(path.name for path in run.glob('[!.]*')) == [
        'Generated_Images', 'Saved_Models', 'Tensorboard', 'options.json']
    assert sorted(path.name for path in (run / 'Generated_Images').iterdir()) == [
        '0000000.png', '0000010.png', '0000020.png', '0000025.png', 'nearest', 'real_images.png', 'training.gif']
    assert sorted(path.name for path in (run / 'Generated_Images' / 'nearest').iterdir()) == [
        '0000020.png', '0000025.png']
    assert {path.name for path in (run / 'Saved_Models').iterdir() if not path.name.startswith('best-')} == {
        'checkpoint', *(f'train-{k}.{part}' for k in (20, 25) for part in ('index', 'data-00000-of-00001'))}


def test_pictures_have_the_size_of_their_grid(trained):
    pictures = trained[2] / 'Generated_Images'
    assert Image.open(pictures / '0000025.png').size == (3 * 16, 2 * 16)
    assert Image.open(pictures / 'training.gif').n_frames == 4


def test_options_say_how_the_run_was_made(trained):
    options = json.loads((trained[2] / 'options.json').read_text())
    assert options['format'] == 1
    assert options['settings']['Z_DIM'] == 5 and options['settings']['SEED'] == 3
    assert options['settings']['PRECISION'] in ('float32', 'bfloat16')  # what 'auto' has taken, for a resumed run
    assert options['data']['pictures'] == 7 and len(options['data']['fingerprint']) == 64
    assert options['packages'].keys() >= {'tensorflow', 'numpy', 'pillow', 'tensorboard'}


def test_user_is_told_what_matters_and_nothing_of_tensorflows_chatter(trained):
    _, process, run = trained
    assert 'so few are soon memorised. What helps: ' in process.stdout
    for expected in ('Computes in ', 'CPU', '7 pictures', 'g_h0_lin', 'd_h1_lin', run.name, 'tensorboard',
                     'iteration 25/25'):
        assert expected in process.stdout.replace('GPU', 'CPU')
    assert process.stderr == ''


def test_tensorboard_reads_scalars_images_graph_and_hparams(trained):
    events = EventAccumulator(str(trained[2] / 'Tensorboard'))
    events.Reload()
    tags = events.Tags()
    assert set(tags['scalars']) == {
        'Discriminator_Loss', 'Discriminator_Loss_Real', 'Discriminator_Loss_Fake', 'Generator_Loss',
        'Discriminator_Accuracy_Real', 'Discriminator_Accuracy_Fake', 'D_of_x', 'D_of_G_of_z',
        *(f'Quality/{name}' for name in ('Distance', 'Standard_Error', 'Diversity', 'Copying', 'Copies')),
        *(f'Distance_By/{name}' for name in ('Energy', 'Spread', 'Orient', 'Scale', 'Second', 'Thumb'))}
    assert [event.step for event in events.Scalars('Generator_Loss')] == [10, 20, 25]
    assert tags['images'] == ['Generated_Images', 'Nearest_Pictures'] and tags['graph']
    hparams = events.SummaryMetadata('_hparams_/session_start_info').plugin_data
    assert b'LEARNING_RATE' in hparams.content
    beside = EventAccumulator(str(trained[2] / 'Tensorboard' / REAL_RUN))
    beside.Reload()
    for tag in ('Quality/Distance', 'Quality/Diversity'):  # a second curve in the same chart
        for recorded in (events, beside):
            assert [event.step for event in recorded.Scalars(tag)] == [20, 25]


def test_load_makes_a_grid_and_prints_where(trained, capfd):
    folder, _, run = trained
    assert main([*words(folder), 'LOAD=True', 'DATASET_PATH=/no/such/folder']) == 0
    said = capfd.readouterr()
    [path] = (run / 'Generated_Images').glob('Trained_model_image_*.png')
    assert path.name in said.out and 'SEED' in said.out and said.err == ''
    width, height = Image.open(path).size  # of three columns that are as wide as the seed that was drawn
    assert width % 3 == 0 and height == 2 * (16 + 14)
