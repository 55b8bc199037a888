"""The rule on series that were recorded, and on series whose end is known."""

import numpy as np
import pytest

from gans_n_roses.quality.plateau import watch
from gans_n_roses.runs.state import NOT_YET, Better


def watched(series, every=1000):
    """Plateau after each measurement; series: (value, error) of each."""
    better = NOT_YET
    for k, (value, error) in enumerate(series, start=1):
        plateau = watch(better, every * k, every, value, error)
        better = plateau.better
        yield plateau


def stops(series, every=1000):
    """The iteration at which the plateau is told, or None."""
    return next((every * k for k, plateau in enumerate(watched(series, every), start=1) if plateau.lasts), None)


# (Quality/Distance, Standard_Error) every 1,000 iterations of runs at 32 pixels, SEED 1 (docs/few_pictures.md).
RECIPE_67 = [
    (1196, 12.3), (524, 14.1), (347, 11.5), (167, 8.2), (113, 5.2), (120, 6.7), (142, 7.8), (128, 6.9), (114,
    6.2), (102, 5.6), (88.2, 5.1), (78.1, 4.5), (73.8, 3.9), (65.1, 3.3), (63.1, 3.5), (56.7, 3.2), (52, 3.2),
    (48.7, 3.1), (46.1, 3.1), (47.1, 3), (45.7, 3), (39.7, 2.8), (35.9, 2.7), (31.3, 2.4), (33.1, 2.6), (30.1,
    2.4), (30.2, 2.3), (29, 2.3), (27.4, 2.3), (26.6, 2.3), (24.9, 2.1), (28.6, 2.3), (26.5, 2.1), (23.1, 1.9),
    (22.6, 1.9), (22, 1.9), (20.3, 1.8), (21.9, 1.9), (25.5, 2), (24.6, 2.1)]
R1_641 = [
    (279, 7.8), (125, 7.6), (112, 6.2), (86.7, 4.8), (81.9, 4.2), (73.7, 3.9), (70.3, 4.1), (65, 4), (63, 4.2),
    (59.2, 4.1), (59, 4.3), (58, 4.2), (58.7, 4.5), (61.3, 4.7), (65.3, 5.1), (67.1, 5.3), (68.6, 5.3), (70.1,
    5.4), (74.8, 5.7), (77.4, 6), (83.5, 6.2), (84.3, 6.2), (83.1, 6.4), (83.9, 6.5)]
ARTICLE_67 = [
    (854, 16.1), (1047, 14.7), (1424, 18.1), (1099, 16.5), (1174, 9.9), (963, 15.1), (1005, 23.9), (894, 9)]
ARTICLE_641 = [
    (684, 16), (141, 7.9), (172, 7), (98.8, 5.3), (96.6, 5.6), (113, 7), (127, 7.2), (96.1, 6.4)]


def test_recorded_runs_stop_where_they_got_no_better():
    assert stops(RECIPE_67) is None  # the pictures still got better
    assert stops(R1_641) == 20000
    assert stops(ARTICLE_67) == 4000
    assert stops(ARTICLE_641) == 8000


def steady(values, error=0.5):
    return [(value, error) for value in values]


def test_a_falling_series_goes_on():
    assert stops(steady(1000 / np.arange(1, 41))) is None


def test_a_slow_fall_counts_once_it_has_added_up():
    assert stops(steady(np.linspace(100, 80, 40))) is None


def test_wandering_is_not_getting_better():
    values = 50 + np.random.RandomState(0).normal(0, 1, 40)
    assert stops(steady(values, error=1)) <= 12000


def test_the_wait_is_patience_and_then_as_long_again():
    assert stops(steady([10] * 10)) == 4000
    assert stops(steady([100 - k for k in range(10)] + [91] * 20, error=0.1)) == 20000


def test_one_measurement_ends_no_run_however_rarely_is_measured():
    assert stops(steady([60, 59, 59, 59, 59], error=4), every=5000) == 20000


def test_what_was_better_last_is_known():
    *_, plateau = watched(steady([9, 5, 4.9]))
    assert plateau.better == Better(2000, 5, 0.5)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_what_is_not_finite_is_never_better(value):
    assert [plateau.lasts for plateau in watched(steady([value] * 3))] == [False, False, True]
    *_, plateau = watched(steady([5, value]))
    assert plateau.better == Better(1000, 5, 0.5)
