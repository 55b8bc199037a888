"""Decoded pictures kept on the disk: the same pictures, sooner; what has changed is noticed, and so is damage."""

import errno
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import filelock
import numpy as np
import PIL
import pytest
from conftest import REPO
from launching import assert_same_state, make_pictures, only_run
from picture_files import SIZE, coloured, in_child, numbers, put

from gans_n_roses.errors import RunFailed
from gans_n_roses.pictures import cache, decoding
from gans_n_roses.pictures.cache import CachedPictures
from gans_n_roses.pictures.decoding import Form
from gans_n_roses.pictures.folder import CACHED_FROM, next_batch, read_folder
from gans_n_roses.runs.folders import checkpoint_iterations


@pytest.fixture(autouse=True)
def every_folder_is_cached(monkeypatch):
    monkeypatch.setattr('gans_n_roses.pictures.folder.CACHED_FROM', 0)


def read_without_cache(folder, size=SIZE):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('gans_n_roses.pictures.folder.CACHED_FROM', float('inf'))
        return read_folder(folder, size)


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
    return cache.cache_path(folder, Form(SIZE))


@pytest.fixture
def decoded(monkeypatch):
    """List of the names of all files that were opened."""
    names, read = [], decoding.read_picture

    def read_and_name(root, file, *more):
        names.append(Path(file.name).name)
        return read(root, file, *more)

    monkeypatch.setattr(decoding, 'read_picture', read_and_name)
    return names


def make_large(folder):
    """Let the files of a folder be many bytes, by one that is no picture; it takes no room on the disk."""
    with open(put(folder, 'archive.zip', b'PK'), 'r+b') as file:
        file.truncate(int(CACHED_FROM))


def assert_as_without_cache(folder, size=SIZE):
    with_cache, without = read_folder(folder, size), read_without_cache(folder, size)
    assert type(with_cache.images) is CachedPictures and type(without.images) is np.ndarray
    assert np.array_equal(with_cache.images[:], without.images)
    assert with_cache[1:] == without[1:]
    return with_cache


def test_comes_out_as_without_cache_and_is_decoded_once(folder, decoded):
    first = read_folder(folder, SIZE)
    assert len(decoded) == 9
    decoded.clear()
    second = read_folder(folder, SIZE)
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
    read_folder(folder, SIZE)
    change(folder)
    decoded.clear()
    read_folder(folder, SIZE)
    assert set(decoded) == {'bad.jpg', 'cut.png', *again}
    assert len(decoded) == 2 + len([name for name in again if name != 'bad.jpg'])
    decoded.clear()
    assert_as_without_cache(folder)


def test_what_changes_in_folders_that_are_left_out_makes_no_new_cache(folder, path):
    put(folder, '.git/a.png')
    read_folder(folder, SIZE)
    made = path.stat().st_ino
    put(folder, '.git/b.png')
    put(folder, 'Results/roses/run/Generated_Images/a.png')
    names = [name for name, _ in assert_as_without_cache(folder).skipped]
    assert names[:2] == ['.git', 'Results/roses/run/Generated_Images']
    assert path.stat().st_ino == made


def test_a_change_that_keeps_size_and_time_is_noticed(folder):
    known = os.stat(folder / 'a.png')
    read_folder(folder, SIZE)
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
    images = read_folder(folder, SIZE).images
    array = images[:]
    assert (type(array), array.dtype, array.shape, len(images)) == (np.ndarray, np.uint8, images.shape, 6)
    assert images.nbytes == array.nbytes
    for key in (0, -1, np.int64(2), slice(1, 4), slice(None, None, -2), [4, 0, 4], np.array([[1, 2], [3, 0]]),
                np.arange(6) % 2 == 0, slice(3, 3)):
        assert np.array_equal(images[key], array[key]), key
    with pytest.raises(IndexError):
        images[6]


def test_a_batch_is_the_same_as_without_cache(folder):
    cached, plain = read_folder(folder, SIZE).images, read_without_cache(folder).images
    for mirror in (False, True):
        drawn = [next_batch(images, 4, np.random.RandomState(1), mirror) for images in (cached, plain)]
        assert np.array_equal(*drawn)


# Damage

