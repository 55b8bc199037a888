"""The distance on pictures whose faults are known, and its arithmetic beside slow and plain sums."""

import numpy as np
import pytest
from flowers import blurred, checkered, draw, noised, shuffled

from gans_n_roses.quality import distance as measured
from gans_n_roses.quality import statistics
from gans_n_roses.quality.distance import WEIGHTS, describe_reference, distance

SIZE = 32


@pytest.fixture(scope='module')
def real():
    return describe_reference(draw(100, 1, SIZE))


@pytest.fixture(scope='module')
def unseen():
    return draw(100, 2, SIZE)


@pytest.fixture(scope='module')
def fine(real, unseen):
    """The distance of unspoilt pictures."""
    return distance(real, unseen)


def test_unseen_pictures_of_the_same_kind_are_at_the_floor(real, fine):
    assert abs(fine.value) < real.floor + 2 * fine.error
    assert 0 < fine.error < 20
    assert set(fine.parts) == set(WEIGHTS)


@pytest.mark.parametrize(('spoil', 'strengths'), [
    (noised, (5, 12, 30)), (checkered, (4, 10, 25)), (blurred, (1, 3, 10)), (shuffled, (16, 8, 4))],
    ids=['noise', 'checkerboard', 'blur', 'tiles'])
def test_each_fault_is_seen_and_grows_with_its_strength(real, unseen, fine, spoil, strengths):
    values = [distance(real, spoil(unseen, strength)).value for strength in strengths]
    assert values == sorted(values)
    assert values[1] > real.floor + 5 * fine.error


def test_missing_variety_is_seen_and_grows(real):
    values = [distance(real, draw(100, 2, SIZE, kinds)).value for kinds in (20, 5, 1)]
    assert values == sorted(values)
    assert values[1] > real.floor


def test_parts_say_what_is_wrong(real, unseen, fine):
    red_leaves = distance(real, unseen[..., [1, 0, 2]])
    assert red_leaves.value > real.floor
    assert red_leaves.parts['thumb'] > 100 > abs(fine.parts['thumb'])
    assert distance(real, checkered(unseen, 25)).parts['second'] > 100 > abs(fine.parts['second'])
    assert distance(real, shuffled(unseen, 16)).parts['thumb'] > abs(fine.parts['thumb'])


def test_value_and_error_are_those_of_slow_and_plain_sums():
    rng = np.random.RandomState(0)
    real, fakes = rng.normal(size=[7, 5]), rng.normal(1, 1, [6, 5])

    def plain(a, b):
        return np.sqrt(sum((p - q)**2 for p, q in zip(a, b, strict=True)))

    def value(of):
        among = [plain(a, b) for i, a in enumerate(of) for j, b in enumerate(of) if i != j]
        between = [plain(a, b) for a in of for b in real]
        return 2 * np.mean(between) - apart - np.mean(among)

    apart = np.mean([plain(a, b) for i, a in enumerate(real) for j, b in enumerate(real) if i != j])
    without = [value(np.delete(fakes, k, axis=0)) for k in range(len(fakes))]
    expected = value(fakes), np.sqrt((len(fakes) - 1) * np.var(without))
    to_real, among = measured.distances(fakes, real).mean(1), measured._among(fakes).sum(1)
    found = measured._energy_distance(to_real, among, apart)
    assert np.array(found) / 1000 * apart == pytest.approx(np.array(expected), rel=1e-9)


def test_error_is_the_spread_over_draws(real):
    found = [distance(real, draw(50, seed, SIZE)) for seed in range(10, 26)]
    spread = np.std([each.value for each in found], ddof=1)
    assert 0.5 < np.mean([each.error for each in found]) / spread < 2


@pytest.mark.parametrize('size', [16, 32, 128, 256])
def test_every_size_is_measured(size):
    real = describe_reference(draw(6, 1, size))
    same, noise = distance(real, draw(6, 2, size)), distance(real, noised(draw(6, 2, size), 60))
    assert np.isfinite([*same[:2], *noise[:2], *noise.parts.values()]).all()
    assert noise.value > same.value


@pytest.mark.parametrize('pictures', [np.full([1, 16, 16, 3], 9, np.uint8), np.zeros([5, 16, 16, 3], np.uint8)],
                         ids=['one', 'all alike'])
def test_too_few_real_pictures_give_no_fault_and_no_floor(pictures):
    real = describe_reference(pictures)
    assert real.floor == (None if len(pictures) == 1 else 0)
    found = distance(real, draw(5, 1, 16))
    assert found.value > 5 * found.error > 0


def test_one_blank_picture_hides_no_wrong_colours(unseen):
    pictures = draw(100, 1, SIZE)
    pictures[7] = 255
    assert distance(describe_reference(pictures), unseen[..., [1, 0, 2]]).parts['thumb'] > 100


def test_value_in_double_precision_is_the_same(real, unseen, fine, monkeypatch):
    """What another machine's rounding may change is far less than what single precision does."""
    monkeypatch.setattr(statistics, 'OPPONENT', statistics.OPPONENT.astype(np.float64))
    assert distance(real, unseen).value == pytest.approx(fine.value, abs=0.01)


def test_more_pictures_than_stand_for_all_are_spread_over_them():
    pictures = np.arange(5000, dtype=np.uint16).reshape(-1, 1, 1, 1) * np.ones([1, 16, 16, 3], np.uint16)
    chosen = measured.some(pictures, 1024)[:, 0, 0, 0]
    assert len(chosen) == 1024 and chosen[0] == 0 and chosen[-1] == 4999
    assert len(measured.some(np.empty([600, 256, 256, 3], np.uint8), 1024)) == 512
