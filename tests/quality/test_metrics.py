"""What is measured has the documented names and ranges, on any pictures."""

import numpy as np
import pytest
from conftest import REPO
from flowers import draw

from gans_n_roses.pictures.folder import load_dataset
from gans_n_roses.quality import metrics
from gans_n_roses.quality.advice import MEANINGS
from gans_n_roses.quality.metrics import SCORE, describe_real, measure
from gans_n_roses.quality.nearest import beside_nearest


@pytest.fixture(scope='module')
def roses():
    """The drawn roses in an order of no meaning, uint8 [67, 64, 64, 3]."""
    pictures = load_dataset(REPO / 'Dataset' / 'Roses', 64)
    return pictures[np.random.RandomState(0).permutation(len(pictures))]


def test_measures_have_the_documented_names_and_ranges(roses):
    real = describe_real(roses[:40])
    measures = measure(real, roses[40:])
    assert measures.keys() == {
        'Quality/Distance', 'Quality/Standard_Error', 'Quality/Diversity', 'Quality/Copying', 'Quality/Copies',
        *(f'Distance_By/{name}' for name in ('Energy', 'Spread', 'Orient', 'Scale', 'Second', 'Thumb'))}
    assert real.expected.keys() == {SCORE, 'Quality/Diversity'} < measures.keys() <= MEANINGS.keys()
    assert all(type(value) is float for value in (*measures.values(), *real.expected.values()))
    assert abs(measures[SCORE]) < real.expected[SCORE] + 3 * measures['Quality/Standard_Error']
    assert 0.5 < measures['Quality/Copying'] < 2 and measures['Quality/Copies'] < 0.1
    assert measures['Quality/Diversity'] == pytest.approx(real.expected['Quality/Diversity'], rel=0.1)


def test_copies_are_measured_as_such(roses):
    measures = measure(describe_real(roses[:40]), np.concatenate([roses[:20, :, ::-1], roses[40:60]]))
    assert measures['Quality/Copies'] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize('size', [16, 32, 128])
@pytest.mark.parametrize('count', [1, 2])
def test_any_size_and_hardly_any_pictures_are_measured(size, count):
    pictures = np.random.RandomState(0).randint(0, 256, [count + 3, size, size, 3]).astype(np.uint8)
    real = describe_real(pictures[:count])
    assert np.isfinite([*measure(real, pictures[count:]).values(), *real.expected.values()]).all()


def test_of_a_large_data_set_some_pictures_stand_for_all(monkeypatch):
    monkeypatch.setattr(metrics, 'MOST_COMPARED', 4)
    pictures = draw(10, 1, 16)
    real = describe_real(pictures)
    assert real.compared.tolist() == [0, 3, 6, 9]
    sheet = beside_nearest(real, pictures, pictures[6:7, :, ::-1])
    assert np.array_equal(sheet, np.concatenate([pictures[6, :, ::-1]] * 2))
