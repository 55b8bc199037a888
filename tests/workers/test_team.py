"""What workers do together: real servers and collectives, two workers in two threads."""

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import BadInput, RunFailed
from gans_n_roses.machine.session import open_session
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.networks.losses import discriminator_loss, generator_loss
from gans_n_roses.networks.models import discriminator, generator
from gans_n_roses.networks.noise import draw_z
from gans_n_roses.networks.penalty import add_penalty
from gans_n_roses.pictures.folder import load_dataset, next_batch
from gans_n_roses.plan import make_plan
from gans_n_roses.runs.folders import checkpoint_iterations
from gans_n_roses.tools.launch import free_ports
from gans_n_roses.training.loop import train
from gans_n_roses.training.steps import Training, begin, steps
from gans_n_roses.workers import collectives
from gans_n_roses.workers.cluster import Cluster
from gans_n_roses.workers.team import ALONE, Alone, Several, join

BATCH = 4
# Batch norm subtracts what these add: their gradient is zero but for rounding, which Adam blows up to a whole step.
WITHOUT_EFFECT = {'g_h0_lin/bias', 'g_h1/b', 'd_h1_conv/b'}


def two_clusters(timeout):
    """What each of two workers on this machine knows of both."""
    addresses = tuple(f'127.0.0.1:{port}' for port in free_ports(2))
    return [Cluster(addresses, index, timeout) for index in range(2)]


def in_two_threads(do, *each):
    with ThreadPoolExecutor(len(each)) as pool:
        return list(pool.map(do, each))


@pytest.fixture(scope='module')
def teams():
    """The teams of two workers, whose servers stay up."""
    return in_two_threads(join, *two_clusters(timeout=60))


def alone_told(cluster):
    """A Several of this cluster that has started no server."""
    team = Several.__new__(Several)
    team.cluster = cluster
    return team


def test_alone_and_several_have_the_same_methods():
    assert set(vars(Several)) - set(vars(Alone)) <= {'__init__', '_exchange'}
    assert join(Cluster()) is ALONE


def test_a_worker_that_does_not_answer_is_given_up_after_the_timeout(make_settings):
    impatient, _ = in_two_threads(join, *two_clusters(timeout=1))
    settings = make_settings()
    with pytest.raises(RunFailed, match=r'^Another worker has not answered for 1 s: training cannot go on'), \
            impatient.losses_told():
        impatient.settle_settings(settings, settings)


def test_what_waits_for_a_worker_that_has_ended_comes_back(monkeypatch):
    monkeypatch.setattr(collectives, 'PATIENCE_S', 0.1)
    port, unused = free_ports(2)
    team = alone_told(Cluster((f'127.0.0.1:{port}', f'127.0.0.1:{unused}')))
    with tf.Graph().as_default(), open_session() as session:
        for_ever = tf.FIFOQueue(1, tf.float32).dequeue()
        with pytest.raises(RunFailed, match=f'^Worker 1 .127.0.0.1:{unused}. has ended'), team.losses_told():
            team.run(session, for_ever)


def test_what_waits_for_a_slow_worker_goes_on_waiting(monkeypatch):
    monkeypatch.setattr(collectives, 'PATIENCE_S', 0.1)
    with socket.create_server(('127.0.0.1', 0)) as other, tf.Graph().as_default(), open_session() as session:
        team = alone_told(Cluster(('127.0.0.1:1', f'127.0.0.1:{other.getsockname()[1]}')))
        queue, value = tf.FIFOQueue(1, tf.float32), tf.placeholder(tf.float32, [])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(team.run, session, queue.dequeue() + value, {value: 2})
            for _ in range(3):  # the other was looked for, and found
                other.accept()[0].close()
            assert not waiting.done()
            session.run(queue.enqueue(1.0))
            assert waiting.result() == 3


def test_scalars_are_averaged_wishes_are_heard_and_no_threads_are_left_behind(teams, monkeypatch):
    monkeypatch.setitem(collectives.KEYS, 'scalars', 100)  # a key's collectives all have one shape

    def agree(team):
        mine = team.cluster.index
        with tf.Graph().as_default(), team.open_session() as session:
            team.prepare(['one', 'other'])
            counts = []
            for _ in range(60):
                assert team.agree(session, {'one': mine, 'other': 3}, 0) == ({'one': 0.5, 'other': 3}, 0)
                counts.append(threading.active_count() if not os.path.isdir('/proc/self/task')
                              else len(os.listdir('/proc/self/task')))
            signals = [team.agree(session, {'one': 1, 'other': 1}, number * (mine == who)).signal
                       for number, who in ((2, 0), (1, 1))]
            wishes = [team.anybody(session, wish == mine) for wish in (0, 1, 2)]
            return counts[-1] - counts[20], signals, wishes
    (grown, *first), (others_grown, *second) = in_two_threads(agree, *teams)
    assert max(grown, others_grown) < 20  # each collective's own timeout would keep 2 a time
    # Who was not sent the signal itself ends as by SIGTERM, 15.
    assert (first, second) == ([[2, 15], [True, True, False]], [[15, 1], [True, True, False]])


