"""What can go wrong around a run, done for real: killed processes, torn files, full disks, damaged folders."""

import contextlib
import json
import os
import random
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
    ENDLESS,
    assert_same_state,
    command_in,
    copy_run,
    curves,
    only_run,
    read_checkpoint,
)

from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations, checkpoint_names

KILLS = 20
NO_CHECKPOINT_FITS = 2_000_000  # bytes: pictures and events do, a checkpoint of 6 MB does not
DATA = '.data-00000-of-00001'


@pytest.fixture(scope='module')
def made(launcher, tiny, tmp_path_factory):
    """A run of 8 iterations that kept every checkpoint; tests break copies of it."""
    results = tmp_path_factory.mktemp('made')
    ended = launcher.run({**tiny, 'RESULTS_PATH': results, 'N_ITERATIONS': 8, 'CHECKPOINT_EVERY': 1,
                          'CHECKPOINTS_KEPT': 8})
    assert ended.code == 0, ended.text
    run = only_run(results)
    assert checkpoint_iterations(run.saved_models) == list(range(1, 9))
    return run


@pytest.fixture
def broken(made, tmp_path):
    """A copy of that run, alone in tmp_path."""
    return copy_run(made, tmp_path)


@pytest.fixture
def disk():
    """Function (folder, bytes): mounts a disk of that size on the folder; True if it is the system's to give."""
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


def fill(folder):
    """Leave no room on the folder's disk."""
    with open(folder / 'filler', 'wb', buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def newest_in(run):
    return int(checkpoint_names(run.saved_models)[-1].rpartition('-')[2])


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def assert_told(ended, code, *parts):
    """The process ended with this code and one sentence, the last line, that has these parts."""
    assert ended.code == code, ended.text
    assert 'Traceback' not in ended.text
    sentence = ended.text.rstrip('\n').splitlines()[-1]
    for part in parts:
        assert str(part) in sentence, f'{part} is not in: {sentence}'


# Killed


def test_run_killed_twenty_times_is_the_run_that_was_not(launcher, tiny, tmp_path):
    """Every iteration is saved, so that many of the kills fall into a save."""
    rng = random.Random(4)
    settings = {**tiny, 'CHECKPOINT_EVERY': 1, 'CHECKPOINTS_KEPT': 2}
    chain = {**settings, 'RESULTS_PATH': tmp_path / 'killed', 'N_ITERATIONS': ENDLESS}
    in_save, before_first, last, run = 0, 0, 0, None
    for kill in range(KILLS):
        child = launcher.start({**chain, 'RESUME': kill > 0})
        if kill % 4:  # shortly after its loop is under way
            child.until(lambda run=run, before=last: newest_in(run) > before)
            time.sleep(rng.uniform(0, 1.5))
        elif kill:  # at any moment from its start on
            time.sleep(rng.uniform(0, 3))
        else:
            child.until(lambda: any(tmp_path.glob('killed/roses/*/Saved_Models/train-1.index')))
        child.send(signal.SIGKILL)
        ended = child.wait()
        assert ended.code == -signal.SIGKILL, f'kill {kill}: {ended.text}'
        run = only_run(tmp_path / 'killed')
        newest = newest_in(run)
        assert newest >= last  # nothing that was saved is lost
        assert 'passed over' not in ended.text
        if last > 0 and 'Run  ' in ended.text:
            assert f'from iteration {last}\n' in ended.text
        in_save += (run.saved_models / '.partial').exists()
        before_first += newest == last
        last = newest
    settings['N_ITERATIONS'] = last + 2
    ended = launcher.run({**settings, 'RESULTS_PATH': tmp_path / 'killed', 'RESUME': True})
    assert ended.code == 0, ended.text
    assert sorted(path.name for path in run.saved_models.iterdir() if not path.name.startswith('best-')) == sorted(
        ['checkpoint', *(f'train-{last + k}{part}' for k in (1, 2) for part in ('.index', DATA))])

    ended = launcher.run({**settings, 'RESULTS_PATH': tmp_path / 'whole', 'CHECKPOINT_EVERY': ENDLESS})
    assert ended.code == 0, ended.text
    whole = only_run(tmp_path / 'whole')
    assert_same_state(run, whole, last + 2)
    assert curves(run) == curves(whole)
    print(f'\n{KILLS} kills by SIGKILL, {in_save} of them in a save, {before_first} before the first new iteration; '
          f'{last + 2} iterations made, each once; no run lost')


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


def test_torn_checkpoints_are_named_and_passed_over(launcher, tiny, broken, made, tmp_path):
    tear(broken)
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'LOAD': True, 'SEED': 1})
    assert ended.code == 0, ended.text
    for iteration in range(3, 9):
        assert ended.text.count(f'train-{iteration} is torn and passed over') == 1, ended.text
    assert f'{broken.saved_models / "train-2"}\n' in ended.text
    assert checkpoint_iterations(broken.saved_models) == list(range(1, 9))  # LOAD leaves a run as it is

    # The later ones, torn, do not push out those that are made now; a kill amid a deletion leaves data and no index.
    (broken.saved_models / 'train-1.index').unlink()
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 4, 'CHECKPOINT_EVERY': 1,
                          'CHECKPOINTS_KEPT': 2})
    assert ended.code == 0, ended.text
    for iteration in range(3, 9):
        assert ended.text.count(f'train-{iteration} is torn and passed over') == 1, ended.text
    assert 'from iteration 2\n' in ended.text
    assert checkpoint_iterations(broken.saved_models) == [3, 4]
    assert not (broken.saved_models / f'train-1{DATA}').exists()
    for iteration in (3, 4):
        whole, again = read_checkpoint(made, iteration), read_checkpoint(broken, iteration)
        assert all(np.asarray(whole[name]).tobytes() == np.asarray(again[name]).tobytes() for name in whole)
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 5, 'CHECKPOINTS_KEPT': 1})
    assert ended.code == 0, ended.text
    assert 'passed over' not in ended.text
    assert checkpoint_iterations(broken.saved_models) == [5]


