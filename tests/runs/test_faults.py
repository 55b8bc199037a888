"""What can go wrong around a run, done for real: killed processes, torn files, full disks, damaged folders."""

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import time
from datetime import datetime
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
    only_run,
    pictures_of,
    read_checkpoint,
)
from PIL import Image

from gans_n_roses.command_line import read_settings
from gans_n_roses.errors import BadInput
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.plan import make_plan
from gans_n_roses.quality.metrics import SCORE
from gans_n_roses.runs.checkpoints import read_newest, restore_run, statistics_of
from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations, checkpoint_names, make_run_folder
from gans_n_roses.sampling.roses import MAKERS, sample
from gans_n_roses.sampling.saved_generator import open_generator
from gans_n_roses.training.loop import train

KILLS = 10
NO_CHECKPOINT_FITS = 2_000_000  # bytes: pictures and events do, a checkpoint of 6 MB does not
DATA = '.data-00000-of-00001'
PATTERN = 'R [1]*\\x?'  # a folder's name that is a pattern to whoever takes it for one


@pytest.fixture(scope='module')
def small(tiny):
    """Settings of a tiny run that measures and saves each iteration; without the two remedies that are slow."""
    return {**tiny, 'AUGMENT': '', 'R1_GAMMA': 0, 'CHECKPOINT_EVERY': 1}


@pytest.fixture(scope='module')
def made(launcher, small, tmp_path_factory):
    """A run of 8 iterations that kept every checkpoint; tests break copies of it."""
    results = tmp_path_factory.mktemp('made')
    ended = launcher.run({**small, 'RESULTS_PATH': results, 'N_ITERATIONS': 8, 'CHECKPOINTS_KEPT': 8})
    assert ended.code == 0, ended.text
    run = only_run(results)
    assert checkpoint_iterations(run.saved_models) == list(range(1, 9))
    assert [step for step, _ in curves(run)[SCORE]] == list(range(1, 9))
    # A kill amid the film comes before the last checkpoint, so that RESUME makes the film again.
    assert (run.generated_images / 'training.gif').stat().st_mtime_ns <= (
        run.saved_models / 'train-8.index').stat().st_mtime_ns
    return run


@pytest.fixture
def broken(made, tmp_path):
    """A copy of that run, alone in tmp_path."""
    return copy_run(made, tmp_path)


@pytest.fixture
def asked(small, tmp_path):
    """Settings that find the copy."""
    return {**small, 'RESULTS_PATH': tmp_path}


