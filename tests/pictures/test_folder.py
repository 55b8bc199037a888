"""A folder of files: which are pictures, in which order they come, and what is told of the rest."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import REPO
from picture_files import RGB, SIZE, coloured, encode, in_child, numbers, put, tiff
from PIL import Image

from gans_n_roses.errors import BadInput
from gans_n_roses.pictures import decoding
from gans_n_roses.pictures.folder import Dataset, find_files, list_files, load_dataset, read_folder
from gans_n_roses.training.introduction import summary


def names_in(root):
    return [file.name for file in list_files(root) if not file.problem]


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
    assert names_in(tmp_path) == ['a.png', 'sub/b.png', 'sub/deep/er/c.png', 'z.png']
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
    assert names_in(root) == ['a.png', 'file.png', 'linked/b.png']
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
    others = ('logo.svg', 'new.jxl', 'scan.dcm', 'light.exr', 'light.HDR')
    for name in others:
        put(tmp_path, name, bytes(500))
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 1
    assert dict(dataset.skipped) == dict.fromkeys(others, 'not a picture that Pillow can open')


HEIC = b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(500)


def without_heif(folder):
    """What is told of a folder where pillow-heif is not installed."""
    return in_child("""
sys.modules['pillow_heif'] = None  # an import finds nothing
from gans_n_roses.errors import BadInput
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.training.introduction import summary
try:
    tell(summary(read_folder(sys.argv[1], 16)))
except BadInput as problem:
    tell([str(problem)])
""", folder)


def test_heic_is_told_in_one_line_with_the_command_that_makes_it_readable(tmp_path):
    for name in ('a.HEIC', 'b.heic', 'c.hif', 'd.heif', 'really_heic.jpg'):
        put(tmp_path, name, HEIC)
    advice = f'HEIC, which this makes readable: {sys.executable} -m pip install pillow-heif'
    sentence, = without_heif(tmp_path)
    assert f'(5 files looked at; 5 × {advice})' in sentence and '\n' not in sentence
    put(tmp_path, 'picture.png')
    put(tmp_path, 'clip.mp4', b'\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41' + bytes(500))
    put(tmp_path, 'broken.jpg', b'')
    assert without_heif(tmp_path) == ['1 picture, 6 skipped', f'5 skipped (a.HEIC, b.heic, c.hif, …): {advice}',
                                      '1 skipped (broken.jpg): empty file']


def test_heic_is_read_where_its_package_is_installed(tmp_path):
    """The package is played: it adds a format to Pillow, as the real one does."""
    put(tmp_path, 'phone.heic', b'HEIC' + encode(Image.fromarray(RGB), '.png'))
    assert in_child("""
import io, types
from PIL import Image
def opened(file, name):
    file.seek(4)
    return Image.open(io.BytesIO(file.read()))
def register():
    Image.register_open('HEIF', opened, lambda start: start[:4] == b'HEIC')
    Image.register_extension('HEIF', '.heic')
