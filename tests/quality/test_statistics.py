"""The pyramid beside plain Fourier sums, and on gratings whose answer is known."""

import numpy as np
import pytest
from flowers import draw

from gans_n_roses.quality import statistics


def test_bands_are_those_of_a_plain_fourier_sum():
    image = np.random.RandomState(3).normal(size=[8, 8])
    filters = statistics._filters(8, finest=True)
    n = np.arange(8)
    waves = np.exp(2j * np.pi * np.outer(n, n) / 8)
    spectrum = waves.conj() @ image @ waves.conj()
    expected = [np.abs(waves @ (spectrum * each) @ waves) / 64 for each in filters]
    found = statistics._magnitudes(np.fft.fft2(image)[np.newaxis, np.newaxis], filters)[0]
    assert found == pytest.approx(np.array(expected), abs=1e-5)


@pytest.mark.parametrize(('dy', 'dx', 'band'), [(0, 8, 0), (8, 0, 2), (6, 6, 1), (-6, 6, 3)])
def test_a_grating_answers_in_the_band_of_its_direction(dy, dx, band):
    y, x = np.mgrid[:64, :64] / 64
    spectrum = np.fft.fft2(np.cos(2 * np.pi * (dy * y + dx * x)))[np.newaxis, np.newaxis]
    levels = [statistics._magnitudes(spectrum, statistics._filters(64 >> level, level == 0))[0].mean((1, 2))
              for level in range(4)]
    assert np.argmax(levels[1]) == band  # 8 waves in 64 pixels: the second octave from above
    assert max(map(np.max, levels)) == levels[1].max()


def test_the_finest_stripes_and_checkerboards_answer():
    for stripes in (np.indices([16, 16]).sum(0), np.indices([16, 16])[0], np.indices([16, 16])[1]):
        spectrum = np.fft.fft2(np.where(stripes % 2, 1., -1.))[np.newaxis, np.newaxis]
        assert statistics._magnitudes(spectrum, statistics._filters(16, finest=True)).max() > 1


def test_a_description_does_not_hang_on_what_is_described_together(monkeypatch):
    pictures = draw(7, 1)
    together = statistics.describe(pictures)
    monkeypatch.setattr(statistics, 'AT_ONCE', 3)
    for name, numbers in statistics.describe(pictures).items():
        assert numbers == pytest.approx(together[name], abs=1e-4)
