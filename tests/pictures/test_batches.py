"""What an iteration is given: pictures drawn as the article draws them, in [-1, 1]."""

import numpy as np

from gans_n_roses.pictures.folder import next_batch, to_float


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


def test_to_float_spans_minus_one_to_one():
    levels = to_float(np.arange(256, dtype=np.uint8))
    assert (levels[0], levels[255], levels.dtype) == (-1, 1, np.float32)
    assert (np.diff(levels) > 0).all()
