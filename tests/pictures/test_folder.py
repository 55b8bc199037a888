"""A folder of files: which are pictures, in which order they come, and what is told of the rest."""

import os
import shutil
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import REPO
from picture_files import RGB, SIZE, coloured, encode, in_child, numbers, put
from PIL import Image

from gans_n_roses.errors import BadInput
from gans_n_roses.pictures import decoding
from gans_n_roses.pictures.folder import Dataset, find_files, list_files, load_dataset, read_folder
from gans_n_roses.training.introduction import summary

# Which files are pictures

def test_suffix_decides_nothing_that_pillow_opens(tmp_path):
    for name in ('upper.PNG', 'Mixed.JpG', 'none', 'two.dots.png', 'odd.txt', 'wrong.jpg'):
        put(tmp_path, name)
    put(tmp_path, 'really_a_jpeg.png', encode(Image.fromarray(RGB), '.jpg'))
    dataset = read_folder(tmp_path, SIZE)
    assert (len(dataset.images), dataset.skipped) == (7, [])


def test_subfolders_are_read_and_hidden_files_are_not(tmp_path):
    for number, name in enumerate(('a.png', 'sub/b.png', 'sub/deep/er/c.png', 'z.png')):
        put(tmp_path, name, coloured(number))
    for name in ('.hidden.png', '._a.png', '.thumbnails/x.png', 'sub/.git/x.png', '__MACOSX/._b.png'):
        put(tmp_path, name, coloured(99))
    assert list_files(tmp_path) == ['a.png', 'sub/b.png', 'sub/deep/er/c.png', 'z.png']
    assert numbers(load_dataset(tmp_path, SIZE)) == [0, 1, 2, 3]
    assert numbers(load_dataset(str(tmp_path), SIZE)) == [0, 1, 2, 3]


def test_a_hidden_folder_that_is_asked_for_is_read(tmp_path):
    put(tmp_path, '.cache/roses/a.png', coloured(5))
    assert numbers(load_dataset(tmp_path / '.cache', SIZE)) == [5]


def test_links_to_folders_and_loops(tmp_path):
    put(tmp_path, 'elsewhere/b.png', coloured(2))
    root = put(tmp_path, 'root/a.png', coloured(1)).parent
    (root / 'linked').symlink_to(tmp_path / 'elsewhere')
    (root / 'twice').symlink_to(tmp_path / 'elsewhere')
    (root / 'up').symlink_to(root)
    (tmp_path / 'elsewhere' / 'back').symlink_to(root)
    (root / 'file.png').symlink_to(root / 'a.png')
    assert list_files(root) == ['a.png', 'file.png', 'linked/b.png']
    dataset = read_folder(root, SIZE)
    assert (numbers(dataset.images), dataset.duplicates) == ([1, 1, 2], 1)


def test_links_to_nothing_are_named(tmp_path):
    put(tmp_path, 'a.png')
    (tmp_path / 'gone.jpg').symlink_to(tmp_path / 'nowhere.jpg')
    (tmp_path / 'loop.jpg').symlink_to(tmp_path / 'loop.jpg')
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 1
    assert dict(dataset.skipped) == {'gone.jpg': 'No such file or directory',
                                     'loop.jpg': 'Too many levels of symbolic links'}


def test_non_pictures_are_passed_over_and_pictures_that_pillow_cannot_open_are_named(tmp_path):
    put(tmp_path, 'a.png')
    text = b'All images are licensed under CC BY 2.0.\n' * 50
    for name in ('LICENCE', 'notes.txt', 'labels.csv', 'README.md', 'annotations.json', 'Thumbs.db', 'empty.txt'):
        put(tmp_path, name, b'' if name == 'empty.txt' else text)
    put(tmp_path, 'clip.mp4', b'\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41' + bytes(500))
    for name in ('phone.HEIC', 'logo.svg', 'camera.nef', 'new.jxl'):
        put(tmp_path, name, b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(500))
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 1
    assert dict(dataset.skipped) == dict.fromkeys(
        ('camera.nef', 'logo.svg', 'new.jxl', 'phone.HEIC'), 'not a picture that Pillow can open')


