"""What the benchmark of an iteration leaves out where the processor does not help with bfloat16."""

import os
import platform
import subprocess
import sys

import pytest
from conftest import REPO

from benchmarks import training_step
from gans_n_roses.machine import precision


@pytest.mark.parametrize(('choice', 'why'), [
    ('bfloat16', ''), ('float32', 'left out: nothing here is known to make bfloat16 quicker')])
def test_bfloat16_is_left_out_where_auto_would_not_take_it(monkeypatch, choice, why):
    monkeypatch.setattr(precision, 'choose_precision', lambda: choice)
    assert training_step.why_no_bfloat16() == why


@pytest.mark.parametrize('no_torch', ['', training_step.NO_TORCH])
@pytest.mark.parametrize('no_bfloat16', ['', 'left out'])
def test_what_is_missing_is_told_of_its_own_rows_alone(no_torch, no_bfloat16):
    for variant in [each for those in training_step.variants_here(no_torch, no_bfloat16) for each in those]:
        of_torch, of_bfloat16 = variant.make is training_step.pytorch, variant.precision == 'bfloat16'
        assert variant.missing == ((of_torch and no_torch) or (of_bfloat16 and no_bfloat16) or '')


MAIN = """
import sys
from benchmarks import training_step
training_step.measure = lambda variants, _: ({v.name: [1.0, 2.0] for v in variants}, {v.name: 3.0 for v in variants})
if __name__ == '__main__':
    training_step.main()
    assert 'tensorflow' not in sys.modules
"""


@pytest.mark.skipif(platform.machine() not in ('x86_64', 'AMD64'), reason='AVX2 is of x86 processors')
def test_the_table_names_what_is_left_out_and_the_process_that_measures_loads_no_tensorflow(tmp_path):
    """With oneDNN held to AVX2, 'auto' takes float32, whatever the processor; the times are made up."""
    script = tmp_path / 'main.py'
    script.write_text(MAIN)
    process = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=REPO,
                             env={**os.environ, 'PYTHONPATH': str(REPO), 'ONEDNN_MAX_CPU_ISA': 'AVX2'})
    assert process.returncode == 0, process.stderr
    rows = {line[:24].strip(): line[24:].strip() for line in process.stdout.splitlines()}
    assert rows['ours, bfloat16'].startswith('left out: ') and rows['ours, float32'].startswith('1.5 ')
    assert process.stdout.count('GFLOP/s') == 1