@pytest.mark.parametrize('what', ['RESUME', 'LOAD'])
def test_no_whole_checkpoint(launcher, tiny, broken, tmp_path, what):
    tear(broken)
    for iteration in (1, 2):
        os.truncate(broken.saved_models / f'train-{iteration}{DATA}', 1000)
    before = contents(broken.path)
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, what: True})
    assert_told(ended, 2, broken.saved_models, 'has no whole checkpoint', 'train anew')
    assert ended.text.count('is torn and passed over') == 8
    assert contents(broken.path).items() >= before.items()


def test_newest_whole_checkpoint_is_the_best_one(launcher, tiny, broken, made, tmp_path):
    """Every train-* is torn: LOAD and RESUME take the best one, which nothing deletes, and the run goes on exactly."""
    best = contents(made.saved_models)[Path(f'best-8{DATA}')]
    tear_all = [*broken.saved_models.glob(f'train-*{DATA}')]
    for path in tear_all:
        os.truncate(path, 1000)
    settings = {**tiny, 'RESULTS_PATH': tmp_path}
    ended = launcher.run({**settings, 'LOAD': True})
    assert ended.code == 0, ended.text
    assert f'Model  {broken.saved_models / "best-8"}\n' in ended.text
    assert ended.text.count('is torn and passed over') == 1
    ended = launcher.run({**settings, 'RESUME': True, 'N_ITERATIONS': 9, 'MEASURE_EVERY': 1})
    assert ended.code == 0, ended.text
    assert 'from iteration 8\n' in ended.text
    names = {path.name for path in broken.saved_models.glob('*.index')}
    assert {'train-9.index', 'torn-train-8.index', 'train-7.index'} <= names
    assert not {'torn-train-7.index', 'train-8.index'} & names
    if 'best-8.index' in names:  # else iteration 9 was measured better
        assert (broken.saved_models / f'best-8{DATA}').read_bytes() == best
    again = copy_run(made, tmp_path / 'whole')
    ended = launcher.run({**settings, 'RESULTS_PATH': tmp_path / 'whole', 'RESUME': True, 'N_ITERATIONS': 9,
                          'MEASURE_EVERY': 1})
    assert ended.code == 0, ended.text
    assert_same_state(broken, again, 9)