def foreign_archive(path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('other', b'foreign')


@pytest.mark.parametrize('spoil', [
    lambda path: os.truncate(path, path.stat().st_size - 1000), lambda path: os.truncate(path, 20),
    lambda path: path.write_bytes(b''), lambda path: path.write_bytes(bytes(path.stat().st_size)),
    lambda path: path.write_bytes(path.read_bytes()[:-700] + b'?' + path.read_bytes()[-699:]),
    lambda path: path.write_bytes(b'not a cache at all' * 99), foreign_archive,
    lambda path: (path.unlink(), os.mkfifo(path)), lambda path: (path.unlink(), path.symlink_to(path.name)),
], ids=['cut', 'short', 'empty', 'zeros', 'table', 'foreign', 'foreign archive', 'pipe', 'loop'])
def test_a_cache_that_will_not_do_is_made_anew_with_a_sentence(folder, path, capsys, spoil):
    read_folder(folder, SIZE)
    assert capsys.readouterr().out == ''
    whole = path.read_bytes()
    spoil(path)
    assert_as_without_cache(folder)
    told = capsys.readouterr().out
    assert told.startswith(f'The cache of decoded pictures {path} is made anew: ') and told.count('\n') == 1
    assert path.read_bytes() == whole
    assert_as_without_cache(folder)
    assert capsys.readouterr().out == ''


def test_damage_anywhere_is_made_good(folder, path):
    expected = read_without_cache(folder)
    read_folder(folder, SIZE)
    whole, rng = path.read_bytes(), random.Random(0)
    table = whole.index(b'PK\1\2')  # every bit of lengths and places, and some of all the rest
    flips = [(place, bit) for place in range(table, len(whole), 7) for bit in (0, 7)]
    flips += [(rng.randrange(len(whole)), rng.randrange(8)) for _ in range(200)]
    for place, bit in flips:
        content = bytearray(whole)
        content[place] ^= 1 << bit
        path.write_bytes(content)
        found = read_folder(folder, SIZE)
        assert found[1:] == expected[1:], place
        assert np.array_equal(found.images[:], expected.images), place


def test_a_folder_in_its_place_is_left_alone(folder, path, capsys):
    put(path, 'file', b'somebody put it here')
    assert np.array_equal(read_folder(folder, SIZE).images, read_without_cache(folder).images)
    assert (path / 'file').exists()
    told = capsys.readouterr().out
    assert 'cannot be written: Is a directory' in told and told.count('\n') == 1


def damage(path, picture):
    """Flip a bit of a picture in a cache."""
    content = bytearray(path.read_bytes())
    content[content.index(picture.tobytes()) + 5] ^= 1
    path.write_bytes(content)


def test_a_damaged_picture_is_decoded_again(folder, path, capsys, decoded):
    images = read_folder(folder, SIZE).images
    damage(path, images[3])
    expected, images = read_without_cache(folder).images, read_folder(folder, SIZE).images
    decoded.clear()
    assert np.array_equal(images[:2], expected[:2]) and decoded == []
    for _ in range(2):
        assert np.array_equal(images[[0, 3]], expected[[0, 3]])
    assert decoded == ['c.png', 'c.png']
    told = capsys.readouterr().out
    assert told.startswith(f'The cache of decoded pictures {path} is damaged: ') and told.count('\n') == 1
    assert not path.exists()
    assert_as_without_cache(folder)
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('change', [lambda file: file.write_bytes(coloured(77)), lambda file: file.unlink(),
                                    lambda file: file.write_bytes(b'')])
def test_a_damaged_picture_whose_file_has_changed_is_never_given_out(folder, path, change):
    damage(path, read_folder(folder, SIZE).images[3])
    images = read_folder(folder, SIZE).images
    change(folder / 'sub/c.png')
    with pytest.raises(RunFailed, match=r'sub/c\.png is no longer what it was when the run began') as caught:
        images[[0, 3]]
    assert '\n' not in str(caught.value)


def test_a_damaged_picture_is_not_taken_over_into_the_next_cache(folder, path, capsys):
    damage(path, read_folder(folder, SIZE).images[0])
    put(folder, 'new.png', coloured(50))
    assert_as_without_cache(folder)
    assert capsys.readouterr().out.count('is damaged: what is not as it was written is decoded again') == 1


def test_another_decoder_makes_it_anew(folder, monkeypatch, capsys, decoded):
    read_folder(folder, SIZE)
    monkeypatch.setattr(PIL, '__version__', '99')
    decoded.clear()
    read_folder(folder, SIZE)
    assert len(decoded) == 9
    assert 'or another version of the program or of Pillow made it.\n' in capsys.readouterr().out


def test_pictures_stay_what_they_are_while_another_process_writes_the_cache_anew(folder):
    images = read_folder(folder, SIZE).images
    before = images[:]
    put(folder, 'a.png', coloured(99))
    assert numbers(read_folder(folder, SIZE).images[:])[0] == 99
    assert np.array_equal(images[:], before)


def test_other_tools_open_it(folder, path):
    images = read_folder(folder, SIZE).images
    with np.load(path) as opened:
        files = json.loads(opened['files.json'])['files']
        digests = {name: digest for name, _, _, _, digest, *_ in files if digest}
        pictures = [np.frombuffer(opened[digest], np.uint8).reshape(SIZE, SIZE, 3) for digest in digests.values()]
    assert list(digests) == ['a.png', 'b.png', 'same.png', 'sub/c.png', 'sub/d.png', 'z.png']
    assert np.array_equal(pictures, images[:])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 5 + 1  # the same picture twice is there once


def test_what_lies_in_the_place_of_the_file_aside_is_not_written_to(folder, path, tmp_path):
    other = put(tmp_path, 'precious', b'stays')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f'.{path.name}.partial').symlink_to(other)
    assert_as_without_cache(folder)
    assert other.read_bytes() == b'stays' and path.exists()


