"""Whether TensorFlow finds oneDNN switched on when it is imported."""

import os
import subprocess
import sys

import pytest
from conftest import REPO

from gans_n_roses.machine import loading


@pytest.mark.parametrize(('machine', 'before', 'after'), [
    ('x86_64', None, '1'),
    ('AMD64', None, '1'),  # Windows' name for the same
    ('x86_64', '0', '0'),
    ('arm64', None, None),
    ('aarch64', '1', '1'),
])
def test_it_is_switched_on_for_pcs_unless_the_environment_says_so_itself(monkeypatch, machine, before, after):
    monkeypatch.setattr(loading.platform, 'machine', lambda: machine)
    monkeypatch.setattr(os, 'environ', {loading.ONEDNN: before} if before else {})
    loading.use_onednn()
    assert os.environ.get(loading.ONEDNN) == after


@pytest.mark.skipif(loading.platform.machine() not in ('x86_64', 'AMD64'), reason='no PC')
@pytest.mark.parametrize(('given', 'found'), [({}, '1'), ({loading.ONEDNN: '0'}, '0')])
def test_main_switches_it_on_before_it_imports_tensorflow(pictures_folder, tmp_path, given, found):
    """The TensorFlow of this process says what it finds in the environment, and ends it."""
    stand_in = tmp_path / 'path' / 'tensorflow'
    stand_in.mkdir(parents=True)
    stand_in.joinpath('__init__.py').write_text(
        f'import os, sys; sys.exit(os.environ.get("{loading.ONEDNN}", "not set"))')
    environment = {name: value for name, value in os.environ.items() if name != loading.ONEDNN}
    environment |= {**given, 'PYTHONPATH': str(stand_in.parent)}
    process = subprocess.run(
        [sys.executable, REPO / 'main.py', f'DATASET_PATH={pictures_folder}', f'RESULTS_PATH={tmp_path}',
         'BATCH_SIZE=2'], capture_output=True, text=True, env=environment)
    assert process.stderr.strip() == found, process.stdout