def test_run_in_a_folder_whose_name_is_a_pattern(launcher, tiny, tmp_path):
    results = tmp_path / 'R [1]*\\x?'
    settings = {**tiny, 'RESULTS_PATH': results, 'N_ITERATIONS': 2}
    for change in ({}, {'RESUME': True, 'N_ITERATIONS': 3}, {'LOAD': True, 'EXPORT': True}):
        ended = launcher.run({**settings, **change})
        assert ended.code == 0, ended.text
        assert 'passed over' not in ended.text
    run = only_run(results)
    assert [step for step, _ in curves(run)['Generator_Loss']] == [1, 2, 3]
    exported = run.path / 'Exported_Model' / 'train-3'
    assert sorted(path.name for path in (exported / 'variables').iterdir()) == [
        'variables.data-00000-of-00001', 'variables.index']


# Several at once


def test_loads_and_exports_at_once_lose_nothing(launcher, tiny, broken, tmp_path):
    settings = {**tiny, 'RESULTS_PATH': tmp_path, 'LOAD': True, 'SAMPLE_AS': 'grid,images,interpolation',
                'N_FRAMES': 4, 'EXPORT': True}
    before = contents(broken.generated_images)
    texts = []
    for child in [launcher.start({**settings, 'SEED': seed}) for seed in range(4)]:
        ended = child.wait()
        assert ended.code == 0, ended.text
        texts.append(ended.text)
    made = [Path(line.removeprefix('Made   ')) for text in texts for line in text.splitlines() if 'Made  ' in line]
    pictures = [path for path in made if path.parent == broken.generated_images]
    assert len(pictures) == len(set(pictures)) == 12
    after = contents(broken.generated_images)
    assert after.items() >= before.items()
    assert len(after) - len(before) == 4 * (1 + tiny['N_SAMPLES'] + 1)  # no more, none lost
    assert all(after.values())
    exports = broken.path / 'Exported_Model'
    assert [path.name for path in exports.iterdir()] == ['train-8']
    assert {str(path) for path in contents(exports)} == {
        f'train-8/{name}' for name in ('saved_model.pb', 'variables/variables.index', f'variables/variables{DATA}')}


# Disks


def test_file_too_large_for_the_first_checkpoint(launcher, tiny, tmp_path):
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path}, file_limit=NO_CHECKPOINT_FITS)
    run = only_run(tmp_path)
    assert_told(ended, 1, 'Iteration 1 cannot be saved', run.saved_models, 'too large', 'Nothing was saved before')
    assert not any(run.saved_models.iterdir())


def test_file_too_large_for_a_later_checkpoint(launcher, tiny, broken, tmp_path):
    before = contents(broken.saved_models)
    settings = {**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 12, 'CHECKPOINT_EVERY': 2}
    ended = launcher.run(settings, file_limit=NO_CHECKPOINT_FITS)
    assert_told(ended, 1, 'Iteration 10 cannot be saved', 'too large', broken.saved_models / 'train-8',
                'from iteration 8')
    assert contents(broken.saved_models) == before
    ended = launcher.run(settings)
    assert ended.code == 0, ended.text
    assert 'from iteration 8\n' in ended.text
    assert 'passed over' not in ended.text


def test_disk_too_small_for_the_second_checkpoint(launcher, tiny, tmp_path, disk):
    results = tmp_path / 'results'
    results.mkdir()
    disk(results, 9_000_000)
    settings = {**tiny, 'RESULTS_PATH': results, 'N_ITERATIONS': 6, 'CHECKPOINT_EVERY': 3}
    ended = launcher.run(settings)
    run = only_run(results)
    assert_told(ended, 1, 'Iteration 3 cannot be saved', run.saved_models / 'train-1', 'No space left',
                'from iteration 1')
    assert checkpoint_iterations(run.saved_models) == [1]
    assert not (run.saved_models / '.partial').exists()

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
    assert [step for step, _ in shown['Generator_Loss']] == list(range(1, 7))
    assert [step for step, _ in shown['Generated_Images']] == [0, 5, 6]


