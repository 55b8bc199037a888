"""Which type 'auto' takes, by a clock that the test sets: no timing decides a test."""

import contextlib
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.machine import precision
from gans_n_roses.machine.precision import describe_choice


@pytest.fixture
def machine(monkeypatch):
    """Function: a machine on which a step takes so many seconds in each type, or fails if it is an error."""
    def make(**takes):
        class Session:
            def run(self, step, feed):
                os.write(2, b'E0000 util.cc:131] oneDNN ...')
                taken = takes[step[0].outputs[0].dtype.name]
                if isinstance(taken, Exception):
                    raise taken
                return taken
        monkeypatch.setattr(precision, 'open_session', lambda: contextlib.nullcontext(Session()))
        monkeypatch.setattr(precision.timeit, 'repeat', lambda run, number, repeat: [run() for _ in range(repeat)])
    return make


@pytest.mark.parametrize(('takes', 'chosen'), [
    ({'float32': 2, 'bfloat16': 1}, ('bfloat16', 0.5)),
    ({'float32': 2, 'bfloat16': 1.9}, ('float32', 0.95)),
    ({'float32': 2, 'bfloat16': 20}, ('float32', 10)),
    ({'float32': 2, 'bfloat16': tf.errors.UnimplementedError(None, None, 'no such kernel')}, ('float32', np.inf)),
])
def test_bfloat16_is_taken_only_where_it_clearly_saves_time(machine, takes, chosen):
    machine(**takes)
    name, share = precision.choose_precision()
    assert (name, share) == (chosen[0], pytest.approx(chosen[1]))


@pytest.mark.parametrize(('precision', 'share', 'sentence'), [
    ('bfloat16', 0.449, 'Computes in bfloat16: it takes 45 % of the time of float32 here'),
    ('float32', 0.951, 'Computes in float32: bfloat16 would take 95 % of the time here, too little gain'),
    ('float32', 12.57, 'Computes in float32: bfloat16 would take 12.6 times as long here'),
    ('float32', np.inf, 'Computes in float32: bfloat16 does not work here'),
])
def test_the_choice_is_told_in_words(precision, share, sentence):
    assert describe_choice(precision, share) == sentence


def test_what_tensorflow_logs_of_bfloat16_is_not_on_the_screen(machine, capfd):
    """With AVX2 alone: "oneDNN supports DT_BFLOAT16 only on platforms with AVX-512", as an error."""
    machine(float32=1, bfloat16=10)
    assert precision.choose_precision()[0] == 'float32'
    assert capfd.readouterr().err == ''


def test_fault_of_float32_is_no_answer(machine):
    machine(float32=tf.errors.ResourceExhaustedError(None, None, 'out of memory'), bfloat16=1)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        precision.choose_precision()


def test_this_machine_has_an_answer():
    chosen, share = precision.choose_precision()
    assert chosen == ('bfloat16' if share < precision.WORTH_IT else 'float32') and share > 0


@pytest.mark.parametrize('name', ['float32', 'bfloat16'])
def test_type_that_was_asked_for_is_taken_untimed(machine, name):
    machine()
    assert precision.compute_dtype(name).name == name
