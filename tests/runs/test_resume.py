"""A run that is stopped, however it is stopped, and resumed is the run that was never stopped."""

import contextlib
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import REPO
from launching import (
    DEADLINE_S,
    ENDLESS,
    TINY,
    assert_same_state,
    command_in,
    copy_run,
    curves,
    make_pictures,
    only_run,
    pictures_of,
    read_checkpoint,
)
from PIL import Image

from gans_n_roses.machine.stopping import ONE_REQUEST_S
from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations

FORMAT_1 = Path(__file__).with_name('format_1')


def uninterrupted(launcher, tiny, results, iterations):
    ended = launcher.run({**tiny, 'RESULTS_PATH': results, 'N_ITERATIONS': iterations})
    assert ended.code == 0, ended.text
    return only_run(results)


@pytest.fixture(scope='module')
def whole(launcher, tiny, tmp_path_factory):
    """A run of 40 iterations, never stopped."""
    return uninterrupted(launcher, tiny, tmp_path_factory.mktemp('whole'), 40)


@pytest.fixture(scope='module')
def half(launcher, tiny, tmp_path_factory):
    """A run of 20 iterations; tests resume copies of it."""
    return uninterrupted(launcher, tiny, tmp_path_factory.mktemp('half'), 20)


# One run, whole or in parts


def assert_same_run(run, whole):
    assert_same_state(run, whole, 40)
    made = [*(f'{k:07d}.png' for k in range(0, 41, 5)), *(f'nearest/{k:07d}.png' for k in range(10, 41, 10)),
            'real_images.png', 'training.gif']
    assert sorted(pictures_of(whole)) == [f'Generated_Images/{name}' for name in made]
    assert pictures_of(run) == pictures_of(whole)
    shown = curves(whole)
    assert [step for step, _ in shown['Discriminator_Loss']] == list(range(1, 41))
    assert [step for step, _ in shown['Generated_Images']] == list(range(0, 41, 5))
    assert curves(run) == shown


def test_run_in_two_parts_is_the_whole_run(launcher, tiny, whole, half, tmp_path):
    run = copy_run(half, tmp_path)
    before = read_checkpoint(run, 20)
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': 40, 'RESUME': True})
    assert ended.code == 0, ended.text
    assert 'from iteration 20' in ended.text
    assert_same_run(run, whole)
    after = read_checkpoint(run, 40)
    for kept in ('g_h1/w', 'g_h1/w/Adam', 'd_h1_conv/w/Adam_1', 'g_h1/w/ExponentialMovingAverage', 'run_state/rng'):
        assert np.any(before[kept] != after[kept]), kept
    assert np.array_equal(before['run_state/grid_z'], after['run_state/grid_z'])
    assert (before['global_step'], after['global_step']) == (20, 40)


def test_part_killed_long_after_its_checkpoint_leaves_no_trace(launcher, tiny, whole, half, tmp_path):
    run = copy_run(half, tmp_path)
    killed = launcher.start({**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': ENDLESS, 'RESUME': True,
                             'GRID_EVERY': 1, 'CHECKPOINT_EVERY': ENDLESS})
    killed.until((run.generated_images / '0000026.png').exists)
    killed.send(signal.SIGKILL)
    assert killed.wait().code == -signal.SIGKILL
    assert checkpoint_iterations(run.saved_models)[-1] == 20
    assert curves(run)['Discriminator_Loss'][-1][0] > 20  # what was recorded in vain
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': 40, 'RESUME': True})
    assert ended.code == 0, ended.text
    assert_same_run(run, whole)


def test_run_killed_before_its_second_checkpoint_goes_on_from_its_first(launcher, tiny, whole, tmp_path):
    killed = launcher.start({**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': ENDLESS, 'GRID_EVERY': 5,
                             'CHECKPOINT_EVERY': ENDLESS})
    killed.until(lambda: any(tmp_path.glob('roses/*/Generated_Images/0000005.png')))
    killed.send(signal.SIGKILL)
    assert killed.wait().code == -signal.SIGKILL
    run = only_run(tmp_path)
    assert checkpoint_iterations(run.saved_models) == [1]
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': 40, 'RESUME': True})
    assert ended.code == 0, ended.text
    assert_same_run(run, whole)


