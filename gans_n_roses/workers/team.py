"""The workers that train one run: `Alone`, and `Several` with the same methods.

All of them run the same loop. Alone has nothing to settle, to average or to agree on.
"""

import contextlib
import os
import signal
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from gans_n_roses import __version__
from gans_n_roses.errors import BadInput, RunFailed, shown
from gans_n_roses.machine.session import open_session
from gans_n_roses.runs.state import pack, unpack
from gans_n_roses.workers import collectives
from gans_n_roses.workers.cluster import ALONE as ONE
from gans_n_roses.workers.cluster import gone


class Agreed(NamedTuple):
    """What all workers know after an iteration."""

    scalars: dict  # name → mean over all workers
    signal: int  # number of the signal by which one of them was asked to stop; 0 where none was


class Alone:
    """One worker, on this machine."""

    cluster = ONE
    count = 1
    leads = True

    def losses_told(self):
        """Context in which a lost worker is told in one sentence."""
        return contextlib.nullcontext()

    def open_session(self):
        """tf.Session on the default graph."""
        return open_session()

    def settle_settings(self, asked, settings):
        """The Settings that all go on with, which are the first worker's.

        Args:
          asked: Settings that this worker was started with.
          settings: Settings as this worker would use them.
        Returns:
          Settings; DATASET_PATH is this worker's own.
        Raises:
          BadInput: a worker has other settings, or another version.
        """
        return settings

    def settle_pictures(self, dataset):
        """Refuse workers that do not have the first worker's pictures.

        Args:
          dataset: Dataset that this worker has read.
        Raises:
          BadInput: a worker has other pictures.
        """

    def rows(self, length):
        """The rows of this worker where each has `length`: a slice."""
        return slice(0, length)

    def places(self, batch_size, batches):
        """The place of this worker's pictures among all workers', for `augment`; None where there are no others."""

    def mean(self, tensors, name, dtype=tf.float32):
        """The mean of each tensor over all workers.

        Args:
          tensors: list of float32 tensors; of the same shapes on every worker.
          name: 'd_gradients', 'g_gradients' or 'scalars'.
          dtype: type that they are sent in, where processors send: tf.float32 or tf.bfloat16.
        Returns:
          list of float32 tensors of the same shapes, the same on every worker, bit for bit.
        """
        return tensors

    def prepare(self, scalars):
        """Build what `settle_state` and `agree` run, before the graph is finalized; scalars: names."""

    def settle_state(self, session, start, state):
        """Give every worker the first one's state.

        Args:
          session: tf.Session, its variables initialized; the first worker's as the run begins with them.
          start: number of iterations made before.
          state: RunState.
        Returns:
          (start, RunState) of the first worker; only its own has the z of the sample grids.
        """
        return start, state

    def run(self, session, fetches, feeds=None):
        """`session.run` of what holds a mean over all workers."""
        return session.run(fetches, feeds)

    def agree(self, session, scalars, signal_number):
        """Agree on an iteration's scalars, and on the end of training.

        Args:
          session: tf.Session.
          scalars: dict of name → float, this worker's.
          signal_number: number of the signal that asked this worker to stop, or 0.
        Returns:
          Agreed.
        """
        return Agreed(scalars, signal_number)

    def anybody(self, session, wish):
        """Whether any worker has this wish, a bool."""
        return wish


ALONE = Alone()


class Several(Alone):
    """One of several workers. See `Alone` for what its methods do.

    Args:
      cluster: Cluster.
    Raises:
      RunFailed: this worker's server cannot be started, or another worker is not there within the timeout.
    """

    def __init__(self, cluster):
        self.cluster, self.count, self.leads = cluster, cluster.count, cluster.leads
        self._target, self._config = collectives.start_server(cluster)

    @contextlib.contextmanager
    def losses_told(self):
        try:
            yield
        except collectives.LOST as problem:
            lost = gone(self.cluster)
            if lost:
                who = ' and '.join(map(self.cluster.name, lost))
                sentence = f'{who} {"has" if len(lost) == 1 else "have"} ended or cannot be reached'
            elif isinstance(problem, tf.errors.DeadlineExceededError):
                sentence = f'Another worker has not answered for {self.cluster.timeout:g} s'
            else:
                sentence = f'The workers have lost each other ({problem.message.splitlines()[0]})'
            raise RunFailed(f'{sentence}: training cannot go on without it.') from None

    def open_session(self):
        return open_session(self._target, self._config)

    def settle_settings(self, asked, settings):
        started = {'the version of gans_n_roses': __version__, 'the version of TensorFlow': tf.version.VERSION,
                   'RESUME': asked.resume, **asked.of_training()}
        for name in ('DATASET_PATH', 'DATASET_CHOSEN'):  # the pictures themselves are compared, wherever they lie
            del started[name]
        heard = self._exchange({'started': started, 'settings': settings.of_training()})
        first, *others = (each['started'] for each in heard)
        for index, other in enumerate(others, start=1):
            for name, value in first.items():
                if other.get(name) != value:
                    raise BadInput(f'{self.cluster.name(index)} has {shown(other.get(name))} for {name}, but the first '
                                   f'worker has {shown(value)}: start all workers alike.')
        values = heard[0]['settings']
        if not self.leads and not (asked.resume and os.path.isdir(values['DATASET_PATH'])):
            values['DATASET_PATH'] = asked.dataset_path
        return settings.changed(values)

    def settle_pictures(self, dataset):
        (count, fingerprint), *others = self._exchange([len(dataset.images), dataset.fingerprint])
        for index, (other_count, other) in enumerate(others, start=1):
            if other != fingerprint:
                raise BadInput(f'{self.cluster.name(index)} has other pictures ({other_count}) than the first worker '
                               f'({count}): give DATASET_PATH the same files on each machine.')

    def rows(self, length):
        return slice(self.cluster.index * length, (self.cluster.index + 1) * length)

    def places(self, batch_size, batches):
        length = self.count * batch_size
        firsts = range(0, batches * length, length)
        return batches * length, [place for first in firsts for place in range(first, first + length)[
            self.rows(batch_size)]]

    def mean(self, tensors, name, dtype=tf.float32):
        return collectives.mean_of_all(self.cluster, tensors, name, dtype)

    def prepare(self, scalars):
        self._mine = tf.placeholder(tf.float32, [len(scalars) + 1])
        self._means, = self.mean([self._mine], 'scalars')
        self._share = collectives.share_variables(self.cluster)

    def settle_state(self, session, start, state):
        start, rng = self._exchange([start, pack(state.rng).decode()])[0]
        self.run(session, self._share)
        return start, state if self.leads else state._replace(rng=unpack(rng))

    def run(self, session, fetches, feeds=None):
        return collectives.run_together(self.cluster, session, fetches, feeds)

    def agree(self, session, scalars, signal_number):
        *means, wished = self.run(session, self._means, {self._mine: [*scalars.values(), float(signal_number > 0)]})
        # A worker that was not sent the signal itself cannot know which one it was.
        return Agreed(dict(zip(scalars, means, strict=True)), (signal_number or signal.SIGTERM) if wished > 0 else 0)

    def anybody(self, session, wish):
        return self.run(session, self._means, {self._mine: [wish] * self._mine.shape[0]})[0] > 0

    def _exchange(self, content):
        with tf.Graph().as_default(), self.open_session() as session:
            return collectives.exchange(self.cluster, session, content)


def join(cluster):
    """The team that this worker trains with: ALONE, or Several once all of a cluster's workers are there."""
    return ALONE if cluster.alone else Several(cluster)
