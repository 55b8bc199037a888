"""Decoded pictures kept on the disk: the same pictures, sooner; what has changed is noticed, and so is damage."""

import os
import subprocess
import sys

import filelock
import numpy as np
import PIL
import pytest
from conftest import REPO
from launching import ENDLESS, assert_same_state, command_in, make_pictures, only_run
from picture_files import SIZE, coloured, in_child, numbers, put

from gans_n_roses.errors import RunFailed
from gans_n_roses.pictures import cache, reading
from gans_n_roses.pictures.cache import CachedPictures
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.runs.folders import checkpoint_iterations


@pytest.fixture
def folder(tmp_path):
    """Pictures, two of them the same, in subfolders too; what is no picture, and what cannot be read."""
    for number, name in enumerate(('a.png', 'b.png', 'sub/c.png', 'sub/d.png', 'z.png')):
        put(tmp_path / 'pictures', name, coloured(number))
    put(tmp_path / 'pictures', 'same.png', coloured(1))
    put(tmp_path / 'pictures', 'notes.txt', b'no picture')
    put(tmp_path / 'pictures', 'bad.jpg', b'')
    put(tmp_path / 'pictures', 'sub/cut.png', coloured(9)[:60])
    return tmp_path / 'pictures'


@pytest.fixture
def path(folder):
    """Where the cache of the folder lies once it is made."""
    return cache._path_and_about(folder, SIZE)[0]


@pytest.fixture
def decoded(monkeypatch):
    """List of the names of all files that were opened."""
    names, read = [], reading.read_picture
    monkeypatch.setattr(reading, 'read_picture', lambda path, *more: (names.append(path.name), read(path, *more))[1])
    return names


def assert_as_without_cache(folder, size=SIZE):
    with_cache, without = read_folder(folder, size, cache=True), read_folder(folder, size)
    assert type(with_cache.images) is CachedPictures and type(without.images) is np.ndarray
    assert np.array_equal(with_cache.images[:], without.images)
    assert with_cache[1:] == without[1:]
    return with_cache


def test_comes_out_as_without_cache_and_is_decoded_once(folder, decoded):
    first = read_folder(folder, SIZE, cache=True)
    assert len(decoded) == 9
    decoded.clear()
    second = read_folder(folder, SIZE, cache=True)
    assert sorted(decoded) == ['bad.jpg', 'cut.png']  # tried again: what was in the way may be gone
    assert np.array_equal(first.images[:], second.images[:])
    assert first[1:] == second[1:]
    assert (first.duplicates, first.enlarged, [name for name, _ in first.skipped]) == (1, 0, ['bad.jpg', 'sub/cut.png'])
    assert_as_without_cache(folder)
    assert assert_as_without_cache(folder, 32).enlarged == 6


@pytest.mark.parametrize('change, again', [
    (lambda folder: put(folder, 'b.png', coloured(77)), ['b.png']),
    (lambda folder: put(folder, 'aa.png', coloured(78)), ['aa.png']),
    (lambda folder: (folder / 'sub/c.png').unlink(), []),
    (lambda folder: (folder / 'a.png').rename(folder / 'zz.png'), ['zz.png']),
    (lambda folder: put(folder, 'notes.txt', coloured(79)), ['notes.txt']),
    (lambda folder: put(folder, 'a.png', b''), ['a.png']),
    (lambda folder: put(folder, 'bad.jpg', coloured(80)), ['bad.jpg']),
], ids=['changed', 'added', 'removed', 'renamed', 'becomes a picture', 'becomes unreadable', 'mended'])
def test_what_has_changed_is_noticed_and_decoded_alone(folder, decoded, change, again):
    read_folder(folder, SIZE, cache=True)
    change(folder)
    decoded.clear()
    read_folder(folder, SIZE, cache=True)
    assert set(decoded) == {'bad.jpg', 'cut.png', *again}
    assert len(decoded) == 2 + len([name for name in again if name != 'bad.jpg'])
    decoded.clear()
    assert_as_without_cache(folder)


def test_a_change_that_keeps_size_and_time_is_noticed(folder):
    known = os.stat(folder / 'a.png')
    read_folder(folder, SIZE, cache=True)
    other = coloured(200)
    put(folder, 'a.png', other + bytes(known.st_size - len(other)))
    os.utime(folder / 'a.png', ns=(known.st_atime_ns, known.st_mtime_ns))
    assert os.stat(folder / 'a.png').st_size == known.st_size
    assert assert_as_without_cache(folder).images[0][0, 0, 0] == 200


