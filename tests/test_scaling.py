"""benchmarks/scaling.py: two workers make iterations, and their collectives are timed."""

import os

import pytest

from benchmarks.scaling import together


@pytest.mark.skipif(not hasattr(os, 'sched_getaffinity'), reason='here a process cannot choose its core')
def test_two_workers_are_timed_and_send_what_they_compute_in():
    core = [min(os.sched_getaffinity(0))]
    seconds, collectives = together([core, core], (2, 16, 'bfloat16', 1))
    assert seconds > 0 and all(size > 0 and took > 0 for size, took in collectives.values())
    assert collectives['D gradients'][0] == 2 * 212_097