def test_a_mean_in_bfloat16_is_rounded_and_the_same_on_both(teams, monkeypatch):
    monkeypatch.setitem(collectives.KEYS, 'd_gradients', 101)

    def average(team):
        values = np.float32([0.1, 1 / 3, -700.7]) * (1 + 2 * team.cluster.index)
        with tf.Graph().as_default(), team.open_session() as session:
            mean, = team.mean([tf.constant(values)], 'd_gradients', tf.bfloat16)
            return session.run(mean)
    one, other = in_two_threads(average, *teams)
    assert one.dtype == np.float32 and one.tobytes() == other.tobytes()
    exact = 2 * np.float32([0.1, 1 / 3, -700.7])
    np.testing.assert_allclose(one, exact, rtol=2**-6)
    assert (one != exact).all()


@pytest.mark.parametrize(('gpus', 'sent'), [([], tf.bfloat16), (['a GPU'], tf.float32)])
def test_gradients_are_sent_in_the_type_that_processors_compute_in(make_settings, monkeypatch, gpus, sent):
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: gpus)
    cluster = Cluster(('a:1', 'b:2'))
    team = SimpleNamespace(mean=partial(collectives.mean_of_all, cluster))
    with tf.Graph().as_default() as graph:
        build_graph(make_settings(image_size=16, batch_size=BATCH, z_dim=4, seed=1, precision='bfloat16'), team)
        found = [op.inputs[0].dtype for op in graph.get_operations() if op.type == 'CollectiveReduceV2']
    assert found == 2 * [sent]


# What is settled before training


def refused(settle, teams):
    """What each of two workers is told that do not go together."""
    def told(team):
        with pytest.raises(BadInput) as problem:
            settle(team)
        return str(problem.value)
    return in_two_threads(told, *teams)


def test_workers_that_were_started_otherwise_are_told_on_both(make_settings, teams):
    told = refused(lambda team: team.settle_settings(
        make_settings(learning_rate=0.2 / (1 + team.cluster.index), dataset_path=f'/{team.cluster.index}'),
        make_settings()), teams)
    assert told == [f'Worker 1 ({teams[0].cluster.addresses[1]}) has 0.1 for LEARNING_RATE, but the first worker has '
                    '0.2: start all workers alike.'] * 2


def test_another_version_is_told(make_settings, monkeypatch):
    def exchange(_, content):
        return [content, {**content, 'started': {**content['started'], 'the version of gans_n_roses': '0.9'}}]
    monkeypatch.setattr(Several, '_exchange', exchange)
    with pytest.raises(BadInput, match=r"^Worker 1 \(b:2\) has '0\.9' for the version of gans_n_roses, but the first "):
        alone_told(Cluster(('a:1', 'b:2'))).settle_settings(make_settings(), make_settings())


def test_workers_with_other_pictures_are_told_on_both(teams):
    told = refused(lambda team: team.settle_pictures(SimpleNamespace(
        images=range(2 + team.cluster.index), fingerprint=f'that of {team.cluster.index}')), teams)
    assert told == [f'Worker 1 ({teams[0].cluster.addresses[1]}) has other pictures (3) than the first worker (2): '
                    'give DATASET_PATH the same files on each machine.'] * 2


@pytest.mark.parametrize('resume', [False, True])
def test_the_others_take_the_settings_of_the_first(make_settings, teams, tmp_path, resume):
    """With RESUME the run's pictures too, where this machine has such a folder."""
    def settle(team):
        asked = make_settings(seed=None, resume=resume, dataset_path=str(tmp_path / str(team.cluster.index)))
        first = asked.changed({'SEED': 7, 'START_FROM': 'shipped', 'DATASET_PATH': str(tmp_path)})
        return team.settle_settings(asked, first if team.cluster.leads else asked)
    first, other = in_two_threads(settle, *teams)
    assert (first.seed, first.start_from, first.dataset_path) == (7, 'shipped', str(tmp_path))
    assert other == first.changed({'DATASET_PATH': str(tmp_path if resume else tmp_path / '1')})


# The training


def test_rows_and_places_are_a_workers_part_of_all_batches():
    team = alone_told(Cluster(('a:1', 'b:2', 'c:3'), 1))
    team.count = 3
    assert list(range(12))[team.rows(4)] == [4, 5, 6, 7]
    assert team.places(4, batches=2) == (24, [4, 5, 6, 7, 16, 17, 18, 19])
    assert ALONE.rows(4) == slice(0, 4) and ALONE.places(4, batches=2) is None