def test_the_file_of_an_older_version_is_deleted(folder, path):
    older = put(path.parent, path.with_suffix('.pictures').name, b'roses 1')
    read_folder(folder, SIZE)
    assert not older.exists()


def test_a_folder_is_cached_from_so_many_bytes_on(folder, path, monkeypatch):
    monkeypatch.setattr('gans_n_roses.pictures.folder.CACHED_FROM', CACHED_FROM)
    assert type(read_folder(folder, SIZE).images) is np.ndarray and not path.exists()
    make_large(folder)
    assert type(read_folder(folder, SIZE).images) is CachedPictures and path.exists()


# A cache that cannot be written

@pytest.mark.parametrize('fault', [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_costs_a_sentence(folder, path, monkeypatch, capsys, fault):
    def refuse(*_):
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr('fcntl.flock', refuse)
    assert_as_without_cache(folder)
    assert capsys.readouterr().out == (f'{path.parent} cannot be locked ({os.strerror(fault)}): let one process at a '
                                       'time write there.\n')
    assert path.exists()


def test_where_nobody_is_at_home_one_sentence_is_said_and_nothing_kept(folder, tmp_path, monkeypatch, capsys, homeless):
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.chdir(tmp_path)
    assert cache.read_through_cache(folder, [], Form(SIZE)) is None
    assert capsys.readouterr().out.startswith('No cache of decoded pictures is kept (')
    assert [path.name for path in tmp_path.iterdir()] == ['pictures']


def test_no_folder_for_it_costs_nothing_but_time(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('XDG_CACHE_HOME', str(put(tmp_path, 'file', b'')))
    found = read_folder(folder, SIZE)
    assert type(found.images) is np.ndarray
    assert found[1:] == read_without_cache(folder)[1:]
    told = capsys.readouterr().out
    assert told.count('\n') == 1
    assert 'cannot be written: Not a directory. This costs time at each start, and nothing else' in told


@pytest.mark.parametrize('bytes_that_fit', [0, 2000, 4700])
def test_a_full_disk_costs_nothing_but_time(folder, path, bytes_that_fit):
    told, images, left = in_child("""
import contextlib, io, pathlib, resource, signal
from gans_n_roses.pictures import folder
folder.CACHED_FROM = 0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
with contextlib.redirect_stdout(io.StringIO()) as told:
    images = folder.read_folder(sys.argv[1], 16).images
tell([told.getvalue(), images.tolist(), [each.name for each in pathlib.Path(sys.argv[2]).parent.glob('.*')]])
""", folder, path, bytes_that_fit)
    assert told.count('\n') == 1 and 'cannot be written: File too large' in told
    assert np.array_equal(images, read_without_cache(folder).images)
    assert f'.{path.name}.partial' not in left
    assert not path.exists()


def test_too_little_room_is_told_before_the_disk_is_full(folder, path, monkeypatch, capsys, decoded):
    monkeypatch.setattr(cache.shutil, 'disk_usage', lambda _: cache.shutil._ntuple_diskusage(1, 1, 0))
    read_folder(folder, SIZE)
    assert 'it may need 0.0 GB, and 0.0 GB are free' in capsys.readouterr().out
    assert len(decoded) == 9 and not path.exists()


def test_no_picture_makes_no_cache(tmp_path, caches):
    put(tmp_path, 'bad.jpg', b'')
    before = set(caches.glob('*.zip'))
    with pytest.raises(Exception, match='holds no picture'):
        read_folder(tmp_path, SIZE)
    assert set(caches.glob('*.zip')) == before


def test_a_large_one_is_told_when_it_is_made(folder, path, monkeypatch, capsys):
    monkeypatch.setattr(cache, 'TOLD_FROM', 4000)
    read_folder(folder, SIZE)
    told = capsys.readouterr().out
    assert str(path) in told and 'Delete it whenever you like.' in told
    read_folder(folder, SIZE)
    assert capsys.readouterr().out == ''


# Several processes, and memory

READ = """
import sys
sys.path.insert(0, sys.argv[2])
from gans_n_roses.pictures import folder
folder.CACHED_FROM = 0
print(folder.read_folder(sys.argv[1], 16).images[:].sum())
"""


def test_processes_that_want_the_same_cache_make_it_once(folder, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(path.name + '.lock')):  # as one that is at it
        others = [subprocess.Popen([sys.executable, '-c', READ, folder, REPO], text=True, stdout=subprocess.PIPE)
                  for _ in range(3)]
        waiting = [other.stdout.readline() for other in others]
    sums = [other.communicate(timeout=60)[0] for other in others]
    assert all(line.endswith('waiting for it ...\n') for line in waiting)
    assert sums == [f'{read_without_cache(folder).images.sum()}\n'] * 3
    assert_as_without_cache(folder)
    assert not list(path.parent.glob('.*.partial'))


def test_neither_making_it_nor_reading_all_of_it_holds_all_in_memory(tmp_path):
    for number in range(120):
        put(tmp_path, f'{number:03d}.png', coloured(number))
    megabytes, grown, same = in_child("""
import contextlib, resource
from gans_n_roses.pictures import decoding, folder
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == 'darwin' else 1e3)
decoding.TOGETHER = 4
folder.CACHED_FROM = 0
folder.read_folder(sys.argv[1], 16)
before = peak()
with contextlib.redirect_stdout(None):  # it tells that it is large
    images = folder.read_folder(sys.argv[1], 640).images
same = all(images[row][0, 0, 0] == row for row in range(len(images)))
tell([images.nbytes / 1e6, peak() - before, same])
""", tmp_path)
    assert megabytes > 140 and same
    assert grown < 60


# A real run

def test_damage_while_training_is_told_and_the_run_goes_on(launcher, tiny, caches, tmp_path):
    data, before = make_pictures(tmp_path / 'data', 64), set(caches.glob('*.zip'))
    make_large(data)
    settings = {**tiny, 'DATASET_PATH': data, 'RESULTS_PATH': tmp_path, 'CHECKPOINT_EVERY': 1000}
    child = launcher.start({**settings, 'N_ITERATIONS': 40})
    child.until(lambda: list(tmp_path.glob('roses/*/Saved_Models/train-*.index')))
    path, = set(caches.glob('*.zip')) - before
    with open(path, 'r+b') as file:
        file.write(bytes(64 * 16 * 16 * 3))  # most of all 64 pictures
    ended = child.wait()
    assert ended.code == 0, ended.text
    assert ended.text.count(f'{path} is damaged') == 1
    assert checkpoint_iterations(only_run(tmp_path).saved_models)[-1] == 40
    ended = launcher.run({**settings, 'N_ITERATIONS': 40, 'RESULTS_PATH': tmp_path / 'whole'})
    assert ended.code == 0 and path.exists()
    assert_same_state(only_run(tmp_path), only_run(tmp_path / 'whole'), 40)
