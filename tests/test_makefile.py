"""What `make` runs, and which Python it takes, by stand-ins that tell a version of their own."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import REPO
from packaging.requirements import Requirement

import main
from gans_n_roses.errors import Interrupted, RunFailed

MAKE = shutil.which('make')
pytestmark = pytest.mark.skipif(MAKE is None, reason='there is no make here')


def dry_run(folder, pythons, *arguments):
    """What `make` would run to make .venv, where these Pythons are: name → version, or None for one that fails."""
    folder.joinpath('bin').mkdir()
    for name, version in pythons.items():
        python = folder / 'bin' / name
        told = f'exec "{sys.executable}" -I -S -c "import sys; sys.version_info = {version}; $2"'
        python.write_text(f'#!/bin/sh\n{told if version else "exit 127"}\n')
        python.chmod(0o755)
    return subprocess.run([MAKE, '-n', '-f', REPO / 'Makefile', '.venv/bin/python', *arguments], text=True,
                          capture_output=True, cwd=folder, env={'PATH': str(folder / 'bin')})


OLD, NEW = (3, 10, 13), (3, 14, 0)
ALL = {'python3.11': (3, 11, 7), 'python3.12': (3, 12, 1), 'python3.13': (3, 13, 0)}


@pytest.mark.parametrize(('pythons', 'taken'), [
    ({'python3': (3, 11, 7), **ALL}, 'python3'),
    ({'python3': (3, 13, 9)}, 'python3'),
    ({'python3': OLD, **ALL}, 'python3.13'),
    ({'python3': NEW, 'python3.11': (3, 11, 7), 'python3.12': (3, 12, 1)}, 'python3.12'),
    ({'python3.11': (3, 11, 0)}, 'python3.11'),
    ({'python3': OLD, 'python3.13': None, 'python3.11': (3, 11, 7)}, 'python3.11'),  # a version manager's stand-in
])
def test_python3_where_it_fits_else_the_newest_that_runs(tmp_path, pythons, taken):
    said = dry_run(tmp_path, pythons)
    assert (said.stdout, said.stderr, said.returncode) == (f'{taken} -m venv .venv\n', '', 0)


@pytest.mark.parametrize('pythons', [{}, {'python3': OLD}, {'python3': NEW, 'python3.13': None}])
def test_no_python_that_fits_is_one_sentence(tmp_path, pythons):
    said = dry_run(tmp_path, pythons)
    assert said.returncode == 2 and said.stdout == ''
    assert 'Python 3.11, 3.12 or 3.13 is needed' in said.stderr and said.stderr.count('\n') == 1


def test_a_python_that_is_named_is_taken(tmp_path):
    assert dry_run(tmp_path, ALL, 'PYTHON=/my/python').stdout == '/my/python -m venv .venv\n'


def test_tests_run_in_two_processes_unless_told_otherwise():
    said = subprocess.run([MAKE, '-n', '-o', '.venv/installed-dev', 'test', 'ARGS=-n 0'], text=True,
                          capture_output=True, cwd=REPO, env={'PATH': os.environ['PATH']})
    assert said.stdout == '.venv/bin/python -m pytest -n 2 --dist loadfile -n 0\n', said.stderr


def test_an_environment_that_could_not_be_made_is_tried_again(tmp_path):
    python = tmp_path / 'python'  # as Debian's without the package python3-venv: it leaves a .venv without pip
    python.write_text('#!/bin/sh\nmkdir -p .venv/bin && : > .venv/bin/python\necho tried >> tries\nexit 1\n')
    python.chmod(0o755)
    for _ in range(2):
        made = subprocess.run([MAKE, '-f', REPO / 'Makefile', '.venv/bin/python', f'PYTHON={python}'], cwd=tmp_path,
                              capture_output=True)
        assert made.returncode == 2
    assert (tmp_path / 'tries').read_text() == 'tried\n' * 2


@pytest.mark.parametrize(('target', 'ends', 'code'), [
    ('train', 'test "$STOP_IS_NO_ERROR"', 0), ('train', 'exit 1', 2), ('train', 'kill -9 $$', 2),
    ('roses', 'test "$STOP_IS_NO_ERROR"', 2)])
def test_make_train_alone_asks_that_a_stop_be_no_error(tmp_path, target, ends, code):
    python = tmp_path / 'python'
    python.write_text(f'#!/bin/sh\n{ends}\n')
    python.chmod(0o755)
    words = ['-f', REPO / 'Makefile', '-o', '.venv/installed', f'BIN={tmp_path}', target]
    assert subprocess.run([MAKE, *words], cwd=tmp_path, capture_output=True).returncode == code


@pytest.mark.parametrize(('end', 'codes'), [
    (Interrupted('Stopped.', 2), (130, 0)), (Interrupted('Stopped.', 15), (143, 0)), (RunFailed('Failed.'), (1, 1))])
def test_a_stop_is_an_error_unless_make_train_asks(monkeypatch, end, codes):
    def stop(*_):
        raise end
    monkeypatch.setattr(main, 'read_settings', stop)
    assert main.main([]) == codes[0]
    monkeypatch.setenv('STOP_IS_NO_ERROR', '1')
    assert main.main([]) == codes[1]


@pytest.mark.parametrize('target', ['.venv/installed', '.venv/installed-dev'])
def test_a_line_comes_before_what_takes_a_minute(target):
    words = ['--no-print-directory', '-n', '-B', '-o', '.venv/bin/python', target]  # the first for make within make
    said = subprocess.run([MAKE, *words], cwd=REPO, capture_output=True, text=True)
    told, pip, *_ = said.stdout.splitlines()
    assert told.startswith("echo 'Installing what requirements") and ' -m pip install --quiet -r requirements' in pip


def test_what_tensorboard_below_2_21_imports_is_installed_with_it():
    """Its pkg_resources went with setuptools 82; on Intel Macs there is no later one."""
    lines = (line.partition('#')[0].strip() for line in (REPO / 'requirements.txt').read_text().splitlines())
    wanted = {each.name: each.specifier for each in map(Requirement, filter(None, lines))}
    assert '2.20.0' in wanted['tensorboard'] and '2.16.2' in wanted['tensorflow']
    assert '81.0.0' in wanted['setuptools'] and '82.0.0' not in wanted['setuptools']