def test_a_pipe_does_not_hold_up_the_reader(tmp_path):
    put(tmp_path, 'a.png')
    os.mkfifo(tmp_path / 'pipe.jpg')
    assert in_child("""
from gans_n_roses.pictures.folder import read_folder
dataset = read_folder(sys.argv[1], 16)
tell([len(dataset.images), dataset.skipped, 'tensorflow' in sys.modules])
""", tmp_path) == [1, [], False]


def test_a_thousand_nested_folders_are_read(tmp_path):
    deep = tmp_path
    try:
        for _ in range(1200):
            deep = deep / 'd'
            deep.mkdir()
        put(deep, 'a.png', coloured(7))
        assert numbers(load_dataset(tmp_path, SIZE)) == [7]
    finally:
        subprocess.run(['rm', '-rf', tmp_path / 'd'], check=True)  # pytest's own removal is recursive, and would end


# What cannot be read

def test_no_permission(tmp_path):
    for name in ('open.png', 'shut.png', 'shut/in.png', 'listed/in.png', 'all_shut/a.png'):
        put(tmp_path, name)
    for name, mode in {'shut.png': 0, 'shut': 0, 'listed': 0o444, 'all_shut': 0}.items():
        (tmp_path / name).chmod(mode)
    tmp_path.chmod(0o755)
    try:
        found, sentence = in_child("""
from PIL import Image
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.errors import BadInput
Image.init()  # as nobody, Pillow's own files may be out of reach
os.chdir(sys.argv[1])  # and so may the folders above
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
dataset = read_folder('.', 16)
try:
    read_folder('all_shut', 16)
except BadInput as problem:
    tell([[len(dataset.images), dict(dataset.skipped)], str(problem)])
""", tmp_path)
    finally:
        for path in tmp_path.iterdir():
            path.chmod(0o755)
    assert found == [1, dict.fromkeys(('shut.png', 'shut', 'listed/in.png', 'all_shut'), 'Permission denied')]
    assert "'all_shut'" in sentence and '1 × Permission denied' in sentence


def test_ten_are_named_and_the_rest_counted(tmp_path):
    put(tmp_path, 'a.png')
    for number in range(10):
        put(tmp_path, f'bad{number:02d}.jpg', b'')
    named = [f'skipped bad{number:02d}.jpg: empty file' for number in range(10)]
    assert summary(read_folder(tmp_path, SIZE)) == ['1 picture, 10 skipped', *named]
    for number in range(10, 13):
        put(tmp_path, f'bad{number:02d}.jpg', b'')
    dataset = read_folder(tmp_path, SIZE)
    assert summary(dataset) == ['1 picture, 13 skipped', *named, 'and 3 more']
    assert len(dataset.skipped) == 13


def test_names_that_do_not_print(tmp_path):
    names = [b'new\nline.jpg', b'tab\t.jpg', b'bytes\xff\xfe.jpg', 'grün 花.jpg'.encode(), b'escape\x1b[2J.jpg']
    try:
        for name in names:
            Path(os.fsdecode(os.fsencode(tmp_path) + b'/' + name)).write_bytes(b'')
            Path(os.fsdecode(os.fsencode(tmp_path) + b'/read' + name)).write_bytes(coloured(1))
    except OSError:
        pytest.skip('this file system takes no such names')
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 5
    first, *lines = summary(dataset)
    assert first.startswith('5 pictures, 5 skipped')
    assert sorted(lines) == sorted(f'skipped {name}: empty file' for name in (
        r'new\nline.jpg', r'tab\t.jpg', r'bytes\udcff\udcfe.jpg', 'grün 花.jpg', r'escape\x1b[2J.jpg'))
    '\n'.join(lines).encode()  # what print does


