"""What is kept and told of a run's measures."""

import dataclasses
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import REPO
from launching import only_run

from gans_n_roses.plan import make_plan
from gans_n_roses.quality.metrics import SCORE, describe_real
from gans_n_roses.quality.nearest import beside_nearest
from gans_n_roses.runs.checkpoints import best_score, build_save
from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations
from gans_n_roses.runs.state import RunState
from gans_n_roses.training.loop import train
from gans_n_roses.training.measuring import Measurements
from gans_n_roses.training.steps import Training


def train_as(settings):
    return train(make_plan(settings))


@pytest.fixture
def measured(tmp_path, make_settings, monkeypatch):
    """Function: take measurements with given (score, copies) in turn; returns the best checkpoints after each."""
    def take(figures, start=0, best=None):
        run = RunFolder(tmp_path)
        run.path.joinpath('Saved_Models').mkdir(exist_ok=True)
        told = iter(figures)
        monkeypatch.setattr('gans_n_roses.training.measuring.measure', lambda real, fakes: {
            **dict(zip((SCORE, 'Quality/Copies'), next(told), strict=True)), 'Quality/Diversity': 99,
            'Quality/Standard_Error': 1})
        monitor = SimpleNamespace(scalars=lambda *_: None, expected=lambda *_: None, nearest=lambda *_: None,
                                  advise=lambda *_: None)
        pictures = np.random.RandomState(0).randint(0, 256, [5, 16, 16, 3]).astype(np.uint8)
        with tf.Graph().as_default(), tf.Session() as session:
            tf.get_variable('w', [2])
            z = tf.placeholder(tf.float32, [None, 4])
            gan = SimpleNamespace(sample_z=z, samples=tf.zeros([tf.shape(z)[0], 16, 16, 3]))
            training = Training(session, gan, pictures, make_settings(z_dim=4), run=run, save_ops=build_save())
            session.run(tf.global_variables_initializer())
            measurements = Measurements(training, monitor, best_score(run.saved_models) if best is None else best)
            state = RunState(np.random.RandomState(0), np.zeros([3, 4], np.float32))
            best = []
            for k in range(len(figures)):
                state, _ = measurements.take(start + k, state)
                best.append(checkpoint_iterations(run.saved_models, 'best'))
        return best
    return take


def test_best_is_the_nearest_that_does_not_copy(measured):
    assert measured([(50, 0.0), (40, 0.05), (20, 0.5), (45, 0.0), (30, 0.1)]) == [[0], [1], [1], [1], [4]]


def test_nothing_is_best_while_all_copy(measured):
    assert measured([(50, 0.2), (40, 1.0)]) == [[], []]


def test_a_run_that_goes_on_knows_its_best(measured):
    assert measured([(40, 0)]) == [[0]]
    assert measured([(45, 0), (35, 0)], start=5) == [[0], [6]]


def test_with_other_pictures_the_best_is_found_anew(measured):
    assert measured([(40, 0)]) == [[0]]
    assert measured([(45, 0)], start=5, best=np.inf) == [[5]]


def test_a_torn_best_is_named_and_replaced(measured, tmp_path, capsys):
    measured([(40, 0)])
    path = tmp_path / 'Saved_Models' / 'best-0.data-00000-of-00001'
    path.write_bytes(path.read_bytes()[:-20])
    assert best_score(tmp_path / 'Saved_Models') == np.inf
    assert 'best-0 is torn' in capsys.readouterr().out
    assert measured([(45, 0)], start=3) == [[3]]


def test_score_is_kept_with_the_checkpoint(measured, tmp_path):
    assert best_score(tmp_path) == np.inf
    measured([(41.5, 0)])
    assert best_score(tmp_path / 'Saved_Models') == 41.5


def test_sheet_shows_each_picture_over_its_nearest_the_most_alike_first():
    pictures = np.random.RandomState(0).randint(0, 256, [4, 16, 16, 3]).astype(np.uint8)
    near = np.clip(pictures[2].astype(int) + 9 * (np.arange(16) % 2)[:, None, None], 0, 255).astype(np.uint8)
    mirrored = pictures[1, :, ::-1]
    sheet = beside_nearest(describe_real(pictures), pictures, np.stack([near, mirrored]))
    assert np.array_equal(sheet, np.concatenate([np.concatenate([mirrored, mirrored]),
                                                 np.concatenate([near, pictures[2]])], axis=1))


