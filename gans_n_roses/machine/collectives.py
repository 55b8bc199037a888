"""What workers do together, by TensorFlow's distributed runtime: average, tell each other, start from one state.

Each worker is a TensorFlow server, and has a session of its own there. They meet in collective ops alone, a ring over
gRPC on processors and NCCL on GPUs, and have to run the same ones in the same order.
"""

import contextlib
import json
import threading
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import RunFailed
from gans_n_roses.machine.cluster import ALONE, Cluster, gone, unreachable, wait_for_all
from gans_n_roses.machine.quiet import quietly
from gans_n_roses.machine.session import open_session, session_config

JOB = 'worker'
# A collective is known by its key, and always has the same shape.
D_GRADIENTS, G_GRADIENTS, SCALARS, MESSAGES, VARIABLES = range(1, 6)
MESSAGE_BYTES = 1 << 16
PATIENCE_S = 3.0  # a collective that takes longer may wait for a worker that has ended
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError,
        tf.errors.InternalError)


class Team(NamedTuple):
    """A worker's place among the others, and the server that it computes on."""

    cluster: Cluster = ALONE
    target: str = ''
    config: tf.ConfigProto | None = None


def join(cluster):
    """Start this worker's server and wait for those of the others; ALONE, there is nothing to start.

    Returns:
      Team; its target and config are what `open_session` takes.
    Raises:
      RunFailed: the server cannot be started, or another worker is not there within the timeout.
    """
    if cluster.count == 1:
        return Team()
    config = session_config()
    config.experimental.collective_group_leader = _device(0)
    config.experimental.collective_nccl = True
    # Not the collectives' own timeout_seconds: each would keep a thread asleep so long, thousands in all.
    config.operation_timeout_in_ms = round(1000 * cluster.timeout)
    config.device_filters.append(_device(cluster.index))  # a session that does not wait for the others' devices
    try:
        with quietly():
            server = tf.distribute.Server({JOB: cluster.addresses}, JOB, cluster.index, config=config)
    except tf.errors.OpError as problem:
        raise RunFailed(f'{cluster.name(cluster.index)} cannot listen at its address: '
                        f'{problem.message}. Give it another port.') from None
    wait_for_all(cluster)
    return Team(cluster, server.target, config)


@contextlib.contextmanager
def lost_worker_told(cluster):
    """Tell in one sentence that another worker has ended, or does not answer.

    Raises:
      RunFailed: a collective in the block failed for it.
    """
    try:
        yield
    except LOST as problem:
        if cluster.count == 1:
            raise
        lost = gone(cluster)
        who = ' and '.join(map(cluster.name, lost))
        if lost:
            sentence = f'{who} {"has" if len(lost) == 1 else "have"} ended or cannot be reached'
        elif isinstance(problem, tf.errors.DeadlineExceededError):
            sentence = f'Another worker has not answered for {cluster.timeout:g} s'
        else:
            sentence = f'The workers have lost each other ({problem.message.splitlines()[0]})'
        raise RunFailed(f'{sentence}: training cannot go on without it.') from None


def run_together(cluster, session, fetches, feeds=None):
    """`session.run` of what holds collectives, which does not wait for workers that have ended.

    A worker that ends breaks the collectives that the others are in. But now and then one that ends because another has
    ended leaves a third in a collective that never comes back. So a run that lasts long is looked after: once another
    worker cannot be reached, the session is closed, and that ends the run.

    Args:
      cluster: Cluster.
      session: tf.Session; closed where another worker has ended.
      fetches, feeds: as `session.run` takes them.
    Returns:
      what `session.run` returns.
    Raises:
      one of LOST: another worker has ended, or does not answer.
    """
    if cluster.count == 1:
        return session.run(fetches, feeds)
    done = threading.Event()

    def look_after():
        while not done.wait(PATIENCE_S):
            if unreachable(cluster) and not done.is_set():
                return session.close()
    threading.Thread(target=look_after, daemon=True).start()
    try:
        return session.run(fetches, feeds)
    finally:
        done.set()


def sent_in(dtype):
    """The type that gradients are sent in, where layers compute in `dtype`."""
    # Between GPUs float32: whether TensorFlow hands bfloat16 to NCCL rightly, we could not try.
    return tf.float32 if tf.config.list_physical_devices('GPU') else dtype


def mean_of_all(cluster, tensors, key, dtype=tf.float32):
    """The mean of each tensor over all workers.

    All are sent as one flat tensor, since many small ones would wait for each other.

    Args:
      cluster: Cluster.
      tensors: list of float32 tensors; of the same shapes on every worker.
      key: D_GRADIENTS, G_GRADIENTS or SCALARS.
      dtype: tf.float32, or tf.bfloat16 to send them in it where `sent_in` allows: half the bytes, and sums in bfloat16.
        Always the same for a key.
    Returns:
      list of float32 tensors of the same shapes, the same on every worker, bit for bit. ALONE, it is `tensors`.
    """
    if cluster.count == 1:
        return tensors
    mean = tf.raw_ops.CollectiveReduceV2(input=tf.cast(_flat(tensors), sent_in(dtype)), merge_op='Add', final_op='Div',
                                         ordering_token=[], **_among(cluster, key))
    return _as(tf.cast(mean, tf.float32), tensors)


def share_variables(cluster):
    """Ops that give all variables of the default graph the first worker's values; none where ALONE."""
    if cluster.count == 1:
        return []
    ops = []
    variables = sorted(tf.global_variables(), key=lambda variable: variable.op.name)
    for row, dtype in enumerate(sorted({variable.dtype.base_dtype for variable in variables}, key=str)):
        those = [variable for variable in variables if variable.dtype.base_dtype == dtype]
        among = _among(cluster, VARIABLES + row)
        if cluster.leads:
            ops.append(tf.raw_ops.CollectiveBcastSendV2(input=_flat(those), **among).op)
            continue
        length = sum(variable.shape.num_elements() for variable in those)
        values = tf.raw_ops.CollectiveBcastRecvV2(shape=[length], T=dtype, **among)
        ops += [variable.assign(value).op for variable, value in zip(those, _as(values, those), strict=True)]
    return ops


def exchange(team, content):
    """Tell the other workers something, and hear what they tell.

    Args:
      team: Team.
      content: what JSON can write, up to MESSAGE_BYTES.
    Returns:
      list of all workers' contents, the first worker's first; ALONE, that is its own.
    """
    if team.cluster.count == 1:
        return [content]
    text = json.dumps(content).encode().ljust(MESSAGE_BYTES)
    mine = np.frombuffer(text, np.uint8).astype(np.int32)[np.newaxis]
    with tf.Graph().as_default(), open_session(team.target, team.config) as session:
        told = tf.placeholder(tf.int32, [1, MESSAGE_BYTES])
        heard = tf.raw_ops.CollectiveGatherV2(input=told, ordering_token=[], **_among(team.cluster, MESSAGES))
        rows = run_together(team.cluster, session, heard, {told: mine})
    return [json.loads(row.astype(np.uint8).tobytes()) for row in rows]


def _among(cluster, key):
    return {'group_size': cluster.count, 'group_key': 1, 'instance_key': key}


def _device(index):
    return f'/job:{JOB}/replica:0/task:{index}'


def _flat(tensors):
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)


def _as(flat, tensors):
    """Undo `_flat`: the pieces of a flat tensor in the shapes of `tensors`."""
    pieces = tf.split(flat, [tensor.shape.num_elements() for tensor in tensors])
    return [tf.reshape(piece, tensor.shape) for piece, tensor in zip(pieces, tensors, strict=True)]
