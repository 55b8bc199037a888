"""The model that ships: what it makes, and the program that makes it of a run."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from gans_n_roses.networks.transfer import weight_shapes
from gans_n_roses.plan import make_plan
from gans_n_roses.runs import shipped
from gans_n_roses.runs.shipped import write_shipped
from gans_n_roses.sampling.roses import sample
from gans_n_roses.tools.ship import main
from gans_n_roses.training.loop import train


@pytest.fixture(scope='module')
def run(tmp_path_factory, make_settings, pictures):
    """The run of a tiny model."""
    folder = tmp_path_factory.mktemp('shipped')
    return train(make_plan(make_settings(dataset_path=str(pictures), results_path=str(folder), seed=1, image_size=16,
                                         z_dim=4, batch_size=4, n_iterations=3, ema_decay=0.9)))


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """A folder of six pictures."""
    folder = tmp_path_factory.mktemp('pictures')
    rng = np.random.RandomState(0)
    for k in range(6):
        Image.fromarray(rng.randint(0, 256, [16, 16, 3], np.uint8)).save(folder / f'{k}.png')
    return folder


@pytest.fixture
def ships(run, pictures, tmp_path, monkeypatch, make_settings):
    """Plan of LOAD with the run's model as the shipped one."""
    (tmp_path / 'package').mkdir()
    file = tmp_path / 'package' / 'roses_16.npz'
    monkeypatch.setattr(shipped, 'FILE', file)
    assert main([str(run.path), '--out', str(file)]) == 0
    return make_plan(make_settings(load=True, run='shipped', results_path=str(tmp_path / 'Results'), seed=5,
                                   dataset_path=str(pictures)))._replace(shipped=shipped.read_shipped(file))


def test_the_shipped_model_makes_all_that_its_run_makes_in_a_folder_of_its_own(run, ships, make_settings, capsys):
    def make(plan):
        settings = dataclasses.replace(plan.settings, n_samples=3, n_frames=4,
                                       sample_as='images,grid,interpolation,measures,savedmodel')
        return sample(plan._replace(settings=settings))
    before = sorted(shipped.FILE.parent.iterdir())
    folder, *others = made = make(ships)
    assert 'Measured beside the 6 pictures in ' in capsys.readouterr().out
    assert [path.parent.name for path in made] == ['Generated_Images'] * 4 + ['Exported_Model']
    assert all(path.exists() and ships.run.path in path.parents for path in made)
    assert ships.run.path.name == 'shipped' and others[-1].name == 'roses_16'
    assert sorted(shipped.FILE.parent.iterdir()) == before  # the package's own folder

    of_the_run, *_ = make(make_plan(make_settings(load=True, run=str(run.path), seed=5)))
    for path in folder.iterdir():
        expected = np.asarray(Image.open(of_the_run / path.name)).astype(int)
        assert np.abs(np.asarray(Image.open(path)) - expected).max() <= 2  # weights in float16
    assert Image.open(path).text['RUN'] == 'shipped' and Image.open(path).text['Checkpoint'] == 'roses_16.npz'


def test_the_card_says_how_the_shipped_model_was_trained_and_is_kept(run, ships):
    card = shipped.FILE.with_suffix('.md')
    text = card.read_text()
    for part in ('16 pixels, WIDTH 64, z of 4 numbers, after 3 iterations', 'Pictures: 6', 'MIT',
                 ships.shipped.fingerprint):
        assert part in text
    card.write_text('by hand')
    assert main([str(run.path), '--out', str(shipped.FILE)]) == 0
    assert card.read_text() == 'by hand'


def test_what_cannot_be_shipped_is_told_in_a_sentence(tmp_path, capsys):
    assert main([str(tmp_path / 'nosuch'), '--out', str(tmp_path / 'roses.npz')]) == 2
    assert f"RUN is '{tmp_path / 'nosuch'}', but there is no such folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('size, width', [(64, 64), (128, 32), (256, 16)])
def test_both_networks_of_a_recipe_fit_into_what_is_shipped(size, width, tmp_path):
    rng = np.random.RandomState(0)
    values = {name: rng.normal(0, 0.02, shape).astype(np.float32)
              for name, shape in weight_shapes(size, 100, width).items()}
    model = write_shipped(tmp_path / 'roses.npz', values, size, 100)
    assert model.values.keys() - values.keys() == {'global_step'}
    assert 15e6 < model.path.stat().st_size < 20e6