@pytest.mark.parametrize('room', [0, 3], ids=['full', 'filling'])
def test_disk_full_for_pictures_and_tensorboard_only(launcher, tiny, broken, made, tmp_path, disk, room):
    """Room for so many pictures of a page each, and for as many pages of events."""
    shutil.rmtree(broken.saved_models)
    broken.saved_models.mkdir()
    for part in ('.index', DATA):
        shutil.copy(made.saved_models / f'train-2{part}', broken.saved_models)
    for folder in (broken.generated_images, broken.tensorboard):
        disk(folder, 4096 * (room + 2))
        fill(folder)
        os.truncate(folder / 'filler', os.path.getsize(folder / 'filler') - 4096 * room)
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 8, 'GRID_EVERY': 1})
    assert ended.code == 0, ended.text
    assert 'Traceback' not in ended.text
    for what in ('pictures', 'TensorBoard events'):
        lines = [line for line in ended.text.splitlines() if f'{what} cannot be written' in line]
        assert len(lines) == 1, ended.text
        assert str(broken.path) in lines[0]
        assert 'training goes on' in lines[0]
    assert len(list(broken.generated_images.glob('0*.png'))) == room
    assert_same_state(broken, made, 8)


def test_disk_full_in_load_names_what_could_not_be_written(launcher, tiny, broken, tmp_path, disk):
    """Whatever was begun is gone: no empty file, no empty folder, no part of an export."""
    settings = {**tiny, 'RESULTS_PATH': tmp_path, 'LOAD': True}
    for folder, change, begun in (
            (broken.path / 'Exported_Model', {'EXPORT': True}, 'train-8'),
            (broken.generated_images, {'SAMPLE_AS': 'grid'}, 'Trained_model_image_'),
            (broken.generated_images, {'SAMPLE_AS': 'images'}, 'Trained_model_images_'),
            (broken.generated_images, {'SAMPLE_AS': 'interpolation'}, 'Trained_model_interpolation_')):
        if not any(folder.glob('filler')):
            folder.mkdir(exist_ok=True)
            disk(folder, 500_000)
            fill(folder)
        ended = launcher.run({**settings, **change})
        assert_told(ended, 1, folder / begun, 'No space left')
        assert [path.name for path in folder.iterdir()] == ['filler']


@pytest.mark.parametrize('earlier', [False, True])
def test_export_that_fails_leaves_what_was_there(launcher, tiny, broken, tmp_path, earlier):
    exports = broken.path / 'Exported_Model'
    if earlier:
        (exports / 'train-8').mkdir(parents=True)
        (exports / 'train-8' / 'saved_model.pb').write_bytes(b'earlier')
    before = contents(broken.path)
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'LOAD': True, 'EXPORT': True, 'SAMPLE_AS': 'measures'},
                         file_limit=500_000)
    assert_told(ended, 1, exports / 'train-8', 'too large')
    assert {path: content for path, content in contents(broken.path).items()
            if 'Trained_model_nearest' not in path.name} == before
    assert exports.exists() == earlier


def test_no_room_for_what_is_held_back():
    """No temporary file can be written: TensorFlow's chatter is shown, and everything runs."""
    code = ('import os, resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);'
            'resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));'
            'from gans_n_roses.machine.quiet import quietly\n'
            'with quietly():\n'
            '    os.write(2, b"chatter")\n'
            'print("ran")')
    process = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=REPO)
    assert (process.returncode, process.stdout, process.stderr) == (0, 'ran\n', 'chatter')


# Clocks


def test_run_resumed_after_the_clock_was_set_back_keeps_its_curves(launcher, tiny, broken, tmp_path):
    events, = broken.tensorboard.glob('events*')
    later = events.rename(events.with_name(f'events.out.tfevents.{time.time() + 3600:.6f}.host.1'))
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 10})
    assert ended.code == 0, ended.text
    assert [step for step, _ in curves(broken)['Generator_Loss']] == list(range(1, 11))
    assert min(broken.tensorboard.glob('events*')) == later


