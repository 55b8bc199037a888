"""TensorFlow's collective ops: workers average, tell each other, begin with one state.

Each worker is a TensorFlow server, and has a session of its own there. They meet in collective ops alone, a ring over
gRPC on processors and NCCL on GPUs, and have to run the same ones in the same order.
"""

import json
import threading

import numpy as np
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import RunFailed
from gans_n_roses.machine.quiet import quietly
from gans_n_roses.machine.session import session_config
from gans_n_roses.workers.cluster import unreachable, wait_for_all

JOB = 'worker'
# A collective is known by its key, and always has the same shape and type.
KEYS = {'d_gradients': 1, 'g_gradients': 2, 'scalars': 3, 'messages': 4, 'variables': 5}
MESSAGE_BYTES = 1 << 16
PATIENCE_S = 3.0  # a collective that takes longer may wait for a worker that has ended
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError,
        tf.errors.InternalError)


def start_server(cluster):
    """Start this worker's server and wait for those of the others.

    Returns:
      (target, config) for `open_session`.
    Raises:
      RunFailed: the server cannot be started, or another worker is not there within the timeout.
    """
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
    return server.target, config


def run_together(cluster, session, fetches, feeds=None):
    """`session.run` of what holds collectives, which does not wait for workers that have ended.

    A worker that ends breaks the collectives that the others are in. Now and then it does not: a third worker then
    waits for ever. So a thread watches a run that takes long, and closes the session once another worker cannot be
    reached, which ends the run.

    Args:
      cluster: Cluster.
      session: tf.Session; closed where another worker has ended.
      fetches, feeds: as `session.run` takes them.
    Returns:
      what `session.run` returns.
    Raises:
      one of LOST: another worker has ended, or does not answer.
    """
    done = threading.Event()

    def watch():
        while not done.wait(PATIENCE_S):
            if unreachable(cluster) and not done.is_set():
                return session.close()
    threading.Thread(target=watch, daemon=True).start()
    try:
        return session.run(fetches, feeds)
    finally:
        done.set()


def sent_in(dtype):
    """The type that gradients are sent in, where layers compute in `dtype`."""
    # Between GPUs float32: whether TensorFlow hands bfloat16 to NCCL rightly, we could not try.
    return tf.float32 if tf.config.list_physical_devices('GPU') else dtype


def mean_of_all(cluster, tensors, name, dtype=tf.float32):
    """The mean of each tensor over all workers: `Alone.mean`, which says more.

    All are sent as one flat tensor, since many small ones would wait for each other. Sent in bfloat16 they take half
    the bytes, and are summed in bfloat16.
    """
    mean = tf.raw_ops.CollectiveReduceV2(input=tf.cast(_flat(tensors), sent_in(dtype)), merge_op='Add', final_op='Div',
                                         ordering_token=[], **_among(cluster, KEYS[name]))
    return _as(tf.cast(mean, tf.float32), tensors)


def share_variables(cluster):
    """Ops that give all variables of the default graph the first worker's values."""
    ops = []
    variables = sorted(tf.global_variables(), key=lambda variable: variable.op.name)
    for row, dtype in enumerate(sorted({variable.dtype.base_dtype for variable in variables}, key=str)):
        those = [variable for variable in variables if variable.dtype.base_dtype == dtype]
        among = _among(cluster, KEYS['variables'] + row)
        if cluster.leads:
            ops.append(tf.raw_ops.CollectiveBcastSendV2(input=_flat(those), **among).op)
            continue
        length = sum(variable.shape.num_elements() for variable in those)
        values = tf.raw_ops.CollectiveBcastRecvV2(shape=[length], T=dtype, **among)
        ops += [variable.assign(value).op for variable, value in zip(those, _as(values, those), strict=True)]
    return ops


def exchange(cluster, session, content):
    """Tell the other workers something, and hear what they tell.

    Args:
      cluster: Cluster.
      session: tf.Session on an empty default graph.
      content: what JSON can write, up to MESSAGE_BYTES.
    Returns:
      list of all workers' contents, the first worker's first.
    """
    text = json.dumps(content).encode().ljust(MESSAGE_BYTES)
    mine = np.frombuffer(text, np.uint8).astype(np.int32)[np.newaxis]
    told = tf.placeholder(tf.int32, [1, MESSAGE_BYTES])
    heard = tf.raw_ops.CollectiveGatherV2(input=told, ordering_token=[], **_among(cluster, KEYS['messages']))
    rows = run_together(cluster, session, heard, {told: mine})
    return [json.loads(row.astype(np.uint8).tobytes()) for row in rows]


def _among(cluster, key):
    return {'group_size': cluster.count, 'group_key': 1, 'instance_key': key}


def _device(index):
    return f'/job:{JOB}/replica:0/task:{index}'


def _flat(tensors):
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)


def _as(flat, tensors):
    """The pieces of a flat tensor in the shapes of `tensors`: `_flat` undone."""
    pieces = tf.split(flat, [tensor.shape.num_elements() for tensor in tensors])
    return [tf.reshape(piece, tensor.shape) for piece, tensor in zip(pieces, tensors, strict=True)]
