"""Training without screen and disk."""

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.machine.session import open_session
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.pictures.folder import load_dataset
from gans_n_roses.plan import make_plan
from gans_n_roses.runs.checkpoints import read_newest
from gans_n_roses.training.loop import due, train
from gans_n_roses.training.steps import Training, begin, steps


def test_steps_alone_train_as_a_run_does_and_leave_nothing_behind(make_settings, pictures_folder, tmp_path, monkeypatch,
                                                                  capsys):
    settings = make_settings(dataset_path=str(pictures_folder), results_path=str(tmp_path / 'Results'), image_size=16,
                             batch_size=4, z_dim=4, n_samples=4, n_iterations=3, seed=1)
    run = train(make_plan(settings))
    capsys.readouterr()

    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path / 'empty')
    with tf.Graph().as_default(), open_session() as session:
        gan = build_graph(settings)
        session.run(tf.global_variables_initializer())
        training, state = Training(session, gan, load_dataset(pictures_folder, 16), settings), begin(settings)
        made = list(steps(training, state))
        weights = {variable.op.name: session.run(variable) for variable in tf.trainable_variables()}
    assert [iteration for iteration, _ in made] == [1, 2, 3]
    assert all(np.isfinite(list(scalars.values())).all() and 'Generator_Loss' in scalars for _, scalars in made)
    assert capsys.readouterr().out == ''
    assert not list((tmp_path / 'empty').iterdir())

    saved = read_newest(run.saved_models)
    assert np.array_equal(saved.state.grid_z, state.grid_z)
    assert np.array_equal(saved.state.rng.get_state()[1], state.rng.get_state()[1])
    for name, value in weights.items():
        # Additions on several threads vary in order; other training would differ by some of Adam's steps, 0.0002 each.
        # (A bias in front of batch norm has no gradient: Adam steps on what rounding leaves.)
        if name.endswith(('/w', '/Matrix')):
            assert np.abs(value - saved.values[name]).mean() < 0.00005, name


def test_steps_go_on_after_a_start_and_stop_when_nobody_asks(make_settings, pictures_folder):
    settings = make_settings(image_size=16, batch_size=4, z_dim=4, n_iterations=9, seed=1)
    with tf.Graph().as_default(), tf.Session() as session:
        gan = build_graph(settings)
        session.run(tf.global_variables_initializer())
        training = Training(session, gan, load_dataset(pictures_folder, 16), settings)
        first = next(steps(training, begin(settings), start=5))
        assert (first[0], session.run(gan.iteration)) == (6, 1)
        assert [iteration for iteration, _ in steps(training, begin(settings), start=7)] == [8, 9]


def test_due_is_at_multiples_and_at_the_last():
    assert [iteration for iteration in range(1, 12) if due(iteration, 4, 11)] == [4, 8, 11]