@pytest.mark.parametrize('folder, sentence', [
    ('nowhere', "DATASET_PATH is '{}' in mission_control.py, but there is no such folder: set it to a folder"),
    ('file.png', "DATASET_PATH is '{}' in mission_control.py, but that is a file: set it to a folder of pictures."),
    ('no\0name', 'in mission_control.py, but there is no such folder: set it to a folder of pictures.'),
    ('n' * 300, 'in mission_control.py, but there is no such folder: set it to a folder of pictures.'),
    ('bare', "DATASET_PATH is '{}', but it holds no picture that can be read (0 files looked at)"),
    ('bad', "DATASET_PATH is '{}', but it holds no picture that can be read (4 files looked at; 2 × empty file; "
            '1 × not a picture that Pillow can open)'),
])
def test_nothing_to_read_is_one_sentence(tmp_path, folder, sentence):
    put(tmp_path, 'file.png')
    (tmp_path / 'bare').mkdir()
    for name, content in {'a.jpg': b'', 'b.jpg': b'', 'c.jpg': b'text', 'd.txt': b'text'}.items():
        put(tmp_path, f'bad/{name}', content)
    with pytest.raises(BadInput) as caught:
        load_dataset(tmp_path / folder, SIZE)
    assert sentence.format(tmp_path / folder) in str(caught.value)
    assert 'mission_control.py' in str(caught.value) and '\n' not in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_empty_path_is_not_the_current_folder(tmp_path, monkeypatch):
    put(tmp_path, 'a.png')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match='no such folder'):
        load_dataset('', SIZE)
    assert len(load_dataset('.', SIZE)) == 1


def test_files_are_looked_for_no_further_than_they_are_asked_for(tmp_path):
    put(tmp_path, 'a/1.png')
    put(tmp_path, 'b/1.png')
    found = find_files(tmp_path)
    assert next(found) == str(tmp_path / 'a/1.png')
    put(tmp_path, 'b/2.png')
    assert sorted(found) == [str(tmp_path / f'b/{number}.png') for number in (1, 2)]


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux holds a process to such a limit')
def test_little_memory(tmp_path):
    put(tmp_path, 'a.png')
    with open(tmp_path / 'archive.zip', 'wb') as file:
        file.truncate(20 << 30)  # takes no room on the disk
    images, skipped, sentence = in_child("""
import resource
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.errors import BadInput
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
dataset = read_folder(sys.argv[1], 16)
try:
    read_folder(sys.argv[1], 1 << 16)
except BadInput as problem:
    tell([len(dataset.images), dataset.skipped, str(problem)])
""", tmp_path)
    assert (images, skipped) == (1, [])  # a large file that is no picture is not read whole
    assert '2 files at IMAGE_SIZE 65536 are more than memory holds' in sentence and 'lower IMAGE_SIZE' in sentence


# Order, duplicates, fingerprint

def test_order_is_that_of_the_paths_however_they_came(tmp_path):
    names = [f'{folder}{number:02d}.png' for folder in ('', 'B/', 'a/', 'a-b/') for number in range(12)]
    expected = sorted(names)
    rng = np.random.default_rng(4)
    for attempt in ('first', 'second'):
        for name in rng.permutation(names):
            put(tmp_path / attempt, name, coloured(expected.index(name)))
        assert list_files(tmp_path / attempt) == expected
        assert numbers(load_dataset(tmp_path / attempt, SIZE)) == list(range(48))


def test_order_is_the_same_for_composed_and_decomposed_names(tmp_path):
    for form in ('NFC', 'NFD'):
        for number, name in enumerate(('f.png', 'é/a.png', 'é/b.png', 'ü.png')):
            put(tmp_path / form, unicodedata.normalize(form, name), coloured(number))
    composed, decomposed = (read_folder(tmp_path / form, SIZE) for form in ('NFC', 'NFD'))
    assert numbers(composed.images) == numbers(decomposed.images) == [0, 1, 2, 3]
    assert composed.fingerprint == decomposed.fingerprint


def test_both_forms_of_a_name_have_an_order(tmp_path):
    letters = ('é', 'è', 'ü', 'ñ')
    names = [unicodedata.normalize(form, f'{letter}.png') for letter in letters for form in ('NFC', 'NFD')]
    for name in names:
        put(tmp_path, name)
    if len(list(tmp_path.iterdir())) < len(names):
        pytest.skip('this file system takes both forms for one name')
    by_pair = sorted(names, key=lambda name: (unicodedata.normalize('NFC', name), name))
    assert list_files(tmp_path) == by_pair


def test_duplicates_are_kept_and_counted(tmp_path):
    for name, number in {'a': 1, 'b': 2, 'sub/a': 1, 'sub/c': 1, 'd': 2, 'e': 3}.items():
        put(tmp_path, f'{name}.png', coloured(number))
    put(tmp_path, 'same_pixels.bmp', encode(Image.open(tmp_path / 'a.png'), '.bmp'))
    dataset = read_folder(tmp_path, SIZE)
    assert (len(dataset.images), dataset.duplicates) == (7, 3)
    assert '3 exact duplicates' in summary(dataset)[0]


