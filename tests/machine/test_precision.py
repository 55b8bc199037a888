"""Which type 'auto' takes: by what the processor has, never by a clock."""

import platform

import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.machine import precision
from gans_n_roses.machine.quiet import ONEDNN

FLAGS = 'processor\t: 0\nflags\t\t: fpu avx2 fma{}\nbugs\t\t: spectre_v1\n'


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Function: a machine whose processor has these flags besides, with so many GPUs, where the environment says so."""
    def make(flags='', gpus=0, **environment):
        monkeypatch.setattr(precision, 'CPUINFO', tmp_path / 'cpuinfo')
        (tmp_path / 'cpuinfo').write_text(FLAGS.format(flags))
        monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: [kind] * gpus)
        for name in (ONEDNN, precision.HELD):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
    return make


@pytest.mark.parametrize('flags', [' avx512f avx512_bf16', ' avx512f avx512_bf16 amx_bf16 amx_tile', ' amx_bf16'])
@pytest.mark.parametrize('environment', [{}, {ONEDNN: '1'}])
def test_bfloat16_is_taken_where_the_processor_has_instructions_for_it(machine, flags, environment):
    machine(flags, **environment)
    assert precision.choose_precision() == 'bfloat16'


@pytest.mark.parametrize('here', [
    {'flags': ''}, {'flags': ' avx512f avx512_vnni'}, {'flags': ' avx512f amx_tile amx_int8'},
    {'flags': ' asimd bf16'},  # ARM: not measured
    {'flags': ' avx512_bf16', 'gpus': 1},
    {'flags': ' avx512_bf16', ONEDNN: '0'}, {'flags': ' avx512_bf16', ONEDNN: 'False'},
    {'flags': ' avx512_bf16', precision.HELD: 'AVX2'}])
def test_float32_is_taken_elsewhere(machine, here):
    machine(**here)
    assert precision.choose_precision() == 'float32'


def test_float32_is_taken_where_the_system_does_not_say_what_the_processor_has(machine, tmp_path):
    machine(' avx512_bf16')
    (tmp_path / 'cpuinfo').unlink()
    assert precision.choose_precision() == 'float32'


@pytest.mark.skipif(platform.system() != 'Linux', reason='others do not say')
def test_this_machine_has_an_answer_and_a_reason():
    assert precision.WHY[precision.choose_precision()]
    assert 'processor' in precision._flags()


@pytest.mark.parametrize('name', ['float32', 'bfloat16'])
def test_type_that_was_asked_for_is_taken(machine, name):
    machine()
    assert precision.compute_dtype(name).name == name
