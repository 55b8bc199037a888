"""A process that is asked to end: in training it saves first, anywhere else it ends at once; never in a traceback."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import REPO
from launching import DEADLINE_S, ENDLESS, only_run, pictures_of, read_checkpoint
from PIL import Image

from gans_n_roses.machine import stopping
from gans_n_roses.machine.stopping import ONE_REQUEST_S, StopRequest, requests_to_end
from gans_n_roses.runs.folders import checkpoint_iterations


@pytest.fixture
def endless(tiny, tmp_path):
    """Settings of a run that is stopped by the test."""
    return {**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': ENDLESS, 'CHECKPOINT_EVERY': ENDLESS, 'GRID_EVERY': 1}


@pytest.fixture
def seconds(monkeypatch):
    """Function: sets the clock that a StopRequest reads."""
    def show(now):
        monkeypatch.setattr(stopping.time, 'monotonic', lambda: now)
    return show


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


def test_signals_within_a_second_are_one_request_and_a_later_one_does_what_it_did_before(seconds):
    """Which is a KeyboardInterrupt in a notebook, and ends the process where `end_at_once` was called."""
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        assert stop.requested == 0
        for now, sent in ((0, signal.SIGTERM), (0, signal.SIGTERM), (0.99 * ONE_REQUEST_S, signal.SIGHUP)):
            seconds(now)
            signal.raise_signal(sent)
            assert stop.requested == signal.SIGTERM
        seconds(ONE_REQUEST_S)
        signal.raise_signal(signal.SIGINT)


def test_a_notebook_keeps_its_handlers(monkeypatch):
    """Where main.py runs in the process that holds the user's variables."""
    before = {number: signal.getsignal(number) for number in requests_to_end()}
    monkeypatch.setattr(sys, 'ps1', '>>> ', raising=False)
    stopping.end_at_once()
    assert {number: signal.getsignal(number) for number in requests_to_end()} == before


def test_handlers_are_put_back():
    before = {number: signal.getsignal(number) for number in requests_to_end()}
    with pytest.raises(ZeroDivisionError), StopRequest():
        assert not any(signal.getsignal(number) == handler for number, handler in before.items())
        raise ZeroDivisionError
    assert {number: signal.getsignal(number) for number in requests_to_end()} == before


def test_another_thread_than_the_main_one_leaves_handlers_alone():
    """As a notebook may train."""
    before = {number: signal.getsignal(number) for number in requests_to_end()}

    def work():
        with StopRequest() as stop:
            return stop.requested, {number: signal.getsignal(number) for number in requests_to_end()}
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == (0, before)


def test_a_signal_that_is_ignored_asks_for_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests run with nohup
    try:
        everything = requests_to_end()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert set(everything) - set(requests_to_end()) == {signal.SIGHUP}
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_after_a_second_ends_what_hangs():
    code = """
import signal, time
from gans_n_roses.machine import stopping
stopping.end_at_once()
stopping.ONE_REQUEST_S = 0.1
with stopping.StopRequest():
    signal.raise_signal(signal.SIGTERM)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
    time.sleep(240)
"""
    ended = subprocess.run([sys.executable, '-c', code], cwd=REPO, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, '', '\nStopped; nothing was lost.\n')


def test_a_terminal_that_closes_saves_though_it_says_so_twice(launcher, endless, tmp_path):
    """`timeout` and some schedulers send a signal twice."""
    child = launcher.start(endless)
    after(child, tmp_path, 3)
    child.send(signal.SIGHUP)
    time.sleep(0.01)  # or the system makes one of them
    child.send(signal.SIGHUP)
    assert assert_saved(child.wait(), tmp_path, 129) >= 3


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


def test_ctrl_c_saves_though_the_reader_has_gone(launcher, endless, tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    child = launcher.start(endless, log=str(tmp_path / 'pipe'))
    with (tmp_path / 'pipe').open() as pipe:
        assert 'starting TensorFlow' in pipe.readline()
    after(child, tmp_path, 13)
    child.send(signal.SIGINT)
    assert child.wait().code == 130
    assert checkpoint_iterations(only_run(tmp_path).saved_models)[-1] >= 13


def test_nothing_is_made_where_training_has_not_begun(tiny, tmp_path):
    arguments = [f'{name}={value}' for name, value in {**tiny, 'RESULTS_PATH': tmp_path / 'Results'}.items()]
    process = subprocess.Popen([sys.executable, REPO / 'main.py', *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert 'starting TensorFlow' in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, told) == (130, '\nStopped; nothing was lost.\n')
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
    child = launcher.start({**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': 12, 'GRID_EVERY': 1})
    child.until(lambda: any(tmp_path.glob('roses/*/Saved_Models/train-12.index')))
    child.send(signal.SIGTERM)
    ended = child.wait()
    assert ended.code == 0, ended.text
    assert 'Done' in ended.text
    assert 'Generated_Images/training.gif' in pictures_of(only_run(tmp_path))


pytestmark = pytest.mark.skipif(os.name != 'posix', reason='signals as POSIX has them')