def test_one_is_told_in_the_singular(tmp_path):
    put(tmp_path, 'a.png', coloured(1))
    assert summary(read_folder(tmp_path, SIZE)) == ['1 picture']
    put(tmp_path, 'b.png', coloured(1))
    put(tmp_path, 'bad.jpg', b'')
    assert summary(read_folder(tmp_path, SIZE))[0] == '2 pictures, 1 skipped, 1 exact duplicate'


def test_fingerprint_follows_the_pictures_alone(tmp_path):
    def fingerprint(folder):
        return read_folder(folder, SIZE).fingerprint

    for number, name in enumerate(('a.png', 'b.png', 'sub/c.png')):
        put(tmp_path / 'one', name, coloured(number))
    first = fingerprint(tmp_path / 'one')
    for number, name in reversed(list(enumerate(('a.png', 'b.png', 'sub/c.png')))):
        put(tmp_path / 'two', name, coloured(number))
    os.utime(tmp_path / 'two' / 'a.png', (1, 1))
    put(tmp_path / 'two', 'notes.txt', b'no picture')
    put(tmp_path / 'two', 'bad.jpg', b'')
    assert fingerprint(tmp_path / 'two') == first
    assert read_folder(tmp_path / 'two', 2 * SIZE).fingerprint == first

    seen = {first}
    put(tmp_path / 'two', 'd.png', coloured(9))
    seen.add(fingerprint(tmp_path / 'two'))
    put(tmp_path / 'two', 'd.png', coloured(10))
    seen.add(fingerprint(tmp_path / 'two'))
    (tmp_path / 'two' / 'a.png').unlink()
    seen.add(fingerprint(tmp_path / 'two'))
    (tmp_path / 'two' / 'b.png').rename(tmp_path / 'two' / 'z.png')
    seen.add(fingerprint(tmp_path / 'two'))
    assert len(seen) == 5


# Threads

def test_decoding_is_done_by_threads_and_comes_out_the_same_each_time(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    for number in range(40):
        picture = Image.fromarray(rng.integers(0, 256, [40, 50, 3], np.uint8))
        suffix = ('.jpg', '.png', '.webp', '.tif')[number % 4]
        put(tmp_path, f'{number:02d}{suffix}', encode(picture, suffix) if number % 9 else b'broken')
    first = read_folder(tmp_path, SIZE)
    assert (len(first.images), len(first.skipped)) == (35, 5)

    threads, fit = [], decoding._fit
    monkeypatch.setattr(decoding, '_fit', lambda *args: (threads.append(threading.current_thread()), fit(*args))[1])
    second = read_folder(tmp_path, SIZE)
    assert np.array_equal(first.images, second.images)
    assert first[1:] == second[1:]
    assert len(threads) == 35 and threading.main_thread() not in threads


def test_no_format_is_loaded_while_threads_look_for_it(tmp_path):
    """Pillow misses a format that another thread adds between its two looks."""
    for number in range(8):
        Image.fromarray(RGB).save(tmp_path / f'{number}.webp')
    assert in_child("""
import threading
late = []
def hook(event, found):
    if event == 'import' and threading.current_thread() is not threading.main_thread():
        late.extend(name for name in found[:1] if name.endswith('ImagePlugin'))
sys.addaudithook(hook)
from gans_n_roses.pictures.folder import read_folder
tell([len(read_folder(sys.argv[1], 16).images), late])
""", tmp_path) == [8, []]


# What comes out

def test_a_plain_array_comes_back(tmp_path):
    for number in range(3):
        put(tmp_path, f'{number}.png', coloured(number))
    images = load_dataset(tmp_path, 32)
    assert type(images) is np.ndarray
    assert (images.dtype, images.shape) == (np.uint8, (3, 32, 32, 3))
    assert isinstance(read_folder(tmp_path, 32), Dataset)


def test_the_roses_that_ship(tmp_path):
    roses = REPO / 'Dataset' / 'Roses'
    dataset = read_folder(roses, 64)
    assert (dataset.images.shape, dataset.duplicates, dataset.skipped) == ((67, 64, 64, 3), 0, [])
    assert summary(dataset) == ['67 pictures']
    shutil.copytree(roses, tmp_path / 'copy')
    assert read_folder(tmp_path / 'copy', 64).fingerprint == dataset.fingerprint
