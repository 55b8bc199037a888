"""What several test files share: settings, a tiny data set, and the layers in NumPy as an independent oracle."""

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gans_n_roses.command_line import read_settings
from gans_n_roses.machine.quiet import use_onednn

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # before any test file imports TensorFlow
use_onednn()  # as main.py does
# Where a script runs the tests in its background, SIGINT is ignored, and would be in every process that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope='session')
def make_settings():
    """Function: the shipped mission_control.py's Settings, in float32 on every machine, with some fields changed."""
    shipped = read_settings(REPO / 'mission_control.py', ['PRECISION=float32'])
    return lambda **changes: dataclasses.replace(shipped, **changes)


@pytest.fixture(scope='session', autouse=True)
def caches(tmp_path_factory):
    """The folder that caches of decoded pictures lie in, in place of the user's own; also for started processes."""
    os.environ['XDG_CACHE_HOME'] = str(tmp_path_factory.mktemp('caches'))
    return Path(os.environ['XDG_CACHE_HOME']) / 'gans_n_roses'


@pytest.fixture
def pictures_folder(tmp_path):
    """A folder of 8 different small PNGs: a coloured disc on a shaded ground."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    rng = np.random.RandomState(0)
    for number in range(8):
        height, width = rng.randint(20, 40, 2)
        y, x = np.mgrid[:height, :width]
        centre_y, centre_x, radius = rng.uniform(0.3, 0.7) * height, rng.uniform(0.3, 0.7) * width, rng.uniform(5, 9)
        disc = (y - centre_y)**2 + (x - centre_x)**2 < radius**2
        ground = (x / width)[..., np.newaxis] * rng.randint(20, 120, 3)
        picture = np.where(disc[..., np.newaxis], rng.randint(100, 256, 3), ground).astype(np.uint8)
        Image.fromarray(picture).save(folder / f'{number}.png')
    return folder


@pytest.fixture(scope='module')
def launcher(tmp_path_factory):
    """Starts processes of main.py."""
    from launching import Launcher
    with Launcher(tmp_path_factory.mktemp('launcher')) as launcher:
        yield launcher


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """Settings of a tiny run on eight pictures."""
    from launching import TINY, make_pictures
    return {**TINY, 'DATASET_PATH': make_pictures(tmp_path_factory.mktemp('data') / 'pictures')}


@pytest.fixture(scope='session')
def tiny_run(tmp_path_factory, make_settings):
    """Function: the Settings of a run that was trained here, on so many pictures of noise, with some settings."""
    from gans_n_roses.plan import make_plan
    from gans_n_roses.training.loop import train

    def run(count, **more):
        folder, rng = tmp_path_factory.mktemp('tiny_run'), np.random.RandomState(0)
        (folder / 'pictures').mkdir()
        for k in range(count):
            Image.fromarray(rng.randint(0, 256, [16, 16, 3], np.uint8)).save(folder / 'pictures' / f'{k}.png')
        settings = make_settings(dataset_path=str(folder / 'pictures'), results_path=str(folder / 'Results'), seed=1,
                                 image_size=16, z_dim=4, batch_size=4, **more)
        train(make_plan(settings))
        return settings
    return run


@pytest.fixture
def homeless(monkeypatch):
    """No HOME, and a user whom the system does not know, as in many a container."""
    pwd = pytest.importorskip('pwd')
    monkeypatch.delenv('HOME', raising=False)
    monkeypatch.setattr(pwd, 'getpwuid', {}.__getitem__)


@pytest.fixture(scope='session')
def oracle():
    """The layers and both networks in NumPy float64, written from their definitions."""
    return Oracle


class Oracle:
    @staticmethod
    def padding(length):
        """(output length, zeros before, zeros after): TensorFlow's SAME for a filter of 5 at stride 2."""
        output = -(-length // 2)
        total = max((output - 1) * 2 + 5 - length, 0)
        return output, total // 2, total - total // 2

    @staticmethod
    def conv2d(x, w, b):
        x = np.asarray(x, np.float64)
        batch, height, width, _ = x.shape
        (rows, *pad_y), (columns, *pad_x) = Oracle.padding(height), Oracle.padding(width)
        padded = np.pad(x, [(0, 0), pad_y, pad_x, (0, 0)])
        y = np.empty([batch, rows, columns, w.shape[3]])
        for i in range(rows):
            for j in range(columns):
                patch = padded[:, 2 * i:2 * i + 5, 2 * j:2 * j + 5]
                y[:, i, j] = np.einsum('nhwc,hwco->no', patch, w.astype(np.float64))
        return y + b

    @staticmethod
    def conv_transpose(x, w, b):
        """Each input pixel lays a scaled copy of the filter onto the output, 2 pixels apart."""
        x = np.asarray(x, np.float64)
        batch, height, width, _ = x.shape
        _, top, _ = Oracle.padding(2 * height)
        _, left, _ = Oracle.padding(2 * width)
        canvas = np.zeros([batch, 2 * height + 3, 2 * width + 3, w.shape[2]])
        for i in range(height):
            for j in range(width):
                canvas[:, 2 * i:2 * i + 5, 2 * j:2 * j + 5] += np.einsum(
                    'nc,hwoc->nhwo', x[:, i, j], w.astype(np.float64))
        return canvas[:, top:top + 2 * height, left:left + 2 * width] + b

    @staticmethod
    def dense(x, matrix, bias):
        return np.asarray(x, np.float64) @ matrix.astype(np.float64) + bias

    @staticmethod
    def batch_norm(x, gamma, beta, moments=None):
        x = np.asarray(x, np.float64)
        mean, variance = moments or (x.mean((0, 1, 2)), x.var((0, 1, 2)))
        return (x - mean) / np.sqrt(variance + 0.001) * gamma + beta

    @staticmethod
    def lrelu(x):
        return np.where(x > 0, x, 0.2 * x)

    @staticmethod
    def smooth(x, taps):
        """Rows, then columns; beyond the edge lies what is before it, the edge itself not repeated."""
        x, reach = np.asarray(x, np.float64), len(taps) // 2
        for axis in (1, 2):
            x = np.apply_along_axis(
                lambda line: np.convolve(np.pad(line, reach, 'reflect'), taps[::-1], 'valid'), axis, x)
        return x

    @staticmethod
    def generator_16(z, v):
        """The generator at 16 pixels, from variables' values by name."""
        h = Oracle.dense(z, v['g_h0_lin/Matrix'], v['g_h0_lin/bias']).reshape(-1, 4, 4, 128)
        h = np.maximum(Oracle.batch_norm(h, v['g_bn1/gamma'], v['g_bn1/beta']), 0)
        h = Oracle.conv_transpose(h, v['g_h1/w'], v['g_h1/b'])
        h = Oracle.smooth(h, v['g_smooth1/taps']) if 'g_smooth1/taps' in v else h
        h = np.maximum(Oracle.batch_norm(h, v['g_bn2/gamma'], v['g_bn2/beta']), 0)
        h = Oracle.conv_transpose(h, v['g_h2/w'], v['g_h2/b'])
        return np.tanh(Oracle.smooth(h, v['g_smooth/taps']) if 'g_smooth/taps' in v else h)

    @staticmethod
    def discriminator_16(image, v):
        """The discriminator's logits at 16 pixels, from variables' values by name."""
        h = Oracle.lrelu(Oracle.conv2d(image, v['d_h0_conv/w'], v['d_h0_conv/b']))
        h = Oracle.conv2d(h, v['d_h1_conv/w'], v['d_h1_conv/b'])
        h = Oracle.lrelu(Oracle.batch_norm(h, v['d_bn1/gamma'], v['d_bn1/beta']))
        return Oracle.dense(h.reshape(len(h), -1), v['d_h1_lin/Matrix'], v['d_h1_lin/bias'])
