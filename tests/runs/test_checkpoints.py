"""Reading checkpoints: whatever a folder is called, whatever is in the files."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput
from gans_n_roses.runs import checkpoints
from gans_n_roses.runs.checkpoints import best_score, build_save, clear_up, read_newest, save_best, save_checkpoint
from gans_n_roses.runs.folders import checkpoint_names, find_run, make_run_folder
from gans_n_roses.runs.state import NOT_YET, SCORE, RunState
from gans_n_roses.sampling.saved_generator import open_generator

DATA = '.data-00000-of-00001'
STATE = ['MT19937', np.random.RandomState(1).get_state()[1].tolist(), 624, 0, 0.0]


def packed(**changes):
    """A random generator's state as checkpoints hold it, with some parts changed."""
    names = ('kind', 'keys', 'position', 'has_gauss', 'gauss')
    return json.dumps(list({**dict(zip(names, STATE, strict=True)), **changes}.values())).encode()


WHOLE = {'g_h1/w': np.float32([1, 2]), 'global_step': np.int64(1), 'run_state/rng': packed(),
         'run_state/grid_z': np.zeros([4, 4], np.float32), 'run_state/better': np.array(NOT_YET),
         SCORE: np.float32(np.inf)}


def write(folder, name, whole=WHOLE, **changes):
    """Write a checkpoint by TensorFlow's own op; changes: "a/b" is a__b."""
    values = {**whole, **{key.replace('__', '/'): value for key, value in changes.items()}}
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(tf.raw_ops.SaveV2(prefix=os.fsencode(folder / name), tensor_names=list(values),
                                      shape_and_slices=[''] * len(values),
                                      tensors=[tf.constant(value) for value in values.values()]))


@pytest.fixture
def newest(tmp_path, capsys):
    """Function: (name of the newest whole checkpoint in tmp_path, the lines that were said on the way)."""
    def read(which='latest'):
        capsys.readouterr()
        name = read_newest(tmp_path, which).path.name
        return name, capsys.readouterr().out.splitlines()
    return read


@pytest.mark.parametrize('name', ['R [1]', 'a\\b', '*?', '[', os.fsdecode(b'\xff')])
def test_checkpoint_is_read_by_the_exact_name_of_its_folder(tmp_path, name):
    folder = tmp_path / name
    try:
        folder.mkdir()
    except OSError as problem:
        pytest.skip(f'this file system has no such name: {problem}')
    write(folder, 'train-1')
    before = os.getcwd()
    checkpoint = read_newest(folder)
    assert os.getcwd() == before
    assert (checkpoint.path, checkpoint.iteration) == (folder / 'train-1', 1)
    assert checkpoint.values['g_h1/w'].tolist() == [1, 2]
    assert checkpoint.values.keys() == {'g_h1/w', 'global_step'}
    assert checkpoint.state.rng.randint(2**31) == np.random.RandomState(1).randint(2**31)


def test_a_best_checkpoint_of_an_older_measure_is_read_and_its_score_is_not_compared(tmp_path):
    """Up to version 1.0.0 the score was the sliced Wasserstein distance, and nothing was said of what was better."""
    older = {name: value for name, value in WHOLE.items() if name not in ('run_state/better', SCORE)}
    write(tmp_path, 'best-3', {**older, 'run_state/score': np.float32(31)})
    checkpoint = read_newest(tmp_path, 'best')
    assert checkpoint.score == best_score(tmp_path) == np.inf
    assert checkpoint.state.better == NOT_YET
    assert checkpoint.values.keys() == {'g_h1/w', 'global_step'}


def test_a_run_goes_on_from_its_newest_train_and_nothing_whole_is_deleted(newest, tmp_path):
    for name in ('train-1', 'best-4', 'train-5', 'best-6', 'train-6', 'best-9', 'train-10'):
        write(tmp_path, name, run_state__quality_distance=np.float32(3))
    assert newest() == ('train-10', [])
    for name in ('train-6', 'train-10'):
        os.truncate(tmp_path / f'{name}{DATA}', 9)
    found, said = newest()
    assert found == 'train-5'
    assert [line.partition(' is torn and skipped (')[0] for line in said] == [
        str(tmp_path / name) for name in ('train-10', 'train-6')]
    kept = {path: path.read_bytes() for name in ('train-1', 'best-4', 'train-5', 'best-6', 'best-9')
            for path in tmp_path.glob(f'{name}.*')}
    clear_up(tmp_path, read_newest(tmp_path), kept=5)
    assert checkpoint_names(tmp_path) == ['best-4', 'best-6', 'best-9', 'train-1', 'train-5']
    assert all(path.read_bytes() == content for path, content in kept.items())
    torn = {f'torn-train-{k}{suffix}' for k in (6, 10) for suffix in (DATA, '.index')}
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in kept} | torn
    assert (newest(), best_score(tmp_path)) == (('train-5', []), 3)


