"""What an iteration is given: pictures drawn as the article draws them, in [-1, 1]."""

import numpy as np
import pytest

from gans_n_roses.pictures.folder import PERMUTED, draw_rows, next_batch, spread_rows, to_float


def test_next_batch_is_the_articles_draw():
    pictures = np.random.default_rng(6).integers(0, 256, [50, 8, 8, 3], np.uint8)
    before = pictures.copy()
    rng = np.random.RandomState(7)
    np.random.seed(7)
    for batch_size in (12, 1, 50):
        batch = next_batch(pictures, batch_size, rng)
        expected = np.random.permutation(pictures)[:batch_size] / 127.5 - 1
        assert (batch.dtype, batch.shape) == (np.float32, (batch_size, 8, 8, 3))
        assert np.abs(batch - expected).max() < 1e-6
    assert np.array_equal(pictures, before)


def test_next_batch_draws_without_replacement_and_all_in_time():
    pictures = np.arange(40, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis] + np.zeros([1, 2, 2, 3], np.uint8)
    rng, seen = np.random.RandomState(0), set()
    for _ in range(60):
        drawn = np.round((next_batch(pictures, 10, rng)[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()
        assert len(set(drawn)) == 10
        seen.update(drawn)
    assert seen == set(range(40))


@pytest.mark.parametrize('batch_size', [1, 3])
def test_the_articles_draw_ends_where_it_would_be_felt(batch_size):
    def shuffled(count):
        return np.random.RandomState(1).permutation(count)[:batch_size]

    def drawn(count):
        return draw_rows(count, batch_size, np.random.RandomState(1))

    assert np.array_equal(drawn(PERMUTED * batch_size), shuffled(PERMUTED * batch_size))
    assert not np.array_equal(drawn(PERMUTED * batch_size + 1), shuffled(PERMUTED * batch_size + 1))


def test_many_pictures_are_drawn_without_replacement_and_evenly(monkeypatch):
    monkeypatch.setattr('gans_n_roses.pictures.folder.PERMUTED', 1)  # so that repeats are drawn, and drawn anew
    rng = np.random.RandomState(0)
    rows = np.array([draw_rows(8, 6, rng) for _ in range(4000)])
    assert rows.shape == (4000, 6) and all(len(set(each)) == 6 for each in rows.tolist())
    for column in rows.T:  # each place has each picture as often: 500 ± 21
        assert np.abs(np.bincount(column, minlength=8) - 500).max() < 5 * 21
    pairs = np.bincount(rows[:, 4] * 8 + rows[:, 5], minlength=64)
    assert np.abs(pairs[pairs > 0] - 4000 / 56).max() < 5 * 8.5 and (pairs > 0).sum() == 56


def test_the_draw_takes_no_longer_of_more_pictures_and_goes_on_exactly():
    rng = np.random.RandomState(5)
    state = rng.get_state()
    first, second = draw_rows(10**9, 12, rng), draw_rows(10**9, 12, rng)  # shuffled, they would take 8 GB
    assert first.max() < 10**9 and first.max() > 10**8
    resumed = np.random.RandomState()
    resumed.set_state(state)
    assert np.array_equal(draw_rows(10**9, 12, resumed), first)
    assert np.array_equal(draw_rows(10**9, 12, resumed), second)


def test_rows_that_stand_for_all_reach_from_the_first_to_the_last():
    assert spread_rows(10, 4).tolist() == [0, 3, 6, 9]
    assert spread_rows(4, 10).tolist() == [0, 1, 2, 3]
    assert (spread_rows(7, 1).tolist(), spread_rows(1, 7).tolist(), spread_rows(0, 7).tolist()) == ([0], [0], [])
    for count in range(2, 3000, 7):
        rows = spread_rows(count, 100)
        assert (len(rows), rows[0], rows[-1]) == (min(count, 100), 0, count - 1)
        assert set(np.diff(rows)) <= {(count - 1) // (len(rows) - 1) + more for more in (0, 1)}


def test_the_same_rows_stand_for_all_as_in_earlier_versions():
    """In floating point: the 55th of 100 among 109 is 59.99…, where whole numbers would give 60."""
    rows = spread_rows(109, 100)
    assert rows[[54, 55, 56]].tolist() == [58, 59, 61]
    assert rows.dtype == np.dtype(int)


def test_to_float_spans_minus_one_to_one():
    levels = to_float(np.arange(256, dtype=np.uint8))
    assert (levels[0], levels[255], levels.dtype) == (-1, 1, np.float32)
    assert (np.diff(levels) > 0).all()
