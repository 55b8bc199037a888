"""What TensorFlow finds switched on when it is imported, and what of its messages is seen."""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading

import pytest
from conftest import REPO

from gans_n_roses.machine import quiet
from gans_n_roses.machine.quiet import LEVEL, ONEDNN, loading_tensorflow, quietly, silenced, use_onednn


@pytest.mark.parametrize(('machine', 'before', 'after'), [
    ('x86_64', None, '1'),
    ('AMD64', None, '1'),  # Windows' name for the same
    ('x86_64', '0', '0'),
    ('arm64', None, None),
    ('aarch64', '1', '1'),
])
def test_onednn_is_switched_on_for_pcs_unless_the_environment_says_so_itself(monkeypatch, machine, before, after):
    monkeypatch.setattr(quiet.platform, 'machine', lambda: machine)
    monkeypatch.setattr(os, 'environ', {ONEDNN: before} if before else {})
    use_onednn()
    assert os.environ.get(ONEDNN) == after


@pytest.mark.skipif(quiet.platform.machine() not in ('x86_64', 'AMD64'), reason='no PC')
def test_main_switches_it_on_before_it_imports_tensorflow(pictures_folder, tmp_path):
    """The TensorFlow of this process says what it finds in the environment, and ends it."""
    stand_in = tmp_path / 'path' / 'tensorflow'
    stand_in.mkdir(parents=True)
    stand_in.joinpath('__init__.py').write_text(f'import os, sys; sys.exit(os.environ.get("{ONEDNN}", "not set"))')
    environment = {name: value for name, value in os.environ.items() if name != ONEDNN}
    process = subprocess.run(
        [sys.executable, REPO / 'main.py', f'DATASET_PATH={pictures_folder}', f'RESULTS_PATH={tmp_path}',
         'BATCH_SIZE=2'], capture_output=True, text=True, env={**environment, 'PYTHONPATH': str(stand_in.parent)})
    assert process.stderr.strip() == '1', process.stdout


def test_keras_makes_no_folder_called_tilde_where_nobody_is_at_home(monkeypatch, homeless):
    monkeypatch.setattr(os, 'environ', {})
    with loading_tensorflow():
        pass
    assert os.environ['KERAS_HOME'] == os.devnull


ABORTS = """
import os, sys
os.write(2, b'WARNING: All log messages before ...\\nI0000 00:00:17.5 18236 port.cc:153] oneDNN is on.\\n'
            b'2026-11-26 22:00:00.0: I tensorflow/core/util/port.cc:153] oneDNN\\n')
os.write(2, b'F0000 00:00:17.5 18236 cpu_feature_guard.cc:37] compiled to use AVX, which is not available.\\n')
os.write(2, b"terminate called after throwing an instance of 'std::system_error'\\n")
os.{how}
"""


@pytest.mark.skipif(os.name != 'posix', reason='signals and a shell as POSIX has them')
@pytest.mark.parametrize('how', ['abort()', 'kill(os.getpid(), 4)'])
@pytest.mark.parametrize('config', ['{}', json.dumps({'cluster': {'worker': ['127.0.0.1:1', '127.0.0.1:2']},
                                                      'task': {'type': 'worker', 'index': 0}})])
def test_the_last_words_of_a_tensorflow_that_aborts_are_shown(pictures_folder, tmp_path, how, config):
    stand_in = tmp_path / 'path' / 'tensorflow'
    stand_in.mkdir(parents=True)
    stand_in.joinpath('__init__.py').write_text(ABORTS.format(how=how))
    process = subprocess.run(
        [sys.executable, REPO / 'main.py', f'DATASET_PATH={pictures_folder}', f'RESULTS_PATH={tmp_path}',
         'BATCH_SIZE=2'], capture_output=True, text=True,
        env={**os.environ, LEVEL: '2', 'PYTHONPATH': str(stand_in.parent), 'TMPDIR': str(tmp_path),
             'TF_CONFIG': config})
    assert process.returncode < 0
    said = process.stderr.splitlines()
    assert len(said) == 2 and 'compiled to use AVX' in said[0] and 'std::system_error' in said[1]
    assert not [path for path in tmp_path.iterdir() if path.is_file()]  # no file is left in the folder for them


@pytest.mark.parametrize(('level', 'seen'), [(None, ''), ('2', ''), ('1', 'chatter'), ('0', 'chatter')])
def test_messages_of_c_code_are_held_back_unless_they_are_asked_for(monkeypatch, capfd, level, seen):
    monkeypatch.setattr(os, 'environ', {LEVEL: level} if level else {})
    with quietly():
        os.write(2, b'chatter')
    os.write(2, b'|')
    assert capfd.readouterr().err == f'{seen}|'


def test_everything_is_shown_where_the_block_fails(monkeypatch, capfd):
    monkeypatch.setattr(os, 'environ', {})
    with pytest.raises(KeyboardInterrupt), quietly():
        os.write(2, b'chatter')
        raise KeyboardInterrupt
    assert capfd.readouterr().err == 'chatter'


@pytest.mark.parametrize(('errors', 'level'), [(True, '2'), (False, '3')])
def test_tensorflow_logs_errors_unless_they_are_told_otherwise(monkeypatch, errors, level):
    monkeypatch.setattr(os, 'environ', {})
    with quietly(errors):
        assert os.environ[LEVEL] == level


def test_no_room_to_hold_messages_back_is_no_fault(monkeypatch, capfd):
    def full():
        raise OSError('No space left on device')
    monkeypatch.setattr(os, 'environ', {})
    monkeypatch.setattr(quiet.tempfile, 'NamedTemporaryFile', full)
    with quietly():
        os.write(2, b'chatter')
    assert capfd.readouterr().err == 'chatter'


def test_what_c_code_says_is_dropped_and_what_python_says_is_seen(capfd):
    for error in (None, KeyboardInterrupt):
        with contextlib.suppress(KeyboardInterrupt), silenced():
            os.write(2, b'ZIPDecode: Decoding error')
            print('half a bar', end='', file=sys.stderr)
            if error:
                raise error
        os.write(2, b'|')
        print('all', file=sys.stderr)
    assert capfd.readouterr().err == 'half a bar|all\n' * 2


def test_threads_leave_standard_error_as_it_was(capfd):
    def hold(first):
        with silenced():
            os.write(2, b'ZIPDecode: Decoding error')
            first.wait(0.2)  # while the other one begins
    before, never = sys.stderr, threading.Event()
    threads = [threading.Thread(target=hold, args=[never]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.stderr is before
    print('all', file=sys.stderr)
    assert capfd.readouterr().err == 'all\n'


@pytest.mark.parametrize('stream', [None, io.StringIO()])
def test_a_console_of_an_editor_is_left_as_it_is(monkeypatch, stream):
    monkeypatch.setattr(sys, 'stderr', stream)
    with silenced():
        assert sys.stderr is stream
