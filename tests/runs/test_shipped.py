"""The file of the model that ships: what is written is what is read, and nothing else is."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from gans_n_roses.errors import BadInput
from gans_n_roses.runs import shipped
from gans_n_roses.runs.shipped import FACTS, MOST_BYTES, read_shipped, write_shipped

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


def changed(**entries):
    """Function that changes entries of a file's content, and leaves its fingerprint; None takes one away."""
    def change(content):
        all_entries = {**dict(np.load(io.BytesIO(content))), **entries}
        return npz(**{name: value for name, value in all_entries.items() if value is not None})
    return change


def bomb(content):
    """The content with an entry more that unpacks to 100 MB."""
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, 'a', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('g_h9/w.npy', bytes(100_000_000))
    return buffer.getvalue()


def absurd(shape):
    """A file with an array of a shape that it has no values for."""
    buffer, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {'descr': '<f2', 'fortran_order': False, 'shape': shape})
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('g_h1/w.npy', header.getvalue())
    return buffer.getvalue()


def assert_refused(file):
    with pytest.raises(BadInput) as refused:
        read_shipped(file)
    assert str(refused.value).startswith(f'{file} is no whole model (') and '\n' not in str(refused.value)
    assert '()' not in str(refused.value) and 'unsafely' not in str(refused.value)


@pytest.mark.parametrize('spoil', [
    lambda _: b'', lambda _: b'version https://git-lfs', lambda _: pickle.dumps(Explosive()),
    lambda _: npz(a=np.array([Explosive()])), lambda _: npz(a=np.zeros(3)), lambda _: npz(**dict.fromkeys(FACTS, 1)),
    changed(d_h0_conv_w=np.zeros(3)), changed(z_dim=np.zeros(2)), changed(z_dim=np.int64(6)),
    changed(image_size=np.int64(32)), changed(global_step=np.int64(13)), changed(global_step=None),
    changed(fingerprint=None), changed(fingerprint=np.zeros(3)), changed(**{'d_h0_conv/w': None}),
    changed(**{'d_h0_conv/w': np.zeros([5, 4], np.float16)}), bomb, lambda content: content + bytes(MOST_BYTES),
    lambda _: absurd((10**12,)), lambda _: absurd((2**62, 4)), lambda _: absurd((10**9,))],
    ids=['empty', 'pointer', 'pickle', 'objects', 'other', 'facts', 'more', 'shape', 'z_dim', 'image_size',
         'iterations', 'no iterations', 'no mark', 'mark', 'no weight', 'weight', 'bomb', 'long', 'huge', 'overflow',
         'large'])
def test_what_is_not_whole_is_refused_in_one_sentence(file, spoil):
    file.write_bytes(spoil(file.read_bytes()))
    assert_refused(file)


def test_a_file_cut_at_any_byte_is_refused(file):
    content = file.read_bytes()
    for length in range(0, len(content), 7):
        file.write_bytes(content[:length])
        assert_refused(file)


def test_a_flipped_bit_changes_nothing_or_is_refused(file):
    """Bits of dates and the like change nothing; others make zipfile and NumPy raise a dozen kinds of errors."""
    content, whole = file.read_bytes(), read_shipped(file)
    for place in range(0, len(content), 7):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1:])
        try:
            read = read_shipped(file)
        except BadInput:
            assert_refused(file)
        else:
            assert read.fingerprint == whole.fingerprint and read.values.keys() == whole.values.keys()


def test_what_cannot_be_shipped_is_refused(values, tmp_path, monkeypatch):
    with pytest.raises(BadInput, match='d_h0_conv/w holds weights beyond 65504'):
        write_shipped(tmp_path / 'roses.npz', {**values, 'd_h0_conv/w': np.float32([1e5])}, 16, 5)
    monkeypatch.setattr(shipped, 'MOST_BYTES', 1000)
    with pytest.raises(BadInput, match=r'million weights takes 0\.0 MB, but at most 0 MB are .* smaller WIDTH'):
        write_shipped(tmp_path / 'roses.npz', values, 16, 5)
    assert list(tmp_path.iterdir()) == []
