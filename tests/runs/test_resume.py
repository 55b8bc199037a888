"""A run that is stopped, however it is stopped, and resumed is the run that was never stopped."""

import contextlib
import gzip
import json
import re
import shlex
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import REPO
from launching import (
    ENDLESS,
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
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gans_n_roses.machine.stopping import ONE_REQUEST_S
from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations
from gans_n_roses.runs.state import RunState

FORMAT_1 = Path(__file__).with_name('format_1')
LAST = 30


@pytest.fixture(scope='module')
def plain(tiny):
    """Settings of a tiny run without the remedies that take long to build, where only stopping matters."""
    return {**tiny, 'AUGMENT': '', 'R1_GAMMA': 0.0}


@pytest.fixture(scope='module')
def whole(launcher, tiny, tmp_path_factory):
    """A run of 30 iterations, never stopped; tests resume copies of it."""
    results = tmp_path_factory.mktemp('whole')
    ended = launcher.run({**tiny, 'RESULTS_PATH': results, 'N_ITERATIONS': LAST})
    assert ended.code == 0, ended.text
    return only_run(results)


# One run, whole or in parts


def assert_same_run(run, whole):
    assert_same_state(run, whole, LAST)
    made = [*(f'{k:07d}.png' for k in range(0, LAST + 1, 5)), *(f'nearest/{k:07d}.png' for k in (10, 20, 30)),
            'real_images.png', 'training.gif']
    assert sorted(pictures_of(whole)) == [f'Generated_Images/{name}' for name in made]
    assert pictures_of(run) == pictures_of(whole)
    shown = curves(whole)
    assert [step for step, _ in shown['Discriminator_Loss']] == [10, 20, 30]
    assert [step for step, _ in shown['Generated_Images']] == list(range(0, LAST + 1, 5))
    assert curves(run) == shown
    checkpoints = [{path.name: path.read_bytes() for path in each.saved_models.iterdir()} for each in (run, whole)]
    assert checkpoints[0] == checkpoints[1]


def test_run_in_parts_one_of_them_killed_is_the_whole_run(launcher, tiny, whole, tmp_path):
    settings = {**tiny, 'RESULTS_PATH': tmp_path}
    killed = launcher.start({**settings, 'N_ITERATIONS': ENDLESS, 'CHECKPOINT_EVERY': ENDLESS})
    killed.until(lambda: any(tmp_path.glob('roses/*/Generated_Images/0000015.png')))
    killed.send(signal.SIGKILL)
    assert killed.wait().code == -signal.SIGKILL
    run = only_run(tmp_path)
    assert checkpoint_iterations(run.saved_models) == [1]
    assert curves(run)['Discriminator_Loss'][-1][0] >= 10  # what was recorded in vain

    ended = launcher.run({**settings, 'N_ITERATIONS': 20, 'RESUME': True})
    assert ended.code == 0, ended.text
    assert re.search('from iteration 1$', ended.text, re.MULTILINE)
    before = read_checkpoint(run, 20)

    ended = launcher.run({**settings, 'N_ITERATIONS': LAST, 'RESUME': True})
    assert ended.code == 0, ended.text
    assert 'from iteration 20' in ended.text
    assert_same_run(run, whole)
    after = read_checkpoint(run, LAST)
    for kept in ('g_h1/w', 'g_h1/w/Adam', 'd_h1_conv/w/Adam_1', 'g_h1/w/ExponentialMovingAverage', 'run_state/rng'):
        assert np.any(before[kept] != after[kept]), kept
    assert np.array_equal(before['run_state/grid_z'], after['run_state/grid_z'])
    assert (before['global_step'], after['global_step']) == (20, LAST)


def test_run_killed_between_its_best_checkpoint_and_the_next_makes_both_again(launcher, tiny, whole, tmp_path):
    """As a kill leaves it: best-k is there, later grids and events too, train-k is not."""
    run = copy_run(whole, tmp_path)
    best, = checkpoint_iterations(run.saved_models, 'best')
    for iteration in checkpoint_iterations(run.saved_models):
        if iteration >= best:
            for part in run.saved_models.glob(f'train-{iteration}.*'):
                part.unlink()
    newest = checkpoint_iterations(run.saved_models)[-1]
    assert newest < best
    (run.generated_images / 'training.gif').unlink()
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': LAST, 'RESUME': True})
    assert ended.code == 0, ended.text
    assert re.search(f'from iteration {newest}$', ended.text, re.MULTILINE)
    assert 'torn' not in ended.text
    assert_same_run(run, whole)


def test_checkpoint_holds_all_state(whole):
    """Whatever a later feature adds as a variable, or to RunState, is saved."""
    events = EventAccumulator(str(whole.tensorboard))
    events.Reload()
    variables = {node.name: tf.dtypes.as_dtype(node.attr['dtype'].type) for node in events.Graph().node
                 if node.op in ('VariableV2', 'VarHandleOp')}
    assert len(variables) > 30
    saved = read_checkpoint(whole, LAST)
    fields = {*RunState._fields, 'quality_distance'} - {'kinds'}  # which only runs with LABELS have
    outside = {f'run_state/{field}' for field in fields}
    assert saved.keys() == variables.keys() | outside
    assert {name: saved[name].dtype for name in variables} == variables


# Ctrl-C, SIGTERM


def test_signals_save_and_say_how_to_go_on(launcher, plain, tmp_path):
    """As a user does it: settings in mission_control.py, some on the command line, Ctrl-C, the command as printed."""
    main = shutil.copy(REPO / 'main.py', tmp_path)
    control = (REPO / 'mission_control.py').read_text()
    # BATCH_SIZE = 12 stays: it is too many here, so that the printed command must keep what the command line gave.
    for name, value in {**plain, 'DATASET_PATH': str(plain['DATASET_PATH']), 'BATCH_SIZE': 12, 'N_ITERATIONS': ENDLESS,
                        'GRID_EVERY': 1, 'CHECKPOINT_EVERY': ENDLESS}.items():
        control, edited = re.subn(rf'(?m)^{name} = [^#]*', lambda _, line=f'{name} = {value!r}  ': line, control)
        assert edited == 1
    (tmp_path / 'mission_control.py').write_text(control)
    results = tmp_path / 'a folder'
    arguments, last = ['BATCH_SIZE=4', 'LEARNING_RATE=0.0004', f'RESULTS_PATH={results}'], 0
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        child = launcher.start(arguments, main=main)
        child.until(lambda more=last + 3: any(results.glob(f'*/*/Generated_Images/{more:07d}.png')))
        run = only_run(results)
        if last:  # it is being trained right now, and is left alone
            options = run.options.read_bytes()
            child.send(signal.SIGSTOP)  # to leave the processor to the other one
            refused = launcher.run({**plain, 'RESULTS_PATH': results, 'RESUME': True})
            assert refused.code == 2, refused.text
            assert f'{run.path} is being trained right now' in refused.text
            assert 'Traceback' not in refused.text
            assert run.options.read_bytes() == options
            child.send(signal.SIGCONT)
        child.send(number)
        ended = child.wait()
        assert ended.code == code, ended.text
        assert 'Traceback' not in ended.text and 'the new one is used' not in ended.text
        # The iteration was finished, with all that was due, and saved.
        last = checkpoint_iterations(run.saved_models)[-1]
        assert last >= 3
        shown = max(int(path.stem) for path in run.generated_images.glob('0*.png'))
        assert shown == (last if last < 100 else last // 10 * 10)
        assert int(read_checkpoint(run, last)['global_step']) == last
        assert f'Stopped at iteration {last}.' in ended.text
        arguments = command_in(ended.text)
        assert 'RESUME=True' in arguments
    first, second = json.loads(run.options.read_text())['history']
    assert (first['iteration'], second['iteration'] >= 3, second['changes']) == (0, True, {})


def test_second_interrupt_ends_at_once_and_harms_nothing(launcher, plain, tmp_path):
    settings = {**plain, 'RESULTS_PATH': tmp_path, 'Z_DIM': 1000, 'N_ITERATIONS': ENDLESS, 'CHECKPOINT_EVERY': ENDLESS,
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
    assert 'skipped' not in ended.text
    assert f'from iteration {last}' in ended.text or last == 0
    assert not (run.saved_models / '.partial').exists()


# What may change between the parts


def test_what_changed_between_the_parts_is_told_and_recorded(launcher, tiny, whole, tmp_path):
    run = copy_run(whole, tmp_path)
    data = make_pictures(tmp_path / 'data')
    shutil.copy(data / '0.png', data / 'one more.png')
    begun = json.loads(run.options.read_text())
    retired = {'CACHE': True, 'EXPORT': False, 'SCALARS_EVERY': 1, 'MEASURE_EVERY': 10}  # of version 1.5.0
    for said in (begun['settings'], begun['history'][0]['mission_control']):
        said |= {**retired, 'DATASET_PATH': str(data)}
    run.options.write_text(json.dumps(begun))
    settings = {**tiny, 'DATASET_PATH': data, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'BATCH_SIZE': 3, 'AUGMENT': '',
                'MIRROR': False, 'R1_GAMMA': 0.0, 'EMA_DECAY': 0.5, 'Z_DIM': 5}
    ended = launcher.run({**settings, 'N_ITERATIONS': LAST + 1})
    assert ended.code == 0, ended.text
    assert 'BATCH_SIZE: the run has 4, you set 3; the new one is used' in ended.text
    assert "EMA_DECAY: the run has 0.99, you set 0.5; the run's is used" in ended.text
    assert "Z_DIM: the run has 4, you set 5; the run's is used" in ended.text
    assert ended.text.count('have changed since') == 1
    assert '8 then, 9 now' in ended.text
    told = re.search(r'so few are soon memorised. What helps: .*main\.py (.*)', ended.text)[1]
    words = shlex.split(told)
    assert {'RESUME=True', f'RUN={run.path}', 'MIRROR=True', 'AUGMENT=translation', 'R1_GAMMA=0.1'} <= set(words)
    assert not any(word.startswith('EMA_DECAY') for word in words)

    # Recorded beside what the run began with; what the run is stays.
    options = json.loads(run.options.read_text())
    assert options['history'][:-1] == begun['history']
    assert options['history'][-1]['iteration'] == LAST
    changes = options['history'][-1]['changes']
    before, now = changes.pop('data')
    assert before != now == options['data']['fingerprint']
    assert changes == {'BATCH_SIZE': [4, 3], 'N_ITERATIONS': [LAST, LAST + 1], 'MIRROR': [True, False],
                       'AUGMENT': ['color,translation,cutout', ''], 'R1_GAMMA': [1.0, 0.0]}
    assert (options['settings']['BATCH_SIZE'], options['settings']['Z_DIM']) == (3, 4)

    # The command that was told, on pictures that have moved
    data.rename(tmp_path / 'elsewhere')
    ended = launcher.run([*words, f'DATASET_PATH={tmp_path / "elsewhere"}', f'N_ITERATIONS={LAST + 2}'])
    assert ended.code == 0, ended.text
    assert f'from iteration {LAST + 1}' in ended.text
    assert 'memorised' not in ended.text and 'have changed since' not in ended.text
    line, = (line for line in ended.text.splitlines() if line.startswith('DATASET_PATH: '))
    assert str(data) in line and line.endswith('the new one is used from here on')
    changes = json.loads(run.options.read_text())['history'][-1]['changes']
    assert (changes['MIRROR'], changes['AUGMENT']) == ([False, True], ['', 'translation'])

    # All iterations are made now
    files = sorted(run.path.rglob('*'))
    ended = launcher.run(['RESUME=True', f'RUN={run.path}'])
    assert ended.code == 2, ended.text
    assert 'Traceback' not in ended.text
    assert 'made its 32 iterations and N_ITERATIONS is 32: raise N_ITERATIONS' in ended.text
    assert sorted(run.path.rglob('*')) == files


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
    assert expected.shape == (16, 16, 3) == (len(rose[:16]), *rose.shape[1:])
    assert np.ptp(expected) > 50
    assert np.abs(rose[:16] - expected).max() <= 2  # other processors round otherwise; below stands the seed


def test_run_of_format_1_goes_on(launcher, old_run, plain, tmp_path):
    before = read_checkpoint(old_run, 3)
    ended = launcher.run({**plain, 'MIRROR': False, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 4})
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