def test_checkpoint_holds_all_state(tiny, half):
    """Whatever a later feature adds as a variable, or to RunState, is saved."""
    import tensorflow.compat.v1 as tf

    from gans_n_roses.networks.graph import build_graph
    from gans_n_roses.runs.state import RunState
    from gans_n_roses.settings import read_settings
    settings = read_settings(REPO / 'mission_control.py', [f'{name}={value}' for name, value in tiny.items()])
    with tf.Graph().as_default():
        build_graph(settings)
        variables = {variable.op.name: variable for variable in tf.global_variables()}
    saved = read_checkpoint(half, 20)
    outside = {f'run_state/{field}' for field in (*RunState._fields, 'quality_distance')}
    assert saved.keys() == variables.keys() | outside
    for name, variable in variables.items():
        assert (saved[name].shape, saved[name].dtype) == (variable.shape, variable.dtype.base_dtype), name


# Ctrl-C, SIGTERM


def test_signals_save_and_say_how_to_go_on(launcher, tiny, tmp_path):
    """As a user does it: settings in mission_control.py, `python main.py`, Ctrl-C, and the command as it is printed."""
    shutil.copy(REPO / 'main.py', tmp_path)
    control = (REPO / 'mission_control.py').read_text()
    for name, value in {**tiny, 'N_ITERATIONS': ENDLESS, 'GRID_EVERY': 1, 'CHECKPOINT_EVERY': ENDLESS,
                        'DATASET_PATH': str(tiny['DATASET_PATH'])}.items():
        control, edited = re.subn(rf'(?m)^{name} = [^#]*', lambda _, line=f'{name} = {value!r}  ': line, control)
        assert edited == 1
    (tmp_path / 'mission_control.py').write_text(control)
    arguments, last = [], 0
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with (tmp_path / 'log').open('w') as log, \
                subprocess.Popen([sys.executable, 'main.py', *arguments], cwd=tmp_path, stdout=log, stderr=log,
                                 env={**os.environ, 'PYTHONPATH': str(REPO)}) as process, \
                contextlib.ExitStack() as stack:
            stack.callback(process.kill)  # where the test fails
            deadline = time.monotonic() + DEADLINE_S
            while not any(int(path.stem) > last + 3 for path in tmp_path.glob('*/*/*/Generated_Images/0*.png')):
                assert process.poll() is None and time.monotonic() < deadline, (tmp_path / 'log').read_text()
                time.sleep(0.01)
            run = only_run(tmp_path / 'Results')
            if last:  # it is being trained right now, and is left alone
                options = run.options.read_bytes()
                refused = launcher.run({**tiny, 'RESULTS_PATH': tmp_path / 'Results', 'RESUME': True})
                assert refused.code == 2, refused.text
                assert f'{run.path} is being trained right now' in refused.text
                assert 'Traceback' not in refused.text
                assert run.options.read_bytes() == options
            process.send_signal(number)
            assert process.wait(DEADLINE_S) == code
        text = (tmp_path / 'log').read_text()
        assert 'Traceback' not in text
        # The iteration was finished, with all that was due, and saved.
        last = checkpoint_iterations(run.saved_models)[-1]
        assert last > 3
        assert max(run.generated_images.glob('0*.png')).stem == f'{last:07d}'
        assert int(read_checkpoint(run, last)['global_step']) == last
        assert f'Stopped at iteration {last}.' in text
        arguments = command_in(text)
        assert 'RESUME=True' in arguments
    first, *_, second = json.loads(run.options.read_text())['history']
    assert (first['iteration'], second['iteration'] > 3) == (0, True)


def test_printed_command_keeps_what_the_command_line_set(launcher, tiny, tmp_path):
    """A run begun with NAME=value goes on with them: BATCH_SIZE = 12 of mission_control.py is too many here."""
    settings = {**tiny, 'RESULTS_PATH': tmp_path / 'a folder', 'LEARNING_RATE': 0.0004, 'N_ITERATIONS': ENDLESS,
                'GRID_EVERY': 1}
    arguments, last = [f'{name}={value}' for name, value in settings.items()], 0
    for _ in range(2):
        child = launcher.start(arguments)
        child.until(lambda more=last + 3: any(tmp_path.glob(f'*/roses/*/Generated_Images/{more:07d}.png')))
        child.send(signal.SIGINT)
        ended = child.wait()
        assert ended.code == 130, ended.text
        assert 'the new one is used' not in ended.text
        arguments = command_in(ended.text)
        last = checkpoint_iterations(only_run(tmp_path / 'a folder').saved_models)[-1]
    run = only_run(tmp_path / 'a folder')
    first, second = json.loads(run.options.read_text())['history']
    assert (first['changes'], second['changes'].keys() - {'RESUME', 'RUN'}) == ({}, set())


