"""The download when all is well, when two are started, and what it may be told."""

import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from conftest import REPO
from download_server import DEADLINE_S, INTERRUPTED, child, expected_files, files_in, one_sentence, run

from gans_n_roses import download
from gans_n_roses.download import CLASSES, FLOWER_PHOTOS


def test_the_archive_is_the_published_one():
    assert FLOWER_PHOTOS.url == ('https://storage.googleapis.com/download.tensorflow.org/'
                                 'example_images/flower_photos.tgz')
    assert FLOWER_PHOTOS.size == 228_813_984
    assert FLOWER_PHOTOS.sha256 == (
        '4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c')


def test_roses_and_licence_only_and_no_archive_left(serve, out, capsys):
    assert run(serve(), out) == 0
    assert files_in(out) == expected_files('roses')
    assert [path.name for path in out.iterdir()] == ['flower_photos']
    printed, errors = capsys.readouterr()
    folder = (out / 'flower_photos' / 'roses').as_posix()
    assert printed.endswith(f"DATASET_PATH = '{folder}/'\nDATASET_CHOSEN = 'roses'\n")
    assert errors == ''  # No bar where there is no terminal.


def test_several_classes_name_the_folder_above(serve, out, capsys):
    assert run(serve(), out, '--classes', 'roses', 'tulips', 'roses') == 0
    assert files_in(out) == expected_files('roses', 'tulips')
    folder = (out / 'flower_photos').as_posix()
    assert capsys.readouterr().out.endswith(
        f"DATASET_PATH = '{folder}/'\nDATASET_CHOSEN = 'flower_photos'\n")


