"""TF_CONFIG, and what workers compute together: real servers and collectives, two workers in two threads."""

import dataclasses
import json
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from launching import make_pictures

from gans_n_roses.errors import BadInput, RunFailed
from gans_n_roses.machine.session import open_session
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.networks.losses import discriminator_loss, generator_loss
from gans_n_roses.networks.models import discriminator, generator
from gans_n_roses.networks.noise import draw_z
from gans_n_roses.networks.penalty import add_penalty
from gans_n_roses.pictures.folder import load_dataset, next_batch, read_folder
from gans_n_roses.tools.launch import free_ports
from gans_n_roses.training.steps import Training, begin, steps
from gans_n_roses.workers import cluster as clusters
from gans_n_roses.workers import collectives
from gans_n_roses.workers.cluster import Cluster, read_cluster
from gans_n_roses.workers.team import ALONE, Several, join

BATCH = 4
# Batch norm subtracts what these add: their gradient is zero but for rounding, which Adam blows up to a whole step.
WITHOUT_EFFECT = {'g_h0_lin/bias', 'g_h1/b', 'd_h1_conv/b'}


@pytest.fixture(scope='module')
def teams():
    """The Teams of two workers, whose servers stay up."""
    addresses = tuple(f'127.0.0.1:{port}' for port in free_ports(2))
    return in_two_threads(join, *(Cluster(addresses, index, timeout=60) for index in range(2)))


def in_two_threads(do, *each):
    with ThreadPoolExecutor(len(each)) as pool:
        return list(pool.map(do, each))


def config(**changes):
    entries = {'cluster': {'worker': ['a:1', 'b:2', 'c:3']}, 'task': {'type': 'worker', 'index': 1}, **changes}
    return {'TF_CONFIG': json.dumps(entries)}


def test_tf_config_is_read_as_tensorflow_means_it():
    assert read_cluster(config()) == Cluster(('a:1', 'b:2', 'c:3'), 1)
    assert read_cluster(config(timeout=5)).timeout == 5
    chief = {'chief': ['d:4'], 'worker': ['a:1', 'b:2']}
    assert read_cluster(config(cluster=chief, task={'type': 'chief', 'index': 0})) == Cluster(('d:4', 'a:1', 'b:2'), 0)
    assert read_cluster(config(cluster=chief, task={'type': 'worker', 'index': '1'})).index == 2


@pytest.mark.parametrize('environment', [
    {}, {'TF_CONFIG': ''}, {'TF_CONFIG': '{}'},
    config(cluster={'worker': ['a:1']}, task={'type': 'worker', 'index': 0})])
def test_without_a_cluster_there_is_one_worker(environment):
    cluster = read_cluster(environment)
    assert cluster == clusters.ALONE and cluster.alone and cluster.leads
    assert join(cluster) is ALONE and ALONE.leads and ALONE.count == 1


@pytest.mark.parametrize(('environment', 'told'), [
    ({'TF_CONFIG': '{'}, 'must be like {"cluster"'),
    ({'TF_CONFIG': '[1]'}, 'must be like'),
    (config(task={}), 'must be like'),
    (config(task={'type': 'worker', 'index': 3}), 'index'),
    (config(task={'type': 'worker', 'index': -1}), 'index'),
    (config(task={'type': 'chief', 'index': 0}), 'must be like'),
    (config(cluster={'worker': ['a', 'b:2', 'c:3']}), 'host:port'),
    (config(cluster={'worker': ['a:1', 'a:1']}), 'another host:port'),
    (config(timeout=0), 'timeout'),
    (config(timeout='soon'), 'must be like'),
    (config(cluster={'worker': ['a:1', 'b:2', 'c:3'], 'ps': ['d:4']}), "job 'ps'"),
])
def test_a_wrong_tf_config_is_told(environment, told):
    with pytest.raises(BadInput) as refused:
        read_cluster(environment)
    assert 'TF_CONFIG' in str(refused.value) and told in str(refused.value)


def test_a_worker_that_never_comes_is_named():
    cluster = Cluster(tuple(f'127.0.0.1:{port}' for port in free_ports(2)), 0, timeout=0.5)
    with pytest.raises(RunFailed, match=rf'^Worker 1 \({cluster.addresses[1]}\) could not be reached within 0\.5 s'):
        join(cluster)