def test_second_interrupt_ends_at_once_and_harms_nothing(launcher, tiny, tmp_path):
    settings = {**tiny, 'RESULTS_PATH': tmp_path, 'Z_DIM': 1000, 'N_ITERATIONS': ENDLESS, 'CHECKPOINT_EVERY': ENDLESS,
                'GRID_EVERY': 1}  # so long a z makes a save that takes a while
    for attempt in range(10):
        child = launcher.start({**settings, 'RESUME': attempt > 0})
        child.until(lambda: any(tmp_path.glob('roses/*/Saved_Models/train-*.index')))
        run = only_run(tmp_path)
        before = checkpoint_iterations(run.saved_models)[-1]
        child.until((run.generated_images / f'{before + 2:07d}.png').exists)
        child.send(signal.SIGINT)
        with contextlib.suppress(AssertionError):  # the save may be over before it is seen
            child.until((run.saved_models / '.partial').exists)
        child.send(signal.SIGSTOP)  # the save takes longer than what passes for one request
        time.sleep(1.2 * ONE_REQUEST_S)
        child.send(signal.SIGINT)
        child.send(signal.SIGCONT)
        ended = child.wait()
        assert 'Traceback' not in ended.text
        if 'Stopped at iteration' not in ended.text:
            break
        assert ended.code == 130, ended.text
    else:
        pytest.fail('no second signal came before the end of the save')
    assert ended.code in (-signal.SIGINT, 130), ended.text
    last = checkpoint_iterations(run.saved_models)[-1]
    assert last >= before
    ended = launcher.run({**settings, 'RESUME': True, 'N_ITERATIONS': last + 1})
    assert ended.code == 0, ended.text
    assert 'passed over' not in ended.text
    assert f'from iteration {last}' in ended.text or last == 0
    assert not (run.saved_models / '.partial').exists()


def test_remedies_are_told_with_the_command_that_resumes_the_run(launcher, tiny, half, tmp_path):
    run = copy_run(half, tmp_path)
    settings = {**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'AUGMENT': '', 'MIRROR': False}
    ended = launcher.run({**settings, 'N_ITERATIONS': 21})
    assert ended.code == 0, ended.text
    told = re.search(r'so few are soon learnt by heart. What helps: .*main\.py (.*)', ended.text)[1]
    words = shlex.split(told)
    assert {'RESUME=True', f'RUN={run.path}', 'MIRROR=True', 'AUGMENT=translation'} <= set(words)
    assert not any(word.startswith('EMA_DECAY=0.999') for word in words)
    ended = launcher.run([*words, 'N_ITERATIONS=22'])
    assert ended.code == 0, ended.text
    assert 'from iteration 21' in ended.text
    assert 'learnt by heart' not in ended.text
    changes = json.loads(run.options.read_text())['history'][-1]['changes']
    assert (changes['MIRROR'], changes['AUGMENT']) == ([False, True], ['', 'translation'])


# What may change between the parts


