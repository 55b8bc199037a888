"""What is printed to nobody: a program goes on in silence, and its exit code is what it would be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO

# Prints by all the ways there are, more than a pipe or a buffer holds; its exit code says that it came to the end.
PRINTS = """
import sys, warnings
from tqdm import tqdm
from gans_n_roses.machine.streams import keep_going
keep_going()
written = open(sys.argv[1], 'w')
assert written.fileno() > 2
for k in tqdm(range(1500), disable=False):
    print('line', k, 'x' * 50, '4 × 4', flush=True)
    tqdm.write('told')
    warnings.warn(f'told {k}')
written.write('all')
sys.exit(3)
"""
full = pytest.mark.skipif(not Path('/dev/full').exists(), reason='only Linux has /dev/full')


@pytest.mark.parametrize('redirection', [
    '', '>&-', '2>&-', '>&- 2>&-', '<&- >&- 2>&-', '| head -1', '2>&1 | head -1',
    pytest.param('>/dev/full', marks=full), pytest.param('>/dev/full 2>&1', marks=full)])
@pytest.mark.skipif(os.name != 'posix', reason='a POSIX shell')
def test_program_comes_to_its_end(redirection, tmp_path):
    command = f'{{ "$@"; echo $? >code; }} {redirection}'
    shell = subprocess.run(['sh', '-c', command, 'sh', sys.executable, '-c', PRINTS, 'file'], cwd=tmp_path,
                           env={**os.environ, 'PYTHONPATH': str(REPO)}, capture_output=True, text=True)
    assert (tmp_path / 'code').read_text() == '3\n', shell.stderr
    assert (tmp_path / 'file').read_text() == 'all'
    assert 'Traceback' not in shell.stderr and 'Exception ignored' not in shell.stderr
    if not redirection:
        assert shell.stdout.count('4 × 4') == shell.stdout.count('told\n') == 1500
        assert 'told 1499' in shell.stderr


@pytest.mark.parametrize(('encoding', 'shown'), [
    ('ascii', b'4 \\xd7 4 \\u0152 \\udcff'), ('latin-1', b'4 \xd7 4 \\u0152 \\udcff'),
    ('cp1252', b'4 \xd7 4 \x8c \\udcff'), ('utf-8', b'4 \xc3\x97 4 \xc5\x92 \\udcff')])
def test_what_an_encoding_lacks_is_spelled_out(encoding, shown):
    code = "from gans_n_roses.machine.streams import keep_going; keep_going(); print('4 × 4 Œ \\udcff')"
    ended = subprocess.run([sys.executable, '-c', code], cwd=REPO, capture_output=True,
                           env={**os.environ, 'PYTHONIOENCODING': encoding})
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, shown, b'')


def test_help_that_nobody_reads_to_its_end():
    process = subprocess.Popen([sys.executable, REPO / 'main.py', '--help'], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b'', 0)