def test_names_that_are_no_unicode(tmp_path):
    try:
        (tmp_path / os.fsdecode(b'bytes\xff.png')).write_bytes(coloured(3))
    except OSError:
        pytest.skip('this file system takes no such names')
    for _ in range(2):
        assert numbers(assert_as_without_cache(tmp_path).images[:]) == [3]


def test_is_indexed_as_an_array(folder):
    images = read_folder(folder, SIZE, cache=True).images
    array = images[:]
    assert (type(array), array.dtype, array.shape, len(images)) == (np.ndarray, np.uint8, images.shape, 6)
    assert images.nbytes == array.nbytes
    for key in (0, -1, np.int64(2), slice(1, 4), slice(None, None, -2), [4, 0, 4], np.array([[1, 2], [3, 0]]),
                np.arange(6) % 2 == 0, slice(3, 3)):
        assert np.array_equal(images[key], array[key]), key
    with pytest.raises(IndexError):
        images[6]


# Damage

@pytest.mark.parametrize('damage', [
    lambda content: content[:-1000], lambda content: content[:20], lambda content: b'', lambda content: content[7:],
    lambda content: content[:-200] + bytes([content[-200] ^ 1]) + content[-199:],
    lambda content: content[:-9] + b'other 9\n', lambda content: b'not a cache at all' * 99,
], ids=['cut', 'short', 'empty', 'begin is gone', 'index', 'mark', 'foreign'])
def test_a_cache_that_will_not_do_is_made_anew_with_a_sentence(folder, path, capsys, damage):
    read_folder(folder, SIZE, cache=True)
    assert capsys.readouterr().out == ''
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert_as_without_cache(folder)
    told = capsys.readouterr().out
    assert told.startswith(f'The cache of decoded pictures {path} is made anew: ') and told.count('\n') == 1
    assert path.read_bytes() == whole
    assert_as_without_cache(folder)
    assert capsys.readouterr().out == ''


def test_a_damaged_picture_is_never_given_out(folder, path, capsys):
    images = read_folder(folder, SIZE, cache=True).images
    content = bytearray(path.read_bytes())
    content[2 * images[0].nbytes + 5] ^= 1
    path.write_bytes(content)
    images = read_folder(folder, SIZE, cache=True).images
    assert len(images[:2]) == 2
    with pytest.raises(RunFailed, match='is damaged: picture 3 of 6 is not as it was written') as caught:
        images[[0, 2]]
    assert '\n' not in str(caught.value)
    assert not path.exists()
    assert_as_without_cache(folder)
    assert capsys.readouterr().out == ''


def test_a_damaged_picture_is_not_taken_over_into_the_next_cache(folder, path, capsys):
    read_folder(folder, SIZE, cache=True)
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    put(folder, 'new.png', coloured(50))
    assert_as_without_cache(folder)
    assert capsys.readouterr().out.count('picture 1 of 6 is not as it was written') == 1


def test_another_decoder_makes_it_anew(folder, monkeypatch, capsys, decoded):
    read_folder(folder, SIZE, cache=True)
    monkeypatch.setattr(PIL, '__version__', '99')
    decoded.clear()
    read_folder(folder, SIZE, cache=True)
    assert len(decoded) == 9
    assert 'is made anew: it was made by another version of the program or of Pillow.\n' in capsys.readouterr().out


def test_pictures_stay_what_they_are_while_another_process_writes_the_cache_anew(folder):
    images = read_folder(folder, SIZE, cache=True).images
    before = images[:]
    put(folder, 'a.png', coloured(99))
    assert numbers(read_folder(folder, SIZE, cache=True).images[:])[0] == 99
    assert np.array_equal(images[:], before)


# A cache that cannot be written