def test_settings_that_disagree_are_named(launcher, tiny, half, tmp_path):
    run = copy_run(half, tmp_path)
    before = json.loads(run.options.read_text())
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 22, 'BATCH_SIZE': 3,
                          'LEARNING_RATE': 0.0001, 'EMA_DECAY': 0.5, 'Z_DIM': 5, 'IMAGE_SIZE': 32, 'SEED': 9})
    assert ended.code == 0, ended.text
    lines = [line for line in ended.text.splitlines() if ': the run has ' in line]
    wins = {line.partition(':')[0]: line.partition(';')[2] for line in lines}
    assert len(lines) == len(wins) == 7, lines
    for name, old, new, winner in (
            ('IMAGE_SIZE', 16, 32, "run's"), ('Z_DIM', 4, 5, "run's"), ('EMA_DECAY', 0.99, 0.5, "run's"),
            ('SEED', 3, 9, "run's"), ('N_ITERATIONS', 20, 22, 'new one'), ('BATCH_SIZE', 4, 3, 'new one'),
            ('LEARNING_RATE', 0.0002, 0.0001, 'new one')):
        line, = (line for line in lines if line.startswith(f'{name}: '))
        assert f'the run has {old}, ' in line
        assert f' {new};' in line
        assert winner in wins[name]
    # Recorded beside what the run began with; what the run is stays.
    after = json.loads(run.options.read_text())
    assert after['history'][:-1] == before['history']
    assert after['history'][-1]['iteration'] == 20
    changes = after['history'][-1]['changes']
    assert (changes['BATCH_SIZE'], changes['LEARNING_RATE'], changes['N_ITERATIONS']) == (
        [4, 3], [0.0002, 0.0001], [20, 22])
    assert not changes.keys() & {'IMAGE_SIZE', 'Z_DIM', 'EMA_DECAY', 'SEED', 'data'}
    assert (after['settings']['BATCH_SIZE'], after['settings']['Z_DIM']) == (3, 4)

    # All iterations are made now
    files = sorted(run.path.rglob('*'))
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 22})
    assert ended.code == 2, ended.text
    assert 'Traceback' not in ended.text
    assert 'made its 22 iterations' in ended.text
    assert 'raise N_ITERATIONS' in ended.text
    assert sorted(run.path.rglob('*')) == files


def test_a_run_keeps_what_it_was_told(launcher, tmp_path):
    """Each setting comes from the command line of now, else from a line that was changed since, else from the run."""
    shutil.copy(REPO / 'main.py', tmp_path)
    control = (REPO / 'mission_control.py').read_text()
    for name, value in {**TINY, 'DATASET_PATH': str(make_pictures(tmp_path / 'pictures')), 'N_ITERATIONS': 2,
                        'MIRROR': False, 'AUGMENT': '', 'BATCH_SIZE': 5}.items():
        control = re.sub(rf'(?m)^{name} = [^#]*', lambda _, line=f'{name} = {value!r}  ': line, control)

    def main(*arguments, **edits):
        nonlocal control
        for name, value in edits.items():
            control, count = re.subn(rf'(?m)^{name} = [^#]*', lambda _, line=f'{name} = {value!r}  ': line, control)
            assert count == 1
        (tmp_path / 'mission_control.py').write_text(control)
        done = subprocess.run([sys.executable, 'main.py', *arguments], cwd=tmp_path, text=True, capture_output=True,
                              env={**os.environ, 'PYTHONPATH': str(REPO)})
        assert done.returncode == 0, done.stderr
        run = only_run(tmp_path / 'Results')
        now = json.loads(run.options.read_text())['settings']
        differences = [line for line in done.stdout.splitlines() if ': the run has ' in line]
        return {name: now[name] for name in ('BATCH_SIZE', 'MIRROR', 'AUGMENT', 'SCALARS_EVERY', 'Z_DIM')}, differences

    told = {'BATCH_SIZE': 4, 'MIRROR': True, 'AUGMENT': 'color', 'SCALARS_EVERY': 1, 'Z_DIM': 3}
    assert main('BATCH_SIZE=4', 'MIRROR=True', 'AUGMENT=color', 'Z_DIM=3') == (told, [])
    assert main('RESUME=True', 'N_ITERATIONS=4') == (
        told, ['N_ITERATIONS: the run has 2, you set 4; the new one is used from here on'])
    # A changed line, and one that is as it was; a setting of the run itself; the command line before both.
    assert main('RESUME=True', 'N_ITERATIONS=6', 'AUGMENT=cutout', BATCH_SIZE=6, SCALARS_EVERY=2, Z_DIM=7) == (
        {**told, 'BATCH_SIZE': 6, 'AUGMENT': 'cutout', 'SCALARS_EVERY': 2}, [
            'N_ITERATIONS: the run has 4, you set 6; the new one is used from here on',
            'BATCH_SIZE: the run has 4, you set 6; the new one is used from here on',
            "Z_DIM: the run has 3, you set 7; the run's is used",
            "AUGMENT: the run has 'color', you set 'cutout'; the new one is used from here on",
            'SCALARS_EVERY: the run has 1, you set 2; the new one is used from here on'])
    assert main('RESUME=True', 'N_ITERATIONS=8')[0] == {
        **told, 'BATCH_SIZE': 6, 'AUGMENT': 'cutout', 'SCALARS_EVERY': 2}
    history = json.loads(only_run(tmp_path / 'Results').options.read_text())['history']
    assert [entry['command_line'].get('AUGMENT') for entry in history] == ['color', None, 'cutout', None]
    assert [entry['mission_control']['BATCH_SIZE'] for entry in history] == [5, 5, 6, 6]