def test_what_a_kill_left_of_a_save_is_cleared_up(tmp_path):
    """Killed after train-9 and best-9 had got their names, before anything older was deleted."""
    for name in ('train-3', 'train-6', 'train-9', 'best-6', 'best-9'):
        write(tmp_path, name)
    (tmp_path / f'train-1{DATA}').touch()
    (tmp_path / '.partial').mkdir()
    (tmp_path / 'checkpoint').write_text('model_checkpoint_path: "train-6"')
    for kept in (2, 1):  # once it is finished, nothing is deleted before the next one is saved
        clear_up(tmp_path, read_newest(tmp_path), kept)
    best_score(tmp_path)
    assert checkpoint_names(tmp_path) == ['best-9', 'train-6', 'train-9']
    assert {path.name for path in tmp_path.iterdir() if not path.suffix} == {'checkpoint'}
    assert not list(tmp_path.glob('train-1.*'))
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / 'train-9')


@pytest.fixture
def saver():
    """(session, SaveOps) of a graph that has one variable."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('g_h1/w', initializer=np.float32([1, 2]))
        session.run(tf.global_variables_initializer())
        yield session, build_save()


STATE_NOW = RunState(np.random.RandomState(1), np.zeros([4, 4], np.float32))


def test_the_best_one_that_is_saved_stays_beside_a_later_one_that_was_worse(saver, tmp_path):
    """After torn checkpoints a run resumes from before its best one, perhaps on other pictures."""
    write(tmp_path, 'train-1')
    write(tmp_path, 'best-9')
    save_best(*saver, tmp_path, 3, STATE_NOW, 0.5)
    assert checkpoint_names(tmp_path) == ['best-3', 'train-1']


@pytest.mark.parametrize('lay', [
    lambda aside, other: aside.symlink_to(other), lambda aside, _: aside.touch(), lambda aside, _: os.mkfifo(aside),
    lambda aside, _: (aside.mkdir(), os.mkfifo(aside / f'train-3{DATA}'))], ids=['link', 'file', 'pipe', 'pipe in it'])
def test_what_lies_in_the_place_of_the_folder_aside_is_not_written_through(saver, tmp_path, lay):
    folder, other = tmp_path / 'Saved_Models', tmp_path / 'other'
    folder.mkdir()
    other.mkdir()
    (other / f'train-3{DATA}').write_bytes(b'mine')
    lay(folder / '.partial', other)
    save_checkpoint(*saver, folder, 3, STATE_NOW, kept=1)
    assert {path.name: path.read_bytes() for path in other.iterdir()} == {f'train-3{DATA}': b'mine'}
    assert {path.name for path in folder.iterdir()} == {'checkpoint', 'train-3.index', f'train-3{DATA}'}
    assert read_newest(folder).iteration == 3


def test_a_best_one_is_the_newest_only_where_no_other_is_whole(newest, tmp_path):
    for name in ('best-3', 'best-6', 'train-5', 'train-9'):
        write(tmp_path, name, run_state__quality_distance=np.float32(3))
    for name in ('best-6', 'train-5', 'train-9'):
        os.truncate(tmp_path / f'{name}{DATA}', 9)
    found, said = newest()
    assert (found, len(said)) == ('best-3', 3)
    clear_up(tmp_path, read_newest(tmp_path), kept=5)
    assert checkpoint_names(tmp_path) == ['best-3']


@pytest.mark.parametrize(('name', 'value'), [
    *(('run_state/rng', value) for value in (
        packed(position=10**9), packed(position=-1), packed(kind='PCG64'), packed(keys=STATE[1][:-1]),
        packed(keys=[2**32, *STATE[1][1:]]), packed(keys=[-1, *STATE[1][1:]]), packed(keys=5), packed(gauss='0'),
        packed(more=0), b'', b'\xff', b'{}', b'[' * 200_000, b'9' * 5000, np.float32(1), [packed(), packed()])),
    *(('run_state/grid_z', value) for value in (
        np.zeros([4], np.float32), np.float32(0), np.zeros([4, 4]), b'z', np.full([4, 4], 2, np.float32),
        np.full([4, 4], np.nan, np.float32))),
    *(('run_state/quality_distance', value) for value in (
        np.float32(np.nan), np.float32(-np.inf), b'1', np.zeros([2], np.float32))),
    *(('run_state/better', value) for value in (
        np.zeros([2]), np.array([-1, 3, 1.]), np.array([1, np.nan, 1]), b'1')),
    *(('g_h1/w', value) for value in (b'text', [b'text', b'more'], np.float32([1, np.nan]), np.float32([np.inf, 1]),
                                      np.array([True]), np.complex64([1]))),
], ids=lambda value: value if isinstance(value, str) else '')
def test_checkpoint_that_holds_no_state_of_a_run_is_skipped(newest, tmp_path, name, value):
    write(tmp_path, 'train-1')
    write(tmp_path, 'train-2', **{name: value})
    found, [said] = newest()
    assert found == 'train-1'
    assert said.startswith(f'{tmp_path / "train-2"} is torn and skipped ({name} is ')


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir])
@pytest.mark.parametrize('suffix', [DATA, '.index'])
def test_no_file_in_the_place_of_a_checkpoints_is_skipped(newest, tmp_path, make, suffix):
    write(tmp_path, 'train-1')
    write(tmp_path, 'train-2')
    (tmp_path / f'train-2{suffix}').unlink()
    make(tmp_path / f'train-2{suffix}')
    found, [said] = newest()
    assert found == 'train-1'
    assert f'train-2{suffix} is no file' in said
    clear_up(tmp_path, read_newest(tmp_path), kept=5)
    assert checkpoint_names(tmp_path) == ['train-1']


def test_names_that_are_nearly_a_checkpoints_are_none(tmp_path):
    for name in ('train-007.index', 'train-٣.index', 'train-.index', 'train--1.index', 'worst-1.index'):
        (tmp_path / name).touch()
    assert checkpoint_names(tmp_path) == []


def test_checkpoint_deleted_before_it_is_read_gives_way_to_the_newer_one(newest, tmp_path, monkeypatch):
    """CHECKPOINTS_KEPT=1: the run has saved, and deleted, between LOAD's look into the folder and its reading."""
    write(tmp_path, 'train-1')
    read = checkpoints.read_checkpoint

    def read_too_late(path):
        if path.name == 'train-1':
            write(tmp_path, 'train-2')
            for part in tmp_path.glob('train-1.*'):
                part.unlink()
        return read(path)
    monkeypatch.setattr(checkpoints, 'read_checkpoint', read_too_late)
    assert newest() == ('train-2', [])


