"""The rule on series that were recorded, and on series whose end is known."""

import numpy as np
import pytest

from gans_n_roses.quality import plateau
from gans_n_roses.quality.plateau import no_better
from gans_n_roses.runs.state import NOT_YET


def stops(series, error=0.5):
    """The iteration at which the rule says stop, or None."""
    better = np.array(NOT_YET)
    return next((iteration for iteration, value in series if no_better(better, iteration, value, error)), None)


def every_1000(values):
    return [(1000 * k, value) for k, value in enumerate(values, start=1)]


# Sliced Wasserstein distances of runs that were recorded (README): iteration → value.
RECIPE_67 = [(2000, 52), (4000, 41), (6000, 38), (8000, 36), (10000, 33), (12000, 32), (16000, 32), (20000, 32),
             (30000, 31), (40000, 31)]
R1_641 = [(2000, 74), (4000, 60), (6000, 46), (8000, 35), (10000, 30), (12000, 29), (16000, 28), (20000, 27),
          (30000, 28), (40000, 29)]
ARTICLE_67 = ([105, 91, 111, 127, 130, 130], [85, 112, 134, 100, 120, 120])


def test_recorded_runs_stop_where_they_got_no_better():
    assert stops(RECIPE_67) == 20000
    assert stops(R1_641) == 30000
    assert [stops(every_1000(values), error=3) for values in ARTICLE_67] == [5000, 4000]


def test_a_falling_series_goes_on():
    assert stops(every_1000(1000 / np.arange(1, 41))) is None


def test_a_slow_fall_counts_once_it_has_added_up():
    assert stops(every_1000(np.linspace(100, 80, 40)), error=0.5) is None


def test_wandering_is_not_getting_better():
    values = 50 + np.random.RandomState(0).normal(0, 1, 40)
    assert stops(every_1000(values), error=1) <= 8000


def test_the_wait_is_patience_and_then_a_share_of_the_run(monkeypatch):
    assert stops(every_1000([10] * 10)) == 4000
    assert stops(every_1000([100 - k for k in range(10)] + [91] * 20), error=0.1) == 17000
    monkeypatch.setattr(plateau, 'PATIENCE', 10**6)
    assert stops(every_1000([20] * 9 + [10] * 20)) is None


def test_what_was_better_last_is_known():
    better = np.array(NOT_YET)
    for iteration, value in [(1000, 9), (2000, 5), (3000, 4.9)]:
        no_better(better, iteration, value, 0.5)
    assert better.tolist() == [2000, 5, 0.5]


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_what_is_not_finite_is_never_better(value):
    better = np.array(NOT_YET)
    assert [no_better(better, iteration, value, 1) for iteration in (1000, 2000, 3000)] == [False, False, True]
    better = np.array(NOT_YET)
    no_better(better, 1000, 5, 1)
    no_better(better, 2000, value, 1)
    assert better[0] == 1000