sys.modules['pillow_heif'] = types.SimpleNamespace(register_heif_opener=register)
from gans_n_roses.pictures.folder import read_folder
dataset = read_folder(sys.argv[1], 16)
tell([len(dataset.images), dataset.skipped])
""", tmp_path) == [1, []]


def test_raw_files_of_cameras_are_named_though_pillow_opens_a_small_picture_in_them(tmp_path):
    small = tiff([RGB.tobytes()], {258: [8, 8, 8], 262: [2], 277: [3]})
    reduced = tiff([RGB.tobytes()], {258: [8, 8, 8], 262: [2], 277: [3], 254: [1], 330: [8]})
    files = {'a.nef': small, 'b.DNG': small, 'c.cr2': small, 'd.arw': small, 'e.rw2': bytes(99), 'f.orf': bytes(99),
             'g.raf': bytes(99), 'h.cr3': bytes(99), 'renamed.tif': reduced}
    for name, content in files.items():
        put(tmp_path, name, content)
    put(tmp_path, 'small.tif', small)
    put(tmp_path, 'really_a_jpeg.nef', encode(Image.fromarray(RGB), '.jpg'))
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 2
    assert dict(dataset.skipped) == dict.fromkeys(files, 'RAW file of a camera: export it as JPEG or TIFF')


FOREIGN = 'left out: a hidden folder, or one of the system or of another program'
OURS = 'left out: what a run of this program made'


def test_folders_that_nobody_means_are_left_out_and_told(tmp_path):
    names = ['.thumbnails', '.Trash-1000', '#recycle', '$RECYCLE.BIN', '@eaDir', 'System Volume Information',
             '__MACOSX', 'lost+found', 'deeper/@eaDir']
    for name in ('a.png', 'deeper/b.png', '#roses/c.png', '@home/d.png'):
        put(tmp_path, name)
    for name in names:
        put(tmp_path, f'{name}/small/x.png')
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 4
    assert dict(dataset.skipped) == dict.fromkeys(names, FOREIGN)
    assert summary(dataset)[1] == f'9 skipped (#recycle, $RECYCLE.BIN, .Trash-1000, …): {FOREIGN}'
    assert len(read_folder(tmp_path / '@eaDir', SIZE).images) == 1  # asked for


@pytest.mark.parametrize('kept', [('Tensorboard', 'Generated_Images', 'Saved_Models', 'options.json'),
                                  ('Saved_Models', 'options.json'), ('Tensorboard', 'Generated_Images'),
                                  ('Generated_Images', 'options.json')])
def test_what_runs_made_is_left_out_wherever_it_lies(tmp_path, kept):
    put(tmp_path, 'a.png')
    for name in kept:
        put(tmp_path, f'Results/roses/run/{name}' + ('' if name == 'options.json' else '/x.png'))
    put(tmp_path, 'Results/roses/run/Exported/y.png')
    put(tmp_path, 'Results/shipped/Generated_Images/roses.png')
    (tmp_path / 'linked').symlink_to(tmp_path / 'Results/roses/run')
    dataset = read_folder(tmp_path, SIZE)
    assert len(dataset.images) == 1
    assert dict(dataset.skipped) in [dict.fromkeys((run, 'Results/shipped/Generated_Images'), OURS)
                                     for run in ('Results/roses/run', 'linked')]
    assert len(read_folder(tmp_path / 'Results/shipped/Generated_Images', SIZE).images) == 1  # asked for


def test_what_is_no_file_is_not_opened_and_links_that_lead_up_are_not_followed(tmp_path):
    put(tmp_path, 'elsewhere/b.png', coloured(2))
    root = put(tmp_path, 'above/root/a.png', coloured(1)).parent
    places = ['/', tmp_path, tmp_path / 'above', '/dev/zero', '/dev/tty', tmp_path / 'elsewhere']
    for number, place in enumerate(places):
        (root / f'link{number}').symlink_to(place)
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(root):
        server.bind('socket.png')
        assert in_child("""
from gans_n_roses.pictures.folder import read_folder
dataset = read_folder(sys.argv[1], 16)
tell([dataset.images[:, 0, 0, 0].tolist(), dataset.skipped])
""", root) == [[1, 2], []]


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux has such a folder')
def test_the_systems_own_files_keep_nobody_waiting(tmp_path):
    """Among them links to all of the disk, and files of 0 bytes, some of which wait when they are read."""
    with contextlib.chdir(tmp_path):
        assert 'holds no picture' in in_child("""
from gans_n_roses.errors import BadInput
from gans_n_roses.pictures.folder import read_folder
try:
    read_folder('/proc/self', 16)
except BadInput as problem:
    tell(str(problem))