def test_remedies_change_training_but_nothing_that_is_shown(launcher, tiny, tmp_path):
    runs = {}
    for name, remedies in {'off': {'MIRROR': False, 'AUGMENT': '', 'R1_GAMMA': 0}, 'on': {}}.items():
        ended = launcher.run({**tiny, **remedies, 'RESULTS_PATH': tmp_path / name, 'N_ITERATIONS': 12})
        assert ended.code == 0, ended.text
        assert ('memorised' in ended.text) == ('What helps:' in ended.text) == (name == 'off')
        runs[name] = only_run(tmp_path / name)
    first = [(run.generated_images / '0000000.png').read_bytes() for run in runs.values()]
    later = [(run.generated_images / '0000010.png').read_bytes() for run in runs.values()]
    assert first[0] == first[1] and later[0] != later[1]
    assert (runs['on'].generated_images / 'real_images.png').read_bytes() == (
        runs['off'].generated_images / 'real_images.png').read_bytes()
    assert json.loads(runs['on'].options.read_text())['settings']['AUGMENT'] == 'color,translation,cutout'


def test_few_pictures_without_remedies_are_told_the_command(pictures_folder, make_settings, tmp_path, capsys):
    train_as(make_settings(dataset_path=str(pictures_folder), results_path=str(tmp_path), image_size=16, batch_size=4,
                           z_dim=4, n_iterations=1, seed=1))
    words = 'PRECISION=float32 RECIPE=auto'
    assert f'What helps: {sys.executable} {REPO / "main.py"} {words}\n' in capsys.readouterr().out


@pytest.fixture
def soon_no_better(monkeypatch, pictures_folder, make_settings, tmp_path):
    """Settings of a run whose first measurement, at iteration 2, stays the best: by iteration 8 it is long enough."""
    monkeypatch.setattr('gans_n_roses.quality.plateau.PATIENCE', 4)
    monkeypatch.setattr('gans_n_roses.quality.plateau.MARGIN', 1e6)
    return make_settings(dataset_path=str(pictures_folder), results_path=str(tmp_path), image_size=16, batch_size=4,
                         z_dim=4, n_iterations=12, seed=1, checkpoint_every=2, stop_when='no better')


def test_a_run_that_gets_no_better_is_told_and_goes_on(soon_no_better, capsys):
    run = train_as(dataclasses.replace(soon_no_better, stop_when=''))
    assert capsys.readouterr().out.count('Since iteration 2 the generated pictures have come no nearer') == 1
    assert checkpoint_iterations(run.saved_models)[-1] == 12


def test_a_run_that_shall_end_when_nothing_gets_better_ends_as_at_its_end(soon_no_better, capsys):
    run = train_as(soon_no_better)
    said = capsys.readouterr().out
    assert "STOP_WHEN is 'no better', so the run ends at iteration 8." in said
    assert f'RESUME=True RUN={run.path} STOP_WHEN=`' in said and 'Done' in said
    assert checkpoint_iterations(run.saved_models)[-1] == 8
    assert (run.generated_images / '0000008.png').exists() and (run.generated_images / 'training.gif').exists()


def test_an_interrupted_run_ends_where_it_would_have(soon_no_better):
    run = train_as(dataclasses.replace(soon_no_better, n_iterations=4))
    asked = soon_no_better.origin._replace(given={'N_ITERATIONS': 12})
    train_as(dataclasses.replace(soon_no_better, resume=True, run=run.path.name, origin=asked))
    assert checkpoint_iterations(run.saved_models)[-1] == 8


def test_other_pictures_are_not_compared_with_those_of_before(soon_no_better, tmp_path):
    run = train_as(dataclasses.replace(soon_no_better, n_iterations=6))
    folder = Path(soon_no_better.dataset_path)
    next(folder.glob('*.*')).unlink()
    asked = soon_no_better.origin._replace(given={'N_ITERATIONS': 12})
    train_as(dataclasses.replace(soon_no_better, resume=True, run=run.path.name, origin=asked))
    assert checkpoint_iterations(run.saved_models)[-1] == 12