def test_workers_hear_what_each_tells(teams):
    def tell(team):
        return team._exchange({'I am': team.cluster.index, 'ä': [1.5, None]})
    heard = in_two_threads(tell, *teams)
    assert heard[0] == heard[1] == [{'I am': index, 'ä': [1.5, None]} for index in range(2)]


def test_a_worker_that_does_not_answer_is_given_up_after_the_timeout():
    addresses = tuple(f'127.0.0.1:{port}' for port in free_ports(2))
    impatient, _ = in_two_threads(join, *(Cluster(addresses, index, timeout=2) for index in range(2)))
    with pytest.raises(RunFailed, match=r'^Another worker has not answered for 2 s: training cannot go on'), \
            impatient.losses_told():
        impatient._exchange('hello?')


def test_what_waits_for_a_worker_that_has_ended_comes_back(monkeypatch):
    monkeypatch.setattr('gans_n_roses.workers.collectives.PATIENCE_S', 0.1)
    port, unused = free_ports(2)
    cluster = Cluster((f'127.0.0.1:{port}', f'127.0.0.1:{unused}'))
    with tf.Graph().as_default(), open_session() as session:
        for_ever = tf.FIFOQueue(1, tf.float32).dequeue()
        with pytest.raises(RunFailed, match=f'^Worker 1 .127.0.0.1:{unused}. has ended'), \
                without_server(cluster).losses_told():
            collectives.run_together(cluster, session, for_ever)


def test_what_waits_for_a_slow_worker_goes_on_waiting(monkeypatch):
    monkeypatch.setattr('gans_n_roses.workers.collectives.PATIENCE_S', 0.1)
    with socket.create_server(('127.0.0.1', 0)) as other, tf.Graph().as_default(), open_session() as session:
        cluster = Cluster(('127.0.0.1:1', f'127.0.0.1:{other.getsockname()[1]}'))
        queue, value = tf.FIFOQueue(1, tf.float32), tf.placeholder(tf.float32, [])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(collectives.run_together, cluster, session, queue.dequeue() + value, {value: 2})
            for _ in range(3):  # the other was looked for, and found
                other.accept()[0].close()
            assert not waiting.done()
            session.run(queue.enqueue(1.0))
            assert waiting.result() == 3


def test_what_workers_average_again_and_again_leaves_no_threads_behind(teams):
    def average(team):
        with tf.Graph().as_default(), team.open_session() as session:
            mean, = team.mean([tf.fill([3], float(team.cluster.index))], 'scalars')
            counts = []
            for _ in range(60):
                assert session.run(mean).tolist() == [0.5] * 3
                counts.append(threading.active_count() if not os.path.isdir('/proc/self/task')
                              else len(os.listdir('/proc/self/task')))
            return counts[-1] - counts[20]
    assert max(in_two_threads(average, *teams)) < 20  # each collective's own timeout would keep 2 a time


def test_a_mean_in_bfloat16_is_rounded_and_the_same_on_both(teams, monkeypatch):
    monkeypatch.setitem(collectives.KEYS, 'another', 100)  # a collective that this test alone has
    def average(team):
        values = np.float32([0.1, 1 / 3, -700.7]) * (1 + 2 * team.cluster.index)
        with tf.Graph().as_default(), team.open_session() as session:
            mean, = team.mean([tf.constant(values)], 'another', tf.bfloat16)
            return session.run(mean)
    one, other = in_two_threads(average, *teams)
    assert one.dtype == np.float32 and one.tobytes() == other.tobytes()
    exact = 2 * np.float32([0.1, 1 / 3, -700.7])
    np.testing.assert_allclose(one, exact, rtol=2**-6)
    assert (one != exact).all()


def refused(settle, teams):
    """What each of two workers is told that do not go together."""
    def told(team):
        with pytest.raises(BadInput) as problem:
            settle(team)
        return str(problem.value)
    return in_two_threads(told, *teams)


def test_workers_that_were_started_otherwise_are_told_on_both(make_settings, teams):
    def settle(team):
        asked = make_settings(learning_rate=0.2 / (1 + team.cluster.index), dataset_path=f'/{team.cluster.index}')
        team.settle_settings(asked, asked)
    told = refused(settle, teams)
    assert told == [f'Worker 1 ({teams[0].cluster.addresses[1]}) has 0.1 for LEARNING_RATE, but the first worker has '
                    '0.2: start all workers alike.'] * 2