def test_two_workers_train_as_one_process_that_computes_both_halves(make_settings, pictures_folder, teams):
    """Both begin with the first one's state and keep the same weights, bit for bit: those of two batches' mean."""
    settings = make_settings(image_size=16, batch_size=BATCH, z_dim=4, n_samples=4, n_iterations=3, seed=1,
                             r1_gamma=1.0, learning_rate=0.01)
    pictures = load_dataset(pictures_folder, 16)
    (before, first), (others_before, second) = in_two_threads(partial(trained, settings, pictures), *teams)
    assert before.keys() == others_before.keys() and first.keys() == second.keys()
    assert all(before[name].tobytes() == others_before[name].tobytes() for name in before)
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    expected = by_one_process(settings, pictures, before)
    for name in expected.keys() - WITHOUT_EFFECT:
        moved = np.abs(first[name] - before[name]).mean()
        assert moved > 0.003, name  # some of three steps of 0.01
        # The mean: Adam's first steps go by a gradient's sign, which rounding turns where the gradient is next to 0.
        assert np.abs(first[name] - expected[name]).mean() < 0.01 * moved, name


def test_stop_when_ends_all_workers_at_one_iteration_and_the_first_keeps_the_run(
        make_settings, pictures_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('gans_n_roses.quality.plateau.PATIENCE', 4)
    monkeypatch.setattr('gans_n_roses.quality.plateau.MARGIN', 1e6)
    settings = make_settings(dataset_path=str(pictures_folder), results_path=str(tmp_path / 'Results'), image_size=16,
                             batch_size=BATCH, z_dim=4, n_iterations=12, checkpoint_every=2, stop_when='no better')
    run, nothing = in_two_threads(lambda cluster: train(make_plan(settings, cluster)), *two_clusters(timeout=60))
    assert nothing is None
    assert checkpoint_iterations(run.saved_models)[-1] == 8
    assert "STOP_WHEN is 'no better', so the run ends at iteration 8." in capsys.readouterr().out


def trained(settings, pictures, team):
    """(variables before, variables after) a worker's iterations."""
    with tf.Graph().as_default() as graph, team.open_session() as session:
        gan = build_graph(settings, team)
        team.prepare(list(gan.scalars))
        initialize, variables = tf.global_variables_initializer(), tf.global_variables()
        graph.finalize()
        session.run(initialize)
        begun = begin(settings.changed({'SEED': 1 + team.cluster.index}))  # the first one's holds for both
        start, state = team.settle_state(session, 9 * team.cluster.index, begun)
        before = session.run({variable.op.name: variable for variable in variables})
        made = steps(Training(session, gan, pictures, settings, team), state, start)
        assert [iteration for iteration, _ in made] == [1, 2, 3]
        return before, session.run({variable.op.name: variable for variable in variables})


def by_one_process(settings, pictures, before):
    """The weights after the same iterations, made by two batches in one process, each with its own batch norm."""
    with tf.Graph().as_default(), open_session() as session:
        images = tf.placeholder(tf.float32, [2, BATCH, 16, 16, 3])
        z = tf.placeholder(tf.float32, [2, BATCH, settings.z_dim])
        made = tf.placeholder(tf.int64, [])
        fakes = [generator(z[0], 16), generator(z[1], 16, reuse=True)]
        real_logits = [discriminator(images[0]), discriminator(images[1], reuse=True)]
        fake_logits = [discriminator(each, reuse=True) for each in fakes]
        d_variables, g_variables = tf.trainable_variables('d_'), tf.trainable_variables('g_')
        d_gradients = [add_penalty(tf.gradients(sum(discriminator_loss(real_logits[half], fake_logits[half])),
                                                d_variables), images[half], partial(discriminator, reuse=True),
                                   d_variables, settings.r1_gamma, made) for half in range(2)]
        d_step = adam(settings, d_gradients, d_variables)
        g_step = adam(settings, [tf.gradients(generator_loss(logits), g_variables) for logits in fake_logits],
                      g_variables)
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            variable.load(before[variable.op.name], session)
        state = begin(settings)
        for iteration in range(3):
            feed = {images: next_batch(pictures, 2 * BATCH, state.rng).reshape(images.shape),
                    z: draw_z(state.rng, 2 * BATCH, settings.z_dim).reshape(z.shape), made: iteration}
            session.run(d_step, feed)
            session.run(g_step, feed)
        return session.run({variable.op.name: variable for variable in tf.trainable_variables()})


def adam(settings, gradients, variables):
    means = [(one + other) / 2 for one, other in zip(*gradients, strict=True)]
    return tf.train.AdamOptimizer(settings.learning_rate, settings.beta_1).apply_gradients(
        zip(means, variables, strict=True))