def test_no_whole_checkpoint_of_either_kind_is_told(tmp_path, capsys):
    for name in ('train-1', 'best-2'):
        write(tmp_path, name)
        os.truncate(tmp_path / f'{name}{DATA}', 9)
    with pytest.raises(BadInput, match='no whole checkpoint: set RUN to another run, or train anew'):
        read_newest(tmp_path)
    assert capsys.readouterr().out.count(' is torn and skipped (') == 2
    with pytest.raises(BadInput, match=r"no best checkpoint that is whole\. Set CHECKPOINT = 'latest'"):
        read_newest(tmp_path, 'best')


def test_values_of_no_generator_are_told(tmp_path):
    shapes = {'g_h0_lin/Matrix': [4, 2048], 'g_h0_lin/bias': [2048], 'g_bn1/gamma': [128], 'g_bn1/beta': [128],
              'g_h1/w': [5, 5, 64, 128], 'g_h1/b': [64], 'g_bn2/gamma': [64], 'g_bn2/beta': [64],
              'g_h2/w': [5, 5, 3, 64], 'g_h2/b': [3]}
    values = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    with open_generator(values, tmp_path / 'whole') as saved:
        assert (saved.z_dim, saved.image_size) == (4, 16)
    for change in ({'g_h0_lin/Matrix': np.float32(1)}, {'g_h0_lin/Matrix': np.float32([1])},
                   {'g_h1/w': None, 'g_h2/w': None}, {'g_h2/b': np.zeros([3])}, {'g_h2/b': np.zeros([3], np.int64)},
                   {'g_h2/b': np.float32(0)}):
        changed = {name: value for name, value in {**values, **change}.items() if value is not None}
        with pytest.raises(BadInput, match='changed holds '), open_generator(changed, Path('changed')):
            pass


# Runs


def test_latest_run_is_the_one_begun_last_though_the_clock_was_set_back(tmp_path, make_settings):
    settings, now = make_settings(results_path=str(tmp_path)), datetime(2026, 10, 25, 2, 59, 59, 5)
    names = []
    for back in (timedelta(0), timedelta(hours=1), timedelta(minutes=59), timedelta(days=900)):
        run = make_run_folder(settings, now - back)
        (run.saved_models / 'train-1.index').touch()
        assert find_run(str(tmp_path), 'roses', 'latest') == run
        names.append(run.path.name)
    assert names == sorted(names)
    assert names[0].startswith('2026-10-25_02-59-59_')
