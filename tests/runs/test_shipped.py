"""The file of the model that ships: what is written is what is read, and nothing else is."""

import io
import pickle

import numpy as np
import pytest

from gans_n_roses.errors import BadInput
from gans_n_roses.runs import shipped
from gans_n_roses.runs.shipped import FACTS, read_shipped, write_shipped

AVERAGE = '/ExponentialMovingAverage'


@pytest.fixture
def values():
    """What a checkpoint may hold, in part: an average, Adam's moments, a run's state."""
    rng = np.random.RandomState(0)
    arrays = {name: rng.normal(0, 0.02, [5, 4]).astype(np.float32) for name in (
        'g_h0_lin/Matrix', 'g_h0_lin/Matrix' + AVERAGE, 'g_h1/w', 'd_h0_conv/w', 'd_bn1/gamma', 'g_h1/w/Adam')}
    return {**arrays, 'g_smooth/taps': np.float32([-0.0625, 0.25, 0.625, 0.25, -0.0625]), 'global_step': np.int64(12),
            'beta1_power': np.float32(0.5)}


@pytest.fixture
def file(values, tmp_path):
    write_shipped(tmp_path / 'roses.npz', values, 16, 5)
    return tmp_path / 'roses.npz'


def test_weights_are_kept_in_float16_the_averages_in_their_place(file, values):
    model = read_shipped(file)
    assert (model.image_size, model.z_dim, model.values.pop('global_step')) == (16, 5, 12)
    assert model.values.keys() == {'g_h0_lin/Matrix', 'g_h1/w', 'd_h0_conv/w', 'd_bn1/gamma', 'g_smooth/taps'}
    for name, value in model.values.items():
        expected = values.get(name + AVERAGE, values[name])
        assert value.dtype == np.float32
        assert np.array_equal(value, expected.astype(np.float16).astype(np.float32))
    assert len(model.fingerprint) == 64


def test_the_fingerprint_tells_one_weight_from_another(file, values, tmp_path):
    assert write_shipped(tmp_path / 'again.npz', values, 16, 5).fingerprint == read_shipped(file).fingerprint
    values['d_h0_conv/w'][0, 0] += 0.01
    assert write_shipped(tmp_path / 'other.npz', values, 16, 5).fingerprint != read_shipped(file).fingerprint


class Explosive:
    def __reduce__(self):
        return pytest.fail, ('a pickle was loaded',)


def npz(**entries):
    buffer = io.BytesIO()
    np.savez(buffer, **entries)
    return buffer.getvalue()


@pytest.mark.parametrize('spoil', [
    lambda content: content[:-30], lambda content: content[:400] + b'\0\1\2\3' + content[404:], lambda _: b'',
    lambda _: b'version https://git-lfs', lambda _: pickle.dumps(Explosive()), lambda _: npz(a=np.array([Explosive()])),
    lambda _: npz(a=np.zeros(3)), lambda content: npz(**{**dict(np.load(io.BytesIO(content))), 'z_dim': np.zeros(2)}),
    lambda content: npz(**{**dict(np.load(io.BytesIO(content))), 'd_h0_conv/w': np.zeros([5, 4], np.float16)}),
    lambda _: npz(**dict.fromkeys(FACTS, 1))],
    ids=['cut', 'changed', 'empty', 'pointer', 'pickle', 'objects', 'other', 'fact', 'weight', 'facts'])
def test_what_is_not_whole_is_refused_in_one_sentence(file, spoil):
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(BadInput) as refused:
        read_shipped(file)
    assert str(refused.value).startswith(f'{file} is no whole model (') and '\n' not in str(refused.value)


def test_what_cannot_be_shipped_is_refused(values, tmp_path, monkeypatch):
    with pytest.raises(BadInput, match='d_h0_conv/w holds weights beyond 65504'):
        write_shipped(tmp_path / 'roses.npz', {**values, 'd_h0_conv/w': np.float32([1e5])}, 16, 5)
    monkeypatch.setattr(shipped, 'MOST_BYTES', 1000)
    with pytest.raises(BadInput, match=r'takes 0\.0 MB, but at most 0 MB'):
        write_shipped(tmp_path / 'roses.npz', values, 16, 5)
    assert list(tmp_path.iterdir()) == []