@pytest.fixture
def disk():
    """Function (folder, bytes): mounts a disk of that size on the folder, where the system lets it."""
    mounted = []

    def mount(folder, size, *options):
        command = ['mount', '-t', 'tmpfs', '-o', ','.join([f'size={size}', *options]), 'tmpfs', folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip('no mount command')
        if done.returncode:
            pytest.skip(f'no disk can be mounted here: {done.stderr.strip()}')
        if 'remount' not in options:
            mounted.append(folder)
    yield mount
    for folder in reversed(mounted):
        subprocess.run(['umount', '-l', folder], check=True)


def planned(settings):
    """The Plan for settings as the command line gives them."""
    return make_plan(read_settings(REPO / 'mission_control.py', [f'{name}={settings[name]}' for name in settings]))


def fill(folder):
    """Leave no room on the folder's disk."""
    with open(folder / 'filler', 'wb', buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def contents(folder):
    """Path in the folder → bytes of every file but the lock, which a process that only looks may make."""
    return {path.relative_to(folder): path.read_bytes()
            for path in folder.rglob('*') if path.is_file() and path.name != '.lock'}


def assert_told(ended, code, *parts):
    """The process ended with this code and one sentence, the last line, that has these parts."""
    assert ended.code == code, ended.text
    assert 'Traceback' not in ended.text
    sentence = ended.text.rstrip('\n').splitlines()[-1]
    for part in parts:
        assert str(part) in sentence, f'{part} is not in: {sentence}'


def assert_refused(action, *parts):
    """The action is refused in one sentence that has these parts."""
    with pytest.raises(BadInput) as refused:
        action()
    sentence = str(refused.value)
    assert '\n' not in sentence
    for part in parts:
        assert str(part) in sentence, f'{part} is not in: {sentence}'


# Killed


def newest_in(run):
    return checkpoint_iterations(run.saved_models)[-1]


def saves(run):
    """The run is writing a train-… just now."""
    try:
        return any(name.startswith('train-') for name in os.listdir(run.saved_models / '.partial'))
    except FileNotFoundError:
        return False


def test_run_killed_ten_times_is_the_run_that_was_not(launcher, small, tmp_path):
    """Every iteration is measured and saved; some kills fall into a save, some before the first new iteration."""
    rng = random.Random(4)
    settings = {**small, 'CHECKPOINTS_KEPT': 2}
    chain = {**settings, 'RESULTS_PATH': tmp_path / 'killed', 'N_ITERATIONS': ENDLESS}
    child = launcher.start(chain)
    child.until(lambda: any(tmp_path.glob('killed/roses/*/Saved_Models/train-1.index')))  # it can go on from here
    child.send(signal.SIGKILL)
    assert child.wait().code == -signal.SIGKILL
    run, in_save = only_run(tmp_path / 'killed'), 0
    last = newest_in(run)
    for kill in range(1, KILLS):
        child = launcher.start({**chain, 'RESUME': True})
        if kill % 3:  # once its loop is under way: amid a save, or shortly after one
            child.until(lambda before=last: newest_in(run) > before)
            if kill % 3 == 1:
                child.until(lambda: saves(run))
            time.sleep(rng.uniform(0, 0.01 if kill % 3 == 1 else 0.4))
        else:  # at any moment from its start on
            time.sleep(rng.uniform(0, 2))
        child.send(signal.SIGKILL)
        ended = child.wait()
        assert ended.code == -signal.SIGKILL, f'kill {kill}: {ended.text}'
        assert newest_in(run) >= last  # nothing that was saved is lost
        assert 'skipped' not in ended.text
        if 'Run  ' in ended.text:
            assert f'from iteration {last}\n' in ended.text
        in_save += (run.saved_models / '.partial').exists()
        last = newest_in(run)
    assert in_save
    settings['N_ITERATIONS'] = last + 2
    ended = launcher.run({**settings, 'RESULTS_PATH': tmp_path / 'killed', 'RESUME': True})
    assert ended.code == 0, ended.text
    ended = launcher.run({**settings, 'RESULTS_PATH': tmp_path / 'whole'})
    assert ended.code == 0, ended.text
    whole = only_run(tmp_path / 'whole')
    assert_same_state(run, whole, last + 2)
    # No kill has left a file, and the best one is the best of all iterations.
    names = {path.name for path in whole.saved_models.iterdir()}
    assert {path.name for path in run.saved_models.iterdir()} == names
    assert {name for name in names if not name.startswith('best-')} == {
        'checkpoint', *(f'train-{last + k}{part}' for k in (1, 2) for part in (DATA, '.index'))}
    best, the_best = (read_newest(each.saved_models, 'best') for each in (run, whole))
    assert (best.path.name, best.score) == (the_best.path.name, the_best.score)
    assert all(np.array_equal(value, the_best.values[name]) for name, value in best.values.items())
    assert pictures_of(run) == pictures_of(whole)
    assert curves(run) == curves(whole)
    print(f'\n{KILLS} kills by SIGKILL, {in_save} of them in a save; {last + 2} iterations made, each once')


# A main.py that copies the run's folder each time that a file has got its name: what a kill at that moment leaves.
COPIES = """
import os, runpy, shutil, sys
from pathlib import Path
main, copies, replace = Path(os.environ['MAIN']), Path(os.environ['COPIES']), os.replace

def replace_and_copy(aside, path):
    replace(aside, path)
    run = next(folder for folder in Path(path).parents if folder.parent.name == 'roses')
    shutil.copytree(run, copies / f'{len(os.listdir(copies)):02} {Path(path).name}' / 'roses' / run.name)
os.replace, sys.argv[0] = replace_and_copy, str(main)
runpy.run_path(main, run_name='__main__')
"""


def test_run_killed_at_any_file_is_made_whole_by_resuming(launcher, small, tmp_path):
    """Resumed from where a kill costs something: after the best one is saved, amid a save, before a deletion."""
    copies, main = tmp_path / 'copies', tmp_path / 'main.py'
    copies.mkdir()
    main.write_text(COPIES)
    settings = {**small, 'N_ITERATIONS': 4, 'CHECKPOINT_EVERY': 2, 'GRID_EVERY': 1, 'CHECKPOINTS_KEPT': 1}
    ended = launcher.run({**settings, 'RESULTS_PATH': tmp_path / 'whole'}, main=str(main),
                         environment={'MAIN': str(REPO / 'main.py'), 'COPIES': str(copies)})
    assert ended.code == 0, ended.text
    whole = only_run(tmp_path / 'whole')
    names = {path.relative_to(whole.path) for path in whole.path.rglob('*') if 'tfevents' not in path.name}
    moments = {copy.name.partition(' ')[2]: copy for copy in copies.iterdir()}
    for name in ('best-2.index', 'train-2.index', 'best-4.index', f'train-4{DATA}', 'train-4.index'):
        copy = moments.get(name)
        if copy is None and name == 'best-4.index':  # it need not be better than the one before
            continue
        ended = launcher.run({**settings, 'RESULTS_PATH': copy, 'RESUME': True})
        complete = 'The run has made its 4 iterations' in ended.text
        assert (ended.code, complete) == ((2, True) if name == 'train-4.index' else (0, False)), ended.text
        run = only_run(copy)
        assert {path.relative_to(run.path) for path in run.path.rglob('*') if 'tfevents' not in path.name} == names
        assert_same_state(run, whole, 4)
        assert pictures_of(run) == pictures_of(whole)
        assert curves(run) == curves(whole)


# Torn checkpoints


def tear(run):
    """Tear the newest six of the checkpoints, each in its own way; the one of iteration 2 is the newest whole."""
    for path in run.saved_models.glob('best-*'):
        path.unlink()

    def data(iteration):
        return run.saved_models / f'train-{iteration}{DATA}'

    def index(iteration):
        return run.saved_models / f'train-{iteration}.index'
    os.truncate(data(8), data(8).stat().st_size // 2)
    os.truncate(index(7), index(7).stat().st_size // 2)
    index(6).write_bytes(random.Random(0).randbytes(2573))
    content = bytearray(data(5).read_bytes())
    content[len(content) // 2] ^= 1  # one bit
    data(5).write_bytes(content)
    data(4).unlink()
    index(3).write_bytes(b'')


def assert_named(text, run, iterations):
    for iteration in iterations:
        assert text.count(f'{run.saved_models / f"train-{iteration}"} is torn and skipped') == 1, text
    assert text.count('skipped') == len(iterations), text


def test_torn_checkpoints_are_named_and_skipped(launcher, small, made, tmp_path, capfd):
    """In a folder whose name is a pattern: nothing is taken for what the pattern stands for."""
    results = tmp_path / PATTERN
    broken = copy_run(made, results)
    tear(broken)
    before = contents(broken.path)
    assert read_newest(broken.saved_models).path.name == 'train-2'  # as LOAD does
    assert_named(capfd.readouterr().out, broken, range(3, 9))
    assert contents(broken.path) == before

    # The later ones, torn, do not push out those that are made now; a kill amid a deletion leaves data and no index.
    (broken.saved_models / 'train-1.index').unlink()
    # Curves are kept, too, where the clock was set back since.
    events, = broken.tensorboard.glob('events*')
    later = events.rename(events.with_name(f'events.out.tfevents.{time.time() + 3600:.6f}.host.1'))
    ended = launcher.run({**small, 'RESULTS_PATH': results, 'RESUME': True, 'N_ITERATIONS': 4, 'CHECKPOINTS_KEPT': 2})
    assert ended.code == 0, ended.text
    assert_named(ended.text, broken, range(3, 9))
    assert 'from iteration 2\n' in ended.text
    assert checkpoint_iterations(broken.saved_models) == [3, 4]
    assert not (broken.saved_models / f'train-1{DATA}').exists()
    assert min(broken.tensorboard.glob('events*')) == later
    assert curves(broken)[SCORE] == curves(made)[SCORE][:4]
    broken = only_run(results.rename(tmp_path / 'plain'))  # TensorFlow's reader, too, takes a name for a pattern
    for iteration in (3, 4):
        whole, again = read_checkpoint(made, iteration), read_checkpoint(broken, iteration)
        assert all(np.asarray(whole[name]).tobytes() == np.asarray(again[name]).tobytes() for name in whole)


def test_no_whole_checkpoint(launcher, asked, broken, capfd):
    tear(broken)
    for iteration in (1, 2):
        os.truncate(broken.saved_models / f'train-{iteration}{DATA}', 1000)
    before = contents(broken.path)
    ended = launcher.run({**asked, 'RESUME': True})
    assert_told(ended, 2, broken.saved_models, 'has no whole checkpoint', 'train anew')
    assert_named(ended.text, broken, range(1, 9))
    assert_refused(lambda: sample(planned({**asked, 'LOAD': True})), broken.saved_models, 'has no whole checkpoint')
    assert_named(capfd.readouterr().out, broken, range(1, 9))
    assert contents(broken.path) == before


def test_newest_whole_checkpoint_is_the_best_one(launcher, asked, broken, made):
    """Every train-… is torn: the run goes on from its best one exactly, and makes again all that came later."""
    for path in broken.saved_models.glob('best-*'):
        path.unlink()
    for part in ('.index', DATA):  # which one is best depends on the machine, so one is made it
        shutil.copy(broken.saved_models / f'train-5{part}', broken.saved_models / f'best-5{part}')
    for path in broken.saved_models.glob(f'train-*{DATA}'):
        os.truncate(path, 1000)
    assert read_newest(broken.saved_models).path.name == 'best-5'  # as LOAD does
    ended = launcher.run({**asked, 'RESUME': True, 'N_ITERATIONS': 8})
    assert ended.code == 0, ended.text
    assert 'from iteration 5\n' in ended.text
    assert checkpoint_iterations(broken.saved_models) == [6, 7, 8]
    assert checkpoint_iterations(broken.saved_models, 'torn-train') == list(range(1, 9))
    assert_same_state(broken, made, 8)


# Several at once


def test_loads_and_exports_at_once_lose_nothing(launcher, small, made, tmp_path):
    """In a folder whose name is a pattern, too."""
    broken = copy_run(made, tmp_path / PATTERN)
    settings = {**small, 'RESULTS_PATH': tmp_path / PATTERN, 'LOAD': True, 'N_FRAMES': 4,
                'SAMPLE_AS': 'grid,images,interpolation,savedmodel'}
    before = contents(broken.generated_images)
    texts = []
    for child in [launcher.start({**settings, 'SEED': seed}) for seed in range(3)]:
        ended = child.wait()
        assert ended.code == 0, ended.text
        texts.append(ended.text)
    paths = [Path(line.removeprefix('Made   ')) for text in texts for line in text.splitlines() if 'Made  ' in line]
    assert len(paths) == len(set(paths)) == 3 * 4
    assert all(path.exists() for path in paths)
    after = contents(broken.generated_images)
    assert after.items() >= before.items()
    assert len(after) - len(before) == 3 * (1 + small['N_SAMPLES'] + 1)  # no more, none lost
    assert all(after.values())
    exports = {'train-8', 'train-8_2', 'train-8_3'}
    assert {path.name for path in (broken.path / 'Exported_Model').iterdir()} == exports
    assert {str(path) for path in contents(broken.path / 'Exported_Model')} == {
        f'{name}/{file}' for name in exports
        for file in ('saved_model.pb', 'variables/variables.index', f'variables/variables{DATA}')}


def test_two_runs_of_one_second_keep_apart(launcher, small, tmp_path):
    for attempt in range(5):
        results = tmp_path / str(attempt)
        settings = {**small, 'RESULTS_PATH': results, 'N_ITERATIONS': 2}
        time.sleep(1.02 - time.time() % 1)  # a second has just begun
        both = [launcher.start({**settings, 'SEED': seed}) for seed in (1, 2)]
        for child in both:
            ended = child.wait()
            assert ended.code == 0, ended.text
        runs = [RunFolder(path) for path in sorted((results / 'roses').iterdir())]
        assert len(runs) == 2
        if runs[1].path.name == f'{runs[0].path.name}_2':
            break
    else:
        pytest.fail('five times, two processes did not start in one second')
    assert {json.loads(run.options.read_text())['settings']['SEED'] for run in runs} == {1, 2}
    for run in runs:
        assert checkpoint_iterations(run.saved_models) == [1, 2]
        assert {path.name for path in run.generated_images.iterdir()} == {
            '0000000.png', '0000002.png', 'nearest', 'real_images.png', 'training.gif'}
        assert [step for step, _ in curves(run)[SCORE]] == [1, 2]
    first, second = (read_checkpoint(run, 2)['g_h1/w'] for run in runs)
    assert np.any(first != second)


# Disks


def test_file_too_large_for_the_first_checkpoint(launcher, small, tmp_path):
    ended = launcher.run({**small, 'RESULTS_PATH': tmp_path}, file_limit=NO_CHECKPOINT_FITS)
    assert_told(ended, 1, 'Iteration 1 cannot be saved', tmp_path, 'too large', 'Nothing was saved before')
    assert not any((tmp_path / 'roses').iterdir())


def test_file_too_large_for_a_later_checkpoint(launcher, asked, broken):
    before = contents(broken.saved_models)
    ended = launcher.run({**asked, 'RESUME': True, 'N_ITERATIONS': 12, 'CHECKPOINT_EVERY': 2},
                         file_limit=NO_CHECKPOINT_FITS)
    assert_told(ended, 1, 'Iteration 10 cannot be saved', 'too large', broken.saved_models / 'train-8',
                'from iteration 8')
    assert contents(broken.saved_models) == before


def test_disk_too_small_for_the_second_checkpoint(launcher, small, tmp_path, disk):
    results = tmp_path / 'results'
    results.mkdir()
    disk(results, 9_000_000)
    settings = {**small, 'RESULTS_PATH': results, 'N_ITERATIONS': 6, 'CHECKPOINT_EVERY': 3}
    ended = launcher.run(settings)
    run = only_run(results)
    assert_told(ended, 1, 'Iteration 3 cannot be saved', run.saved_models / 'train-1', 'No space left',
                'from iteration 1')
    assert checkpoint_iterations(run.saved_models) == [1]
    assert not (run.saved_models / '.partial').exists()

    shutil.rmtree(run.generated_images / 'nearest')  # RESUME would delete it, and have room again
    fill(results)
    options = run.options.read_bytes()
    ended = launcher.run({**settings, 'RESUME': True})
    assert_told(ended, 1, run.options, 'No space left', 'from iteration 1')
    assert run.options.read_bytes() == options

    (results / 'filler').unlink()
    disk(results, 99_000_000, 'remount')
    ended = launcher.run({**settings, 'RESUME': True})
    assert ended.code == 0, ended.text
    assert checkpoint_iterations(run.saved_models) == [1, 3, 6]
    shown = curves(run)
    assert [step for step, _ in shown[SCORE]] == [3, 6]
    assert [step for step, _ in shown['Generated_Images']] == [0, 5, 6]


def test_disk_that_fills_with_pictures_and_events_costs_no_iteration(launcher, asked, broken, made, disk):
    """Room for three pages of pictures, and for as many of events."""
    for name in checkpoint_names(broken.saved_models):
        if name != 'train-5':
            for part in ('.index', DATA):
                (broken.saved_models / f'{name}{part}').unlink()
    for folder in (broken.generated_images, broken.tensorboard):
        disk(folder, 4096 * 5)
        fill(folder)
        os.truncate(folder / 'filler', os.path.getsize(folder / 'filler') - 4096 * 3)
    ended = launcher.run({**asked, 'RESUME': True, 'N_ITERATIONS': 8, 'GRID_EVERY': 1})
    assert ended.code == 0, ended.text
    assert 'Traceback' not in ended.text
    for what in ('pictures', 'TensorBoard events'):
        lines = [line for line in ended.text.splitlines() if f'{what} cannot be written' in line]
        assert len(lines) == 1, ended.text
        assert str(broken.path) in lines[0]
        assert 'training goes on' in lines[0]
    pictures = [path for path in broken.generated_images.rglob('*.*') if path.is_file()]
    assert 1 <= len(pictures) <= 3  # a page or more each
    for path in pictures:
        Image.open(path).load()  # none is torn
    assert_same_state(broken, made, 8)


def test_disk_full_in_load_names_what_could_not_be_written(asked, broken, disk):
    """Whatever was begun is gone: no empty file, no empty folder, no part of an export."""
    plan = planned({**asked, 'LOAD': True})
    exports = plan.run.path / 'Exported_Model'
    for folder in (exports, plan.run.generated_images):
        folder.mkdir(exist_ok=True)
        disk(folder, 500_000)
        fill(folder)
    newest = read_newest(plan.run.saved_models)
    with open_generator(newest.values, newest.path) as saved:
        for kind, begun in (('grid', 'Trained_model_image_'), ('images', 'Trained_model_images_'),
                            ('interpolation', 'Trained_model_interpolation_'), ('frames', 'Trained_model_frames_'),
                            ('measures', 'Trained_model_nearest_'), ('savedmodel', 'train-8')):
            with pytest.raises(OSError, match='No space left') as full:
                MAKERS[kind](saved, plan)
            folder = exports if kind == 'savedmodel' else plan.run.generated_images
            assert full.value.filename.startswith(str(folder / begun))
            assert [path.name for path in folder.iterdir()] == ['filler']


def test_export_that_fails_leaves_what_was_there(launcher, asked, broken):
    earlier = broken.path / 'Exported_Model' / 'train-8'
    earlier.mkdir(parents=True)
    (earlier / 'saved_model.pb').write_bytes(b'earlier')
    before = contents(broken.path)
    ended = launcher.run({**asked, 'LOAD': True, 'SAMPLE_AS': 'savedmodel'}, file_limit=500_000)
    assert_told(ended, 1, earlier, 'too large', 'The model is as it was')
    statistics_of(broken.saved_models / 'train-8').unlink()
    assert contents(broken.path) == before


def test_folders_that_cannot_be_written(launcher, asked, broken, tmp_path):
    """RESULTS_PATH, and a run in it, that this user may read and not write."""
    folders = [tmp_path, *(path for path in tmp_path.rglob('*') if path.is_dir())]
    before = contents(tmp_path)
    try:
        for path in folders:
            path.chmod(0o555)
        settings = {**asked, 'N_ITERATIONS': 12}
        fresh = launcher.start(settings, powerless=True)
        again = launcher.start({**settings, 'RESUME': True}, powerless=True)
        roses = launcher.start({**asked, 'LOAD': True}, powerless=True)
        assert_told(fresh.wait(), 2, tmp_path / 'roses', 'Permission denied', 'RESULTS_PATH')
        assert_told(again.wait(), 1, broken.options, 'Permission denied', 'from iteration 8')
        assert_told(roses.wait(), 1, broken.generated_images, 'Permission denied')
    finally:
        for path in folders:
            path.chmod(0o755)
    assert contents(tmp_path) == before


def test_run_on_a_disk_that_became_read_only(small, made, tmp_path, disk):
    disk(tmp_path, 99_000_000)
    run = copy_run(made, tmp_path)
    disk(tmp_path, 99_000_000, 'remount', 'ro')
    plan = planned({**small, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 12})
    assert_refused(lambda: train(plan), run.path, 'Read-only file system')


# Losses and weights that are not finite


def rewrite(run, iteration, change):
    """Write a checkpoint anew with some values changed, by TensorFlow's own op."""
    values = {**read_checkpoint(run, iteration), **change}
    names = sorted(values)
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(tf.raw_ops.SaveV2(
            prefix=str(run.saved_models / f'train-{iteration}'), tensor_names=names,
            shape_and_slices=[''] * len(names), tensors=[tf.constant(values[name]) for name in names]))


def test_loss_that_is_not_finite_stops_the_run(launcher, asked, broken):
    """A weight of the size that training has diverged to."""
    weights = read_checkpoint(broken, 8)['d_h1_lin/Matrix']
    rewrite(broken, 8, {'d_h1_lin/Matrix': np.full_like(weights, 1e38)})
    before = contents(broken.saved_models)
    ended = launcher.run({**asked, 'RESUME': True, 'N_ITERATIONS': 10, 'CHECKPOINTS_KEPT': 1, 'LEARNING_RATE': 0.5})
    assert_told(ended, 1, 'D', 'Loss is ', ' at iteration 9', broken.saved_models / 'train-8', 'from iteration 8',
                'lower LEARNING_RATE')
    assert 'LEARNING_RATE=0.25' in command_in(ended.text)
    assert contents(broken.saved_models) == before


def test_weight_that_is_not_finite_is_not_saved(launcher, asked, broken):
    """The moving average is of no loss: only the save can notice. It is finite in the file, and its sum is not."""
    average = read_checkpoint(broken, 8)['g_h1/w/ExponentialMovingAverage']
    rewrite(broken, 8, {'g_h1/w/ExponentialMovingAverage': np.full_like(average, 3e38)})
    before = contents(broken.saved_models)
    ended = launcher.run({**asked, 'RESUME': True, 'N_ITERATIONS': 20})
    assert_told(ended, 1, 'not finite at iteration 9', 'not saved', 'from iteration 8')
    assert contents(broken.saved_models) == before


# Runs that cannot be opened


@pytest.mark.parametrize('what', ['LOAD', 'RESUME'])
def test_runs_without_a_checkpoint_and_names_of_none(small, tmp_path, what):
    settings = {**small, 'RESULTS_PATH': tmp_path, what: True}
    older, newer = (tmp_path / 'roses' / f'{year}-01-01_00-00-00_4_4_40_0.0002_0.5' for year in (2019, 2020))
    (newer / 'Saved_Models').mkdir(parents=True)
    assert_refused(lambda: planned(settings), newer, 'has no checkpoint', 'Train first')
    (older / 'Saved_Models').mkdir(parents=True)
    (older / 'Saved_Models' / 'train-1.index').touch()
    assert_refused(lambda: planned(settings), newer, 'has no checkpoint', f"RUN = '{older}' is the newest")
    for name in ('*', 'x**', '/', 'x' * 300):
        assert_refused(lambda name=name: planned({**settings, 'RUN': name}))


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir])
@pytest.mark.parametrize('what', ['LOAD', 'RESUME'])
def test_no_file_in_the_place_of_options(asked, broken, make, what):
    broken.options.unlink()
    make(broken.options)
    assert_refused(lambda: planned({**asked, what: True}), broken.options, 'it is no file')


def edit(change):
    """Function that edits options.json's text by editing what it holds."""
    def edited(text):
        options = json.loads(text)
        change(options)
        return json.dumps(options)
    return edited


@pytest.mark.parametrize(('change', 'told'), [
    (lambda text: text[:-5], ''),
    (lambda text: '', ''),
    (lambda text: '\x00\ufffd', ''),
    (lambda text: '[1, 2]', '"settings"'),
    (lambda text: '{}', '"settings"'),
    (edit(lambda options: options.pop('settings')), '"settings"'),
    (edit(lambda options: options.update(settings=[])), '"settings"'),
    (edit(lambda options: options.pop('format')), 'format'),
    (edit(lambda options: options.update(format=99)), 'format 99'),
    (edit(lambda options: options.update(format='1')), 'format'),
    (edit(lambda options: options['settings'].update(Z_DIM=0)), 'Z_DIM is 0'),
    (edit(lambda options: options['settings'].update(Z_DIM='four')), "Z_DIM is 'four'"),
    (edit(lambda options: options['settings'].update(IMAGE_SIZE=17)), 'IMAGE_SIZE is 17'),
    (edit(lambda options: options['settings'].update(LEARNING_RATE=float('nan'))), 'LEARNING_RATE is nan'),
    (edit(lambda options: options['settings'].update(DATASET_PATH=None)), 'DATASET_PATH is None'),
    (edit(lambda options: options['settings'].update(Z_DIMS=4)), 'Z_DIM'),
    (edit(lambda options: options['settings'].pop('BATCH_SIZE')), 'BATCH_SIZE'),
    (edit(lambda options: options.pop('data')), '"data"'),
    (edit(lambda options: options.update(data=[1])), '"data"'),
    (edit(lambda options: options.update(data=None)), '"data"'),
    (edit(lambda options: options.pop('history')), '"history"'),
    (edit(lambda options: options.update(history=5)), '"history"'),
    (edit(lambda options: options.update(history={})), '"history"'),
    (lambda text: '[' * 200_000, 'cannot be read'),
    (lambda text: '9' * 5000, 'cannot be read'),
    (edit(lambda options: options['settings'].update(SEED=10**30)), 'SEED is 10'),
    (edit(lambda options: options['settings'].update(IMAGE_SIZE=10**30)), 'IMAGE_SIZE is 10'),
])
def test_options_edited_by_hand(small, made, tmp_path, change, told):
    run = RunFolder(tmp_path / 'roses' / made.path.name)
    (run.path / 'Saved_Models').mkdir(parents=True)
    (run.saved_models / 'train-8.index').touch()
    original = made.options.read_text()
    run.options.write_text(original)
    settings = {**small, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 9}
    assert planned(settings).run == run
    run.options.write_text(change(original))
    assert_refused(lambda: planned(settings), run.path, told)


def test_options_of_other_networks_than_those_of_the_checkpoint(launcher, asked, broken):
    change = edit(lambda options: options['settings'].update(IMAGE_SIZE=32))
    broken.options.write_text(change(broken.options.read_text()))
    before = contents(broken.path)
    ended = launcher.run({**asked, 'RESUME': True, 'N_ITERATIONS': 9})
    assert_told(ended, 2, broken.saved_models / 'train-8', 'g_h0_lin/Matrix of shape', 'IMAGE_SIZE')
    assert contents(broken.path) == before


def test_values_that_do_not_fit_the_networks(asked, broken):
    settings = planned({**asked, 'RESUME': True, 'N_ITERATIONS': 9}).settings
    newest = read_newest(broken.saved_models)
    average = 'g_h1/w/ExponentialMovingAverage'
    without = {name: value for name, value in newest.values.items() if name != average}
    with tf.Graph().as_default(), tf.Session() as session:
        build_graph(settings)
        for change, *told in (
                ({'state': newest.state._replace(grid_z=np.zeros([3, 3], np.float32))},
                 'run_state/grid_z of shape (3, 3)', '(4, 4)', 'N_SAMPLES'),
                ({'state': None}, 'no run_state', 'LOAD can still use it'),
                ({'values': {**newest.values, 'g_h0_lin/Matrix': np.zeros([5, 2048], np.float32)}},
                 'g_h0_lin/Matrix of shape (5, 2048)', '(4, 2048)', 'Z_DIM'),
                ({'values': {**newest.values, 'g_h9/w': np.float32(1)}}, 'g_h9/w', 'EMA_DECAY'),
                ({'values': without}, f'holds no {average}')):
            assert_refused(lambda change=change: restore_run(session, newest._replace(**change), settings),
                           broken.saved_models / 'train-8', *told)


def test_a_start_that_fails_leaves_no_run_folder(asked, broken, tmp_path):
    rewrite(broken, 8, {'global_step': np.int64([1, 2])})
    before = contents(tmp_path)
    for words in ({'START_FROM': broken.path, 'N_ITERATIONS': 2}, {'RESUME': True, 'N_ITERATIONS': 9}):
        assert_refused(lambda words=words: train(planned({**asked, **words})), broken.saved_models / 'train-8')
    assert contents(tmp_path) == before
    assert [path.name for path in (tmp_path / 'roses').iterdir()] == [broken.path.name]


def test_a_run_folder_is_made_whole_or_not_at_all(small, tmp_path, monkeypatch):
    """The disk has no room for a third folder."""
    made, mkdir = [], Path.mkdir

    def full(path, *how, **more):
        made.append(path)
        if len(made) == 4:
            raise OSError(errno.ENOSPC, 'No space left on device')
        mkdir(path, *how, **more)
    settings = planned({**small, 'RESULTS_PATH': tmp_path}).settings
    (tmp_path / 'roses').mkdir()
    monkeypatch.setattr(Path, 'mkdir', full)
    assert_refused(lambda: make_run_folder(settings, datetime.now()), 'No space left on device', 'RESULTS_PATH')
    assert len(made) == 4 and not any((tmp_path / 'roses').iterdir())
