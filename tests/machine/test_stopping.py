"""A process that is asked to end: in training it saves first, anywhere else it ends at once; never in a traceback."""

import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import REPO
from launching import DEADLINE_S, ENDLESS, only_run, pictures_of, read_checkpoint
from PIL import Image

from gans_n_roses.runs.folders import checkpoint_iterations

SENT = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def endless(tiny, tmp_path):
    """Settings of a run that is stopped by the test; so long a z makes a save that takes a while."""
    return {**tiny, 'RESULTS_PATH': tmp_path, 'Z_DIM': 1000, 'N_ITERATIONS': ENDLESS, 'CHECKPOINT_EVERY': ENDLESS,
            'GRID_EVERY': 1, 'MEASURE_EVERY': ENDLESS}


def after(child, results, iteration):
    """Wait until a run has made the grid of an iteration."""
    child.until(lambda: any(results.glob(f'roses/*/Generated_Images/{iteration:07d}.png')))


def assert_saved(ended, results, code):
    assert ended.code == code, ended.text
    assert 'Traceback' not in ended.text
    last = checkpoint_iterations(only_run(results).saved_models)[-1]
    assert f'Stopped at iteration {last}. ' in ended.text
    assert read_checkpoint(only_run(results), last)['global_step'] == last
    return last


def test_two_signals_within_moments_are_one(launcher, endless, tmp_path):
    """As `timeout` and some schedulers send them."""
    child = launcher.start(endless)
    after(child, tmp_path, 3)
    child.send(signal.SIGTERM)
    time.sleep(0.01)  # or the system makes one of them
    child.send(signal.SIGTERM)
    assert assert_saved(child.wait(), tmp_path, 143) >= 3


def test_a_second_signal_after_a_second_ends_what_hangs():
    code = """
import os, signal, time
from gans_n_roses.machine.stopping import ONE_REQUEST_S, StopRequest
with StopRequest() as stop:
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
    print(stop.requested, flush=True)
    time.sleep(ONE_REQUEST_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(240)
"""
    ended = subprocess.run([sys.executable, '-c', code], cwd=REPO, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, f'{int(signal.SIGTERM)}\n', '')


def test_a_terminal_that_closes_saves(launcher, endless, tmp_path):
    child = launcher.start(endless)
    after(child, tmp_path, 3)
    child.send(signal.SIGHUP)
    assert_saved(child.wait(), tmp_path, 129)


def test_what_was_ignored_at_the_start_stays_ignored(launcher, endless, tmp_path):
    """As with nohup, and in the background of a script."""
    child = launcher.start(endless, ignored=[signal.SIGHUP, signal.SIGINT])
    for sent, iteration in ((signal.SIGHUP, 3), (signal.SIGINT, 6)):
        after(child, tmp_path, iteration)
        child.send(sent)
    after(child, tmp_path, 9)
    child.send(signal.SIGTERM)
    assert assert_saved(child.wait(), tmp_path, 143) >= 9


def test_a_run_that_has_its_folder_gets_its_first_checkpoint(launcher, endless, tmp_path):
    """Or RESUME and LOAD would find a latest run without one."""
    child = launcher.start(endless)
    child.until(lambda: any(tmp_path.glob('roses/*')))
    child.send(signal.SIGTERM)
    assert assert_saved(child.wait(), tmp_path, 143) == 1


@pytest.mark.parametrize('sent', SENT, ids=[number.name for number in SENT])
def test_nothing_is_made_where_training_has_not_begun(sent, tiny, tmp_path):
    arguments = [f'{name}={value}' for name, value in {**tiny, 'RESULTS_PATH': tmp_path / 'Results'}.items()]
    process = subprocess.Popen([sys.executable, REPO / 'main.py', *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL))  # where nohup runs the tests
    assert 'starting TensorFlow' in process.stdout.readline()
    process.send_signal(sent)
    _, told = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, told) == (128 + sent, '\nStopped; nothing was lost.\n')
    assert not (tmp_path / 'Results').exists()


def test_load_that_is_stopped_leaves_whole_pictures(launcher, tiny, tmp_path):
    settings = {**tiny, 'RESULTS_PATH': tmp_path}
    ended = launcher.run({**settings, 'N_ITERATIONS': 1})
    assert ended.code == 0, ended.text
    run = only_run(tmp_path)
    child = launcher.start({**settings, 'LOAD': True, 'SAMPLE_AS': 'images', 'N_SAMPLES': ENDLESS})
    child.until(lambda: any(run.generated_images.glob('*/seed_*5.png')))
    child.send(signal.SIGINT)
    ended = child.wait()
    assert ended.code == 130, ended.text
    assert 'Traceback' not in ended.text and 'nothing was lost' in ended.text
    made = list(run.generated_images.glob('*/seed_*.png'))
    assert len(made) >= 3
    for path in made:
        Image.open(path).load()


def test_a_run_that_is_complete_gets_its_animation(launcher, tiny, tmp_path):
    child = launcher.start({**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': 40, 'GRID_EVERY': 1,
                            'N_SAMPLES': 100})
    child.until(lambda: any(tmp_path.glob('roses/*/Saved_Models/train-40.index')))
    child.send(signal.SIGTERM)
    ended = child.wait()
    assert ended.code == 0, ended.text
    assert 'Done' in ended.text
    assert 'Generated_Images/training.gif' in pictures_of(only_run(tmp_path))


pytestmark = pytest.mark.skipif(os.name != 'posix', reason='signals as POSIX has them')