def test_workers_with_other_pictures_are_told_on_both(teams, tmp_path):
    places = [make_pictures(tmp_path / str(index), count=2 + index) for index in range(2)]
    told = refused(lambda team: team.settle_pictures(read_folder(places[team.cluster.index], 16)), teams)
    assert len(set(told)) == 1 and told[0].startswith('Worker 1 (127.0.0.1:') and 'has other pictures (3)' in told[0]


def test_advice_for_too_few_pictures_suits_the_number_of_workers():
    cluster = Cluster(('a:1', 'b:2'))
    assert cluster.mend(7) == 'set BATCH_SIZE to at most 3, or add pictures'
    assert cluster.mend(1) == 'add pictures, or start at most 1 workers'
    assert (cluster.each, clusters.ALONE.each) == (' for each of 2 workers', '')


def test_the_others_take_the_settings_of_the_first(make_settings, teams, tmp_path):
    def settle(team):
        asked = make_settings(seed=None, dataset_path=str(tmp_path / str(team.cluster.index)))
        return team.settle_settings(asked, dataclasses.replace(asked, seed=7) if team.leads else asked)
    settled = in_two_threads(settle, *teams)
    assert [each.seed for each in settled] == [7, 7]
    assert [each.dataset_path for each in settled] == [str(tmp_path / '0'), str(tmp_path / '1')]


def test_all_agree_on_scalars_and_on_the_end(teams):
    def agree(team):
        index = team.cluster.index
        with tf.Graph().as_default(), team.open_session() as session:
            team.prepare(['a', 'b'])
            return [team.agree(session, {'a': 1.0 + index, 'b': 4.0 * index}, 2 * index),
                    team.agree(session, {'a': 0.0, 'b': 0.0}, 0),
                    team.anybody(session, index == 0), team.anybody(session, False)]
    first, second = in_two_threads(agree, *teams)
    assert first == [({'a': 1.5, 'b': 2.0}, signal.SIGTERM), ({'a': 0.0, 'b': 0.0}, 0), True, False]
    assert second[0].signal == 2 and second[1:] == first[1:]
    assert ALONE.agree(None, {'a': 1.0}, 2) == ({'a': 1.0}, 2) and ALONE.anybody(None, True)


def without_server(cluster):
    """A worker of several that has not started its server."""
    team = Several.__new__(Several)
    team.cluster, team.count = cluster, cluster.count
    return team


def test_a_workers_rows_and_its_pictures_places_among_all():
    team = without_server(Cluster(('a:1', 'b:2', 'c:3'), 1))
    assert team.places(4, batches=2) == (24, [4, 5, 6, 7, 16, 17, 18, 19])
    assert list(range(12))[team.rows(4)] == [4, 5, 6, 7]
    assert ALONE.places(4, batches=2) is None and list(range(4))[ALONE.rows(4)] == [0, 1, 2, 3]


def test_two_workers_train_as_one_process_that_computes_both_halves(make_settings, pictures_folder, teams):
    """Bit for bit the same weights on both, and those of a process that averages the gradients of two batches."""
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


@pytest.mark.parametrize(('precision', 'gpus', 'sent'), [
    ('float32', [], tf.float32), ('bfloat16', [], tf.bfloat16), ('bfloat16', ['a GPU'], tf.float32)])
def test_gradients_are_sent_in_the_type_that_processors_compute_in(make_settings, monkeypatch, precision, gpus, sent):
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: gpus)
    with tf.Graph().as_default() as graph:
        build_graph(make_settings(image_size=16, batch_size=BATCH, z_dim=4, seed=1, precision=precision),
                    without_server(Cluster(('a:1', 'b:2'), 0)))
        found = [op.inputs[0].dtype for op in graph.get_operations() if op.type == 'CollectiveReduceV2']
    assert found == 2 * [sent]


def trained(settings, pictures, team):
    """(variables before, variables after) a worker's iterations."""
    with tf.Graph().as_default() as graph, team.open_session() as session:
        gan = build_graph(settings, team)
        team.prepare(list(gan.scalars))
        initialize, variables = tf.global_variables_initializer(), tf.global_variables()
        graph.finalize()
        session.run(initialize)
        start, state = team.settle_state(session, 0, begin(settings))
        training = Training(session, gan, pictures, settings, team)
        before = session.run({variable.op.name: variable for variable in variables})
        assert [iteration for iteration, _ in steps(training, state, start)] == [1, 2, 3]
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