def test_film_that_a_kill_has_cut_off_is_made_by_resuming(launcher, tiny, broken, made, tmp_path):
    film = broken.generated_images / 'training.gif'
    film.unlink()
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 8})
    assert_told(ended, 2, film, 'is made now', 'made its 8 iterations')
    assert film.read_bytes() == (made.generated_images / 'training.gif').read_bytes()


def test_folders_that_cannot_be_written(launcher, tiny, broken, tmp_path):
    """RESULTS_PATH, and a run in it, that this user may read and not write."""
    folders = [tmp_path / 'roses', *(path for path in tmp_path.rglob('*') if path.is_dir()), tmp_path]
    before = contents(tmp_path)
    try:
        for path in folders:
            path.chmod(0o555)
        settings = {**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': 12}
        fresh = launcher.start(settings, powerless=True)
        again = launcher.start({**settings, 'RESUME': True}, powerless=True)
        roses = launcher.start({**settings, 'LOAD': True}, powerless=True)
        assert_told(fresh.wait(), 2, tmp_path / 'roses', 'Permission denied', 'RESULTS_PATH')
        assert_told(again.wait(), 1, broken.options, 'Permission denied', 'from iteration 8')
        assert_told(roses.wait(), 1, broken.generated_images, 'Permission denied')
    finally:
        for path in folders:
            path.chmod(0o755)
    assert contents(tmp_path) == before


def test_run_on_a_disk_that_became_read_only(launcher, tiny, made, tmp_path, disk):
    results = tmp_path / 'results'
    results.mkdir()
    disk(results, 99_000_000)
    run = copy_run(made, results)
    tear(run)  # what is passed over would be set aside
    disk(results, 99_000_000, 'remount', 'ro')
    ended = launcher.run({**tiny, 'RESULTS_PATH': results, 'RESUME': True, 'N_ITERATIONS': 12})
    assert_told(ended, 2, run.path, 'Read-only file system')


# Losses and weights that are not finite


def rewrite(run, iteration, change):
    """Write a checkpoint anew with some values changed, by TensorFlow's own op."""
    import tensorflow as tf
    values = {**read_checkpoint(run, iteration), **change}
    names = sorted(values)
    tf.raw_ops.SaveV2(prefix=str(run.saved_models / f'train-{iteration}'), tensor_names=names,
                      shape_and_slices=[''] * len(names), tensors=[tf.constant(values[name]) for name in names])


def test_loss_that_is_not_finite_stops_the_run(launcher, tiny, broken, tmp_path):
    """A weight of the size that training has diverged to."""
    weights = read_checkpoint(broken, 8)['d_h1_lin/Matrix']
    rewrite(broken, 8, {'d_h1_lin/Matrix': np.full_like(weights, 1e38)})
    before = contents(broken.saved_models)
    settings = {**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 10, 'CHECKPOINT_EVERY': 1,
                'CHECKPOINTS_KEPT': 1}
    ended = launcher.run({**settings, 'LEARNING_RATE': 0.5})
    assert_told(ended, 1, 'D', 'Loss is ', ' at iteration 9', broken.saved_models / 'train-8', 'from iteration 8',
                'lower LEARNING_RATE')
    assert 'LEARNING_RATE=0.25' in command_in(ended.text)
    assert contents(broken.saved_models) == before
    for part in ('.index', DATA):
        for kind in ('train', 'best'):
            (broken.saved_models / f'{kind}-8{part}').unlink()
    ended = launcher.run(settings)
    assert ended.code == 0, ended.text
    assert 'from iteration 7\n' in ended.text
    assert checkpoint_iterations(broken.saved_models) == [10]


def test_weight_that_is_not_finite_is_not_saved(launcher, tiny, broken, tmp_path):
    """The moving average is of no loss: only the save can notice. It is finite in the file, and its sum is not."""
    average = read_checkpoint(broken, 8)['g_h1/w/ExponentialMovingAverage']
    rewrite(broken, 8, {'g_h1/w/ExponentialMovingAverage': np.full_like(average, 3e38)})
    before = contents(broken.saved_models)
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 20})
    assert_told(ended, 1, 'not finite at iteration 10', 'not saved', 'from iteration 8')
    assert contents(broken.saved_models) == before


