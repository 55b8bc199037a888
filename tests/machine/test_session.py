"""What a session leaves alone, and what TensorFlow's and NumPy's memory errors become."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from gans_n_roses.errors import RunFailed
from gans_n_roses.machine.session import open_session, within_memory


def test_opening_a_session_adds_no_op_to_its_graph():
    """With a SEED, TensorFlow seeds each op by how many came before it: one more would change every run."""
    with tf.Graph().as_default() as graph, open_session() as session:
        assert session.graph is graph and not graph.get_operations()


def test_memory_that_numpy_does_not_get_is_told_in_one_sentence():
    with pytest.raises(RunFailed, match=r'^The memory is not enough \(.*\): lower BATCH_SIZE, '), within_memory():
        np.ones([2**45], np.int64)


def test_memory_that_tensorflow_does_not_get_is_told_in_one_sentence():
    problem = tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating tensor\nat great length')
    with pytest.raises(RunFailed, match=r'^The memory is not enough \(OOM when .* tensor\): lower '), within_memory():
        raise problem


def test_threads_that_python_does_not_get_are_told_in_one_sentence_and_other_errors_pass():
    with pytest.raises(RunFailed, match=r'^The system lets this program start no more threads: '), within_memory():
        raise RuntimeError("can't start new thread")
    with pytest.raises(RuntimeError, match=r'^other$'), within_memory():
        raise RuntimeError('other')
