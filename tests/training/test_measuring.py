"""What is kept and told of a run's measures."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import REPO
from launching import copy_run, make_pictures

from gans_n_roses.command_line import read_settings
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.plan import make_plan
from gans_n_roses.quality.metrics import SCORE, describe_real
from gans_n_roses.quality.nearest import beside_nearest
from gans_n_roses.runs.checkpoints import best_score, build_save
from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations
from gans_n_roses.runs.state import RunState
from gans_n_roses.training.loop import train
from gans_n_roses.training.measuring import Measurements
from gans_n_roses.training.steps import Training
from gans_n_roses.workers.team import ALONE


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
            training = Training(session, gan, pictures, make_settings(z_dim=4), ALONE, run, build_save())
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


def test_remedies_leave_the_roses_of_the_beginning_as_they_are(make_settings):
    def first(**remedies):
        with tf.Graph().as_default(), tf.Session() as session:
            gan = build_graph(make_settings(image_size=16, batch_size=4, z_dim=4, seed=1, **remedies))
            session.run(tf.global_variables_initializer())
            return session.run(gan.samples, {gan.sample_z: np.full([2, 4], 0.5)})
    np.testing.assert_array_equal(first(), first(mirror=True, augment='color,translation,cutout', r1_gamma=1.0))


# When nothing gets better: by the patience of these tests, at iteration 8 where that of iteration 2 was the best


@pytest.fixture(scope='module')
def impatient():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr('gans_n_roses.quality.plateau.PATIENCE', 4)
        patched.setattr('gans_n_roses.quality.plateau.MARGIN', 1e6)
        yield


@pytest.fixture(scope='module')
def begun(impatient, tmp_path_factory):
    """Function: a copy, in a folder, of a run of 4 iterations, and of its pictures."""
    folder = tmp_path_factory.mktemp('begun')
    pictures = make_pictures(folder / 'pictures')
    run = trained(f'DATASET_PATH={pictures}', 'DATASET_CHOSEN=roses', f'RESULTS_PATH={folder}', 'IMAGE_SIZE=16',
                  'BATCH_SIZE=4', 'Z_DIM=4', 'SEED=1', 'PRECISION=float32', 'CHECKPOINT_EVERY=2', 'N_ITERATIONS=4')
    return lambda results: (copy_run(run, results), pictures)


def trained(*words):
    return train(make_plan(read_settings(REPO / 'mission_control.py', words)))


def test_stop_when_ends_a_run_as_at_its_end_also_where_it_was_interrupted(begun, tmp_path, capsys):
    run, _ = begun(tmp_path)
    trained('RESUME=True', f'RUN={run.path}', 'N_ITERATIONS=12', 'STOP_WHEN=no better')
    said = capsys.readouterr().out
    assert "STOP_WHEN is 'no better', so the run ends at iteration 8." in said
    assert f'RESUME=True RUN={run.path} STOP_WHEN=`' in said and 'Done' in said
    assert checkpoint_iterations(run.saved_models)[-1] == 8
    assert (run.generated_images / '0000008.png').exists() and (run.generated_images / 'training.gif').exists()


def test_a_run_that_gets_no_better_is_told_once_and_goes_on_and_other_pictures_are_not_compared(
        begun, tmp_path, capsys):
    """With other pictures since iteration 4, the best of now is that of iteration 6, and long enough ago at 12."""
    run, pictures = begun(tmp_path)
    next(pictures.iterdir()).unlink()
    trained('RESUME=True', f'RUN={run.path}', 'N_ITERATIONS=14')
    said = capsys.readouterr().out
    assert 'have changed since the run was last trained: 8 then, 7 now.' in said
    assert said.count('the generated pictures have come no nearer') == 1
    assert 'Iteration 12: Since iteration 6 the generated pictures have come no nearer' in said
    assert checkpoint_iterations(run.saved_models)[-1] == 14