# Two at once


def test_two_runs_of_one_second_keep_apart(launcher, tiny, tmp_path):
    for attempt in range(5):
        results = tmp_path / str(attempt)
        settings = {**tiny, 'RESULTS_PATH': results, 'N_ITERATIONS': 3, 'GRID_EVERY': 1}
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
        assert checkpoint_iterations(run.saved_models) == [1, 3]
        assert {path.name for path in run.generated_images.iterdir()} == {
            *(f'{k:07d}.png' for k in range(4)), 'nearest', 'real_images.png', 'training.gif'}
        assert [step for step, _ in curves(run)['Generator_Loss']] == [1, 2, 3]
        assert read_checkpoint(run, 3)['global_step'] == 3
    first, second = (read_checkpoint(run, 3)['g_h1/w'] for run in runs)
    assert np.any(first != second)


# Runs that cannot be opened


def test_runs_that_are_not_there(launcher, tiny, made, tmp_path):
    settings = {**tiny, 'RESULTS_PATH': made.path.parents[1]}
    empty = make_empty_run(tmp_path)
    for what in ('RESUME', 'LOAD'):
        assert_told(launcher.run({**settings, what: True, 'RUN': 'nonesuch'}), 2, "'nonesuch'", made.path.name)
        assert_told(launcher.run({**tiny, 'RESULTS_PATH': tmp_path / 'none', what: True}), 2, 'There is no run',
                    tmp_path / 'none')
        assert_told(launcher.run({**tiny, 'RESULTS_PATH': tmp_path, what: True}), 2, empty, 'has no checkpoint')
    for name in ('*', 'x**', '/', 'x' * 300):
        assert_told(launcher.run({**settings, 'RESUME': True, 'RUN': name}), 2)
    assert_told(launcher.run({**settings, 'LOAD': True, 'RESUME': True}), 2, 'LOAD and RESUME')
    assert not (tmp_path / 'none').exists()


def make_empty_run(results):
    empty = results / 'roses' / '2020-01-01_00-00-00_4_4_40_0.0002_0.5'
    (empty / 'Saved_Models').mkdir(parents=True)
    return empty


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
    # Other networks than those of the checkpoint
    (edit(lambda options: options['settings'].update(IMAGE_SIZE=32)), 'IMAGE_SIZE'),
    (edit(lambda options: options['settings'].update(Z_DIM=5)), 'Z_DIM'),
    (edit(lambda options: options['settings'].update(EMA_DECAY=0.0)), 'EMA_DECAY'),
])
def test_options_edited_by_hand(launcher, tiny, hand_edited, change, told):
    run, original = hand_edited
    run.options.write_text(change(original))
    before = contents(run.path)
    ended = launcher.run({**tiny, 'RESULTS_PATH': run.path.parents[1], 'RESUME': True, 'N_ITERATIONS': 9})
    assert_told(ended, 2, run.path, told)
    after = contents(run.path)
    after.pop(Path('.lock'), None)
    before.pop(Path('.lock'), None)
    assert after == before


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir])
def test_no_file_in_the_place_of_options(launcher, tiny, broken, tmp_path, make):
    broken.options.unlink()
    make(broken.options)
    for what in ('LOAD', 'RESUME'):
        assert_told(launcher.run({**tiny, 'RESULTS_PATH': tmp_path, what: True}), 2, broken.options, 'it is no file')


def test_state_that_does_not_fit_the_settings(launcher, tiny, broken, tmp_path):
    rewrite(broken, 8, {'run_state/grid_z': np.zeros([3, 3], np.float32)})
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'RESUME': True, 'N_ITERATIONS': 9})
    assert_told(ended, 2, broken.saved_models / 'train-8', 'run_state/grid_z of shape (3, 3)', '(4, 4)', 'N_SAMPLES')


@pytest.fixture(scope='module')
def hand_edited(made, tmp_path_factory):
    """A copy of the run, and options.json as the run wrote it: a test writes its own."""
    run = copy_run(made, tmp_path_factory.mktemp('edited'))
    return run, run.options.read_text()