""")


def test_a_folder_that_is_nearly_blank_is_told(tmp_path):
    blank = {'black': np.zeros_like(RGB), 'nearly white': 255 - RGB // 20, 'dots': (RGB * 0).copy()}
    blank['dots'][2, 3] = 255
    for name, pixels in blank.items():
        put(tmp_path, f'{name}.bmp', encode(Image.fromarray(pixels), '.bmp'))
    dataset = read_folder(tmp_path, 24)
    assert dataset.blank == 3
    assert summary(dataset) == ['3 pictures, 3 nearly of one shade',
                                'there is next to nothing on them to be learned: look at one of the files']
    put(tmp_path, 'a.png')
    assert summary(read_folder(tmp_path, 24)) == ['4 pictures, 3 nearly of one shade']


def test_messages_of_c_code_do_not_reach_the_terminal(tmp_path, capfd):
    content = bytearray(encode(Image.fromarray(RGB), '.tif', compression='tiff_adobe_deflate'))
    content[8:40] = bytes(32)
    put(tmp_path, 'broken.tif', bytes(content))
    put(tmp_path, 'a.png')
    assert [name for name, _ in read_folder(tmp_path, SIZE).skipped] == ['broken.tif']
    assert capfd.readouterr().err == ''


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
    for name in ('open.png', 'shut.png', 'shut/in.png', 'listed/in.png', 'all_shut/a.png', 'within/shut/a.png'):
        put(tmp_path, name)
    for name, mode in {'shut.png': 0, 'shut': 0, 'listed': 0o444, 'all_shut': 0, 'within/shut': 0}.items():
        (tmp_path / name).chmod(mode)
    tmp_path.chmod(0o755)
    try:
        found, shut, within = in_child("""
from PIL import Image
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.errors import BadInput
Image.init()  # as nobody, Pillow's own files may be out of reach
os.chdir(sys.argv[1])  # and so may the folders above
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
dataset = read_folder('.', 16)
sentences = []
for folder in ('all_shut', 'within'):
    try:
        read_folder(folder, 16)
    except BadInput as problem:
        sentences.append(str(problem))
tell([[len(dataset.images), dict(dataset.skipped)], *sentences])
""", tmp_path)
    finally:
        for path in (*tmp_path.iterdir(), tmp_path / 'within/shut'):
            path.chmod(0o755)
    refused = ('shut.png', 'shut', 'listed/in.png', 'all_shut', 'within/shut')
    assert found == [1, dict.fromkeys(refused, 'Permission denied')]
    assert "is 'all_shut' in mission_control.py, but it cannot be listed (Permission denied): set it to" in shut
    assert "is 'within', but it holds no picture that can be read (0 files looked at; 1 × Permission denied)" in within


def test_skipped_files_are_grouped_by_reason_and_some_are_named(tmp_path):
    put(tmp_path, 'a.png', coloured(1))
    for number in range(4):
        put(tmp_path, f'bad{number}.jpg', b'')
        put(tmp_path, f'cut{number}.bmp', encode(Image.fromarray(RGB), '.bmp')[:-500 - number])
    put(tmp_path, 'text.gif', b'text')
    dataset = read_folder(tmp_path, SIZE)
    assert len({reason for _, reason in dataset.skipped}) == 6
    assert summary(dataset) == [
        '1 picture, 9 skipped', '4 skipped (bad0.jpg, bad1.jpg, bad2.jpg, …): empty file',
        '4 skipped (cut0.bmp, cut1.bmp, cut2.bmp, …): image file is truncated',
        '1 skipped (text.gif): not a picture that Pillow can open']


def test_ten_reasons_are_told_and_the_rest_counted(tmp_path):
    images = read_folder(put(tmp_path, 'a.png').parent, SIZE).images
    skipped = [(f'{number}.jpg', f'fault {number}') for number in range(10)]
    lines = [f'1 skipped ({name}): {reason}' for name, reason in skipped]
    assert summary(Dataset(images, skipped, 0, 0, '')) == ['1 picture, 10 skipped', *lines]
    skipped += [('a.jpg', 'x'), ('b.jpg', 'x'), ('c.jpg', 'y')]
    assert summary(Dataset(images, skipped, 0, 0, '')) == [
        '1 picture, 13 skipped', '2 skipped (a.jpg, b.jpg): x', *lines[:9], 'and 2 more']


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
    assert dict(dataset.skipped) == dict.fromkeys(
        (r'new\nline.jpg', r'tab\t.jpg', r'bytes\udcff\udcfe.jpg', 'grün 花.jpg', r'escape\x1b[2J.jpg'), 'empty file')
    first, line = summary(dataset)
    assert first.startswith('5 pictures, 5 skipped')
    line.encode()  # what print does


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
    assert next(found) == (str(tmp_path / 'a/1.png'), '')
    put(tmp_path, 'b/2.png')
    assert sorted(found) == [(str(tmp_path / f'b/{number}.png'), '') for number in (1, 2)]


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
        assert names_in(tmp_path / attempt) == expected
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
    assert names_in(tmp_path) == by_pair


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