def test_no_folder_for_it_costs_nothing_but_time(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('XDG_CACHE_HOME', str(put(tmp_path, 'file', b'')))
    found = read_folder(folder, SIZE, cache=True)
    assert type(found.images) is np.ndarray
    assert found[1:] == read_folder(folder, SIZE)[1:]
    told = capsys.readouterr().out
    assert told.count('\n') == 1
    assert 'cannot be written: Not a directory. This costs time at each start, and nothing else' in told


def test_a_full_disk_costs_nothing_but_time(folder, path):
    told, images, left = in_child("""
import contextlib, io, pathlib, resource, signal
from gans_n_roses.pictures.folder import read_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
with contextlib.redirect_stdout(io.StringIO()) as told:
    images = read_folder(sys.argv[1], 16, cache=True).images
tell([told.getvalue(), images.tolist(), [each.name for each in pathlib.Path(sys.argv[2]).parent.glob('.*')]])
""", folder, path)
    assert told.count('\n') == 1 and 'cannot be written: File too large' in told
    assert np.array_equal(images, read_folder(folder, SIZE).images)
    assert f'.{path.name}.partial' not in left
    assert not path.exists()


def test_too_little_room_is_told_before_the_disk_is_full(folder, path, monkeypatch, capsys, decoded):
    monkeypatch.setattr(cache.shutil, 'disk_usage', lambda _: cache.shutil._ntuple_diskusage(1, 1, 0))
    read_folder(folder, SIZE, cache=True)
    assert 'it may need 0.0 GB, and 0.0 GB are free' in capsys.readouterr().out
    assert len(decoded) == 9 and not path.exists()


def test_no_picture_makes_no_cache(tmp_path, caches):
    put(tmp_path, 'bad.jpg', b'')
    before = set(caches.glob('*.pictures'))
    with pytest.raises(Exception, match='holds no picture'):
        read_folder(tmp_path, SIZE, cache=True)
    assert set(caches.glob('*.pictures')) == before


def test_a_large_one_is_told_when_it_is_made(folder, path, monkeypatch, capsys):
    monkeypatch.setattr(cache, 'TOLD_FROM', 4000)
    read_folder(folder, SIZE, cache=True)
    told = capsys.readouterr().out
    assert str(path) in told and 'Delete it whenever you like; CACHE=False makes none.' in told
    read_folder(folder, SIZE, cache=True)
    assert capsys.readouterr().out == ''


# Several processes, and memory

READ = """
import sys
sys.path.insert(0, sys.argv[2])
from gans_n_roses.pictures.folder import read_folder
print(read_folder(sys.argv[1], 16, cache=True).images[:].sum())
"""


def test_processes_that_want_the_same_cache_make_it_once(folder, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(path.name + '.lock')):  # as one that is at it
        others = [subprocess.Popen([sys.executable, '-c', READ, folder, REPO], text=True, stdout=subprocess.PIPE)
                  for _ in range(3)]
        waiting = [other.stdout.readline() for other in others]
    sums = [other.communicate(timeout=60)[0] for other in others]
    assert all(line.endswith('waiting for it ...\n') for line in waiting)
    assert sums == [f'{read_folder(folder, SIZE).images.sum()}\n'] * 3
    assert_as_without_cache(folder)
    assert not list(path.parent.glob('.*.partial'))


def test_neither_making_it_nor_reading_all_of_it_holds_all_in_memory(tmp_path):
    for number in range(120):
        put(tmp_path, f'{number:03d}.png', coloured(number))
    megabytes, grown, same = in_child("""
import contextlib, resource
from gans_n_roses.pictures import reading
from gans_n_roses.pictures.folder import read_folder
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == 'darwin' else 1e3)
reading.TOGETHER = 4
read_folder(sys.argv[1], 16)
before = peak()
with contextlib.redirect_stdout(None):  # it tells that it is large
    images = read_folder(sys.argv[1], 640, cache=True).images
same = all(images[row][0, 0, 0] == row for row in range(len(images)))
tell([images.nbytes / 1e6, peak() - before, same])
""", tmp_path)
    assert megabytes > 140 and same
    assert grown < 60


# Real runs

def test_a_run_is_the_same_with_and_without_cache(launcher, tiny, caches, tmp_path):
    data, before = make_pictures(tmp_path / 'data'), set(caches.glob('*.pictures'))
    settings = {**tiny, 'DATASET_PATH': data, 'N_ITERATIONS': 3}
    for cached in (False, True):
        ended = launcher.run({**settings, 'CACHE': cached, 'RESULTS_PATH': tmp_path / str(cached)})
        assert ended.code == 0, ended.text
        assert len(set(caches.glob('*.pictures')) - before) == cached
    assert_same_state(only_run(tmp_path / 'False'), only_run(tmp_path / 'True'), 3)


def test_damage_while_training_ends_the_run_in_a_sentence_and_it_goes_on(launcher, tiny, caches, tmp_path):
    data, before = make_pictures(tmp_path / 'data'), set(caches.glob('*.pictures'))
    child = launcher.start({**tiny, 'DATASET_PATH': data, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': ENDLESS})
    child.until(lambda: list(tmp_path.glob('roses/*/Saved_Models/train-*.index')))
    path, = set(caches.glob('*.pictures')) - before
    with open(path, 'r+b') as file:
        file.write(bytes(8 * 16 * 16 * 3))
    ended = child.wait()
    assert ended.code == 1 and 'Traceback' not in ended.text
    assert f'{path} is damaged' in ended.text and 'the next start makes it anew' in ended.text
    made = checkpoint_iterations(only_run(tmp_path).saved_models)[-1]
    ended = launcher.run([*command_in(ended.text), f'N_ITERATIONS={made + 1}'])
    assert ended.code == 0, ended.text
    assert path.exists()