def test_path_is_short_and_portable_below_the_project(serve, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, 'ROOT', tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(serve(), Path('Dataset')) == 0
    assert "\nDATASET_PATH = './Dataset/flower_photos/roses/'\n" in capsys.readouterr().out


def test_path_begins_at_the_project_wherever_the_download_was_started(serve, tmp_path, monkeypatch, capsys):
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.setattr(download, 'ROOT', tmp_path)
    monkeypatch.chdir(tmp_path / 'elsewhere')
    assert run(serve(), tmp_path / 'Dataset') == 0
    assert "\nDATASET_PATH = './Dataset/flower_photos/roses/'\n" in capsys.readouterr().out


def test_path_is_absolute_outside_the_project(serve, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, 'ROOT', tmp_path / 'project')
    monkeypatch.chdir(tmp_path)
    assert run(serve(), tmp_path / 'Dataset') == 0
    folder = (tmp_path / 'Dataset' / 'flower_photos' / 'roses').as_posix()
    assert f"\nDATASET_PATH = '{folder}/'\n" in capsys.readouterr().out


def test_default_folder_is_beside_the_package_whatever_the_cwd(tmp_path):
    done = subprocess.run([sys.executable, '-m', 'gans_n_roses.download', '--help'], text=True,
                          capture_output=True, cwd=tmp_path,
                          env={**os.environ, 'PYTHONPATH': str(REPO), 'COLUMNS': '500'})
    assert done.returncode == 0
    assert f"default: {REPO / 'Dataset'}" in done.stdout


def test_second_run_asks_the_server_nothing(serve, out, capsys):
    server = serve()
    assert run(server, out) == 0
    before = files_in(out)
    capsys.readouterr()
    assert run(server, out) == 0
    assert len(server.asked) == 1
    assert files_in(out) == before
    printed = capsys.readouterr().out
    assert 'Nothing to do' in printed and 'DATASET_PATH = ' in printed


def test_another_class_is_fetched_and_the_first_left_alone(serve, out):
    server = serve()
    assert run(server, out) == 0
    mark = out / 'flower_photos' / 'roses' / '0.jpg'
    mark.write_bytes(b"the user's own")
    assert run(server, out, '--classes', 'roses', 'tulips') == 0
    assert len(server.asked) == 2
    assert mark.read_bytes() == b"the user's own"
    assert files_in(out).keys() == expected_files('roses', 'tulips').keys()


@pytest.mark.parametrize('lost', ['LICENSE.txt', 'roses/0.jpg roses/1.jpg'])
def test_what_was_lost_is_fetched_again(serve, out, lost):
    server = serve()
    assert run(server, out) == 0
    for name in lost.split():
        (out / 'flower_photos' / name).unlink()
    assert run(server, out) == 0
    assert len(server.asked) == 2
    assert files_in(out) == expected_files('roses')


def test_mirror_is_used(serve, out):
    elsewhere, mirror = serve(), serve()
    assert run(elsewhere, out, '--url', mirror.archive().url) == 0
    assert (len(elsewhere.asked), len(mirror.asked)) == (0, 1)


def test_leftovers_of_a_killed_run_are_swept(serve, out):
    stale = out / '.flower_photos.partial' / 'roses'
    stale.mkdir(parents=True)
    (stale / 'half.jpg').write_bytes(b'half')
    assert run(serve(), out) == 0
    assert files_in(out) == expected_files('roses')


def test_a_second_download_into_the_same_folder_leaves_the_first_alone(serve, out, capsys):
    server = serve()
    server.cuts = [160_000]
    server.go_on.clear()
    first = child(INTERRUPTED, out, *server.archive())
    part, end = out / 'flower_photos.tgz.part', time.monotonic() + DEADLINE_S
    while not (part.exists() and part.stat().st_size) and time.monotonic() < end:
        time.sleep(0.01)
    assert run(server, out) == 2
    one_sentence(capsys, 'Another download', out, 'running', 'again')
    assert part.exists() and len(server.asked) == 1
    server.go_on.set()
    first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 0
    assert files_in(out) == expected_files('roses')
    assert [path.name for path in out.iterdir()] == ['flower_photos']


@pytest.mark.skipif(not shutil.which('git'), reason='no git here')
def test_what_a_killed_download_leaves_is_ignored_by_git():
    left = ['Dataset/flower_photos.tgz.part', 'Dataset/.flower_photos.partial/.lock',
            'Dataset/.flower_photos.partial/flower_photos/roses/half.jpg']
    ignored = subprocess.run(['git', 'check-ignore', *left], cwd=REPO, capture_output=True, text=True)
    if ignored.returncode == 128:
        pytest.skip('no git repository')
    assert ignored.stdout.split() == left


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full here')
def test_output_that_cannot_be_written_is_no_fault(serve, out):
    server = serve()
    assert run(server, out) == 0
    with open('/dev/full', 'w') as full:
        done = subprocess.run([sys.executable, '-m', 'gans_n_roses.download', '--out', out, '--url',
                               server.archive().url], cwd=REPO, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, '')


def test_a_python_without_the_data_filter_is_told_before_anything_is_fetched(serve, out, capsys, monkeypatch):
    monkeypatch.delattr(tarfile, 'data_filter')
    server = serve()
    assert run(server, out) == 2
    one_sentence(capsys, 'Python 3.', '3.11.4 or a newer one')
    assert server.asked == [] and not out.exists()


@pytest.mark.parametrize('options, words', [
    (['--classes', 'roses', 'lilies'], ['lilies', *CLASSES]),
    (['--classes'], ['--classes']),
    (['--url', 'file:///etc/passwd'], ['file:///etc/passwd', FLOWER_PHOTOS.url]),
    (['--url', 'http://'], ["'http://'", FLOWER_PHOTOS.url]),
    (['--url', 'http://[::1'], ['http://[::1', FLOWER_PHOTOS.url]),
    (['--url', 'http://localhost:port/'], ['localhost:port', FLOWER_PHOTOS.url]),
    (['--url', 'http://localhost/a b'], ['localhost/a b', FLOWER_PHOTOS.url]),
    (['--fast'], ['--fast']),
])
def test_bad_arguments(serve, out, capsys, options, words):
    server = serve()
    with pytest.raises(SystemExit) as stop:
        run(server, out, *options)
    assert stop.value.code == 2
    errors = capsys.readouterr().err
    assert all(word in errors for word in words)
    assert server.asked == [] and not out.exists()
