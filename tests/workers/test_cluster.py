"""TF_CONFIG: the cluster that it describes, and what is wrong with it."""

import json

import pytest

from gans_n_roses.errors import BadInput, RunFailed
from gans_n_roses.tools.launch import free_ports
from gans_n_roses.workers.cluster import ALONE, Cluster, read_cluster, wait_for_all


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
    {}, {'TF_CONFIG': ''}, {'TF_CONFIG': '{}'}, config(cluster=None), config(cluster={'worker': []}),
    *(config(cluster={job: ['a:1']}, task={'type': task, 'index': 0})
      for job in ('worker', 'chief', 'master', 'evaluator') for task in (job, 'evaluator')),
    config(cluster={'worker': ['a:1'], 'evaluator': ['b:2']}), config(cluster={'master': ['a:1']}, task={})])
def test_without_a_cluster_there_is_one_worker(environment):
    assert read_cluster(environment) == ALONE
    assert ALONE.leads and ALONE.count == 1


@pytest.mark.parametrize(('environment', 'told'), [
    (config(task={'type': 'evaluator', 'index': 0}), "job 'evaluator'"),
    (config(cluster={'worker': ['a:1'], 'ps': ['d:4']}, task={'type': 'ps', 'index': 0}), "job 'ps'"),
    (config(cluster={'worker': 'a:1'}), 'host:port'),
    (config(cluster={'worker': 5}), 'must be like'),
    (config(cluster={'worker': [5, 6]}), 'must be like'),
    (config(cluster=['a:1']), 'must be like'),
    (config(cluster={'worker': ['a:65536', 'b:2', 'c:3']}), 'host:port'),
    (config(timeout=float('inf')), 'at most'),
    (config(timeout=float('nan')), 'timeout'),
    (config(timeout=10**400), 'must be like'),
    (config(task={'type': 'worker', 'index': float('inf')}), 'must be like'),
    ({'TF_CONFIG': '{'}, 'must be like {"cluster"'),
    ({'TF_CONFIG': '[1]'}, 'must be like'),
    (config(task={}), 'must be like'),
    (config(task={'type': 'worker', 'index': 3}), 'index'),
    (config(task={'type': 'worker', 'index': -1}), 'index'),
    (config(task={'type': 'chief', 'index': 0}), 'index'),
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
    cluster = Cluster(tuple(f'127.0.0.1:{port}' for port in free_ports(2)), 1, timeout=0.2)
    with pytest.raises(RunFailed, match=rf'^Worker 0 \({cluster.addresses[0]}\) could not be reached within 0\.2 s \('):
        wait_for_all(cluster)


def test_a_worker_whose_host_nobody_can_be_called_is_named():
    with pytest.raises(RunFailed, match=r'^Worker 0 \(a\.\.b:1\) could not be reached within 0 s \('):
        wait_for_all(Cluster(('a..b:1', '127.0.0.1:1'), 1, timeout=0))


@pytest.mark.parametrize(('workers', 'pictures', 'batch_size', 'advice'), [
    (1, 7, 12, 'set BATCH_SIZE to at most 7, or add pictures'),
    (2, 7, 12, 'set BATCH_SIZE to at most 3, or add pictures'),
    (2, 7, 4, 'start at most 1 worker, set BATCH_SIZE to at most 3, or add pictures'),
    (99, 12, 12, 'start at most 1 worker, or add pictures'),
    (99, 12, 4, 'start at most 3 workers, or add pictures'),
    (99, 5, 12, 'start one worker, with a BATCH_SIZE of at most 5, or add pictures')])
def test_too_few_pictures_are_mended_by_what_can_be_done(workers, pictures, batch_size, advice):
    cluster = Cluster(tuple(f'a:{port}' for port in range(1, workers + 1)))
    assert cluster.mend(pictures, batch_size) == advice