def test_pictures_that_changed_or_moved(launcher, tiny, half, tmp_path):
    run = copy_run(half, tmp_path)
    data = make_pictures(tmp_path / 'data')
    options = json.loads(run.options.read_text())
    options['settings']['DATASET_PATH'] = str(data)
    run.options.write_text(json.dumps(options))
    shutil.copy(data / '0.png', data / 'one more.png')
    settings = {**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'DATASET_PATH': data}
    ended = launcher.run({**settings, 'N_ITERATIONS': 21})
    assert ended.code == 0, ended.text
    assert ended.text.count('have changed since') == 1
    assert '8 then, 9 now' in ended.text
    options = json.loads(run.options.read_text())
    before, now = options['history'][-1]['changes']['data']
    assert before != now == options['data']['fingerprint']

    data.rename(tmp_path / 'elsewhere')
    ended = launcher.run({**settings, 'N_ITERATIONS': 22})
    assert ended.code == 2, ended.text
    assert 'Traceback' not in ended.text
    assert f'DATASET_PATH is {str(data)!r} on the command line, but there is no such folder' in ended.text
    ended = launcher.run({**settings, 'N_ITERATIONS': 22, 'DATASET_PATH': tmp_path / 'elsewhere'})
    assert ended.code == 0, ended.text
    assert 'have changed since' not in ended.text
    line, = (line for line in ended.text.splitlines() if line.startswith('DATASET_PATH: '))
    assert str(data) in line
    assert line.endswith('the new one is used from here on')
    assert checkpoint_iterations(run.saved_models)[-1] == 22


# Old runs


@pytest.fixture
def old_run(tmp_path):
    """A copy of the run of format 1 that is kept in the repository, with its checkpoint unpacked."""
    path, = (path for path in FORMAT_1.iterdir() if path.is_dir())
    run = copy_run(RunFolder(path), tmp_path)
    for packed in run.saved_models.glob('*.gz'):
        packed.with_suffix('').write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    return run


def test_run_of_format_1_makes_its_rose(launcher, old_run, tmp_path):
    ended = launcher.run({'LOAD': True, 'RESULTS_PATH': tmp_path, 'SEED': 1, 'N_SAMPLES': 1})
    assert ended.code == 0, ended.text
    made, = old_run.generated_images.glob('*.png')
    rose, expected = (np.asarray(Image.open(path)).astype(int) for path in (made, FORMAT_1 / 'rose.png'))
    assert rose.shape == expected.shape == (16, 16, 3)
    assert np.ptp(expected) > 50
    assert np.abs(rose - expected).max() <= 2  # other processors round otherwise


def test_run_of_format_1_goes_on(launcher, old_run, tiny, tmp_path):
    before = read_checkpoint(old_run, 3)
    ended = launcher.run({**tiny, 'MIRROR': False, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 4})
    assert ended.code == 0, ended.text
    assert 'Z_DIM: the run has 2, ' in ended.text
    assert checkpoint_iterations(old_run.saved_models) == [3, 4]
    after = read_checkpoint(old_run, 4)
    assert after.keys() == before.keys() | {'run_state/better', 'run_state/quality_distance'}
    assert after['global_step'] == 4
    assert np.array_equal(after['run_state/grid_z'], before['run_state/grid_z'])
    # Weights and Adam's moments went on from those saved: v = beta_2 v + (1 - beta_2) g², with beta_2 = 0.999.
    assert before['g_h1/w/Adam_1'].max() > 0
    assert np.all(after['g_h1/w/Adam_1'] >= 0.998 * before['g_h1/w/Adam_1'])
    assert 0 < np.abs(after['g_h1/w'] - before['g_h1/w']).max() < 0.005
    rng = np.random.RandomState()
    kind, keys, *position = json.loads(before['run_state/rng'])
    rng.set_state((kind, np.array(keys, np.uint32), *position))
    rng.permutation(8)
    rng.uniform(-1, 1, [4, 2])
    kind, keys, *position = json.loads(after['run_state/rng'])
    assert np.array_equal(rng.get_state()[1], keys)
    assert list(rng.get_state()[2:]) == position
