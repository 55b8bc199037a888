"""The cluster that this process belongs to, by TensorFlow's own convention: the environment variable TF_CONFIG."""

import json
import os
import re
import socket
import time
from typing import NamedTuple

from gans_n_roses.errors import BadInput, RunFailed, reason, shown

VARIABLE = 'TF_CONFIG'
TIMEOUT_S = 300.0  # the first worker's measures and checkpoints, for which the others wait, take far less
LONGEST_S = 10**9  # that TensorFlow can count in milliseconds
ENDING_S = 3.0  # in which a killed process closes its port
TRAINERS = ('chief', 'master', 'worker')  # TensorFlow's jobs that train, in our order; master is chief's older name
EVALUATOR = 'evaluator'  # the one that does not
EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


class Cluster(NamedTuple):
    """The workers that train one run together, each on its share of every batch."""

    addresses: tuple = ('',)  # "host:port" of each worker; the first one leads: it alone writes and shows
    index: int = 0  # this worker's place among them
    timeout: float = TIMEOUT_S  # seconds after which a worker that does not answer is given up

    @property
    def count(self):
        """The number of workers."""
        return len(self.addresses)

    @property
    def alone(self):
        """Whether this worker is the only one."""
        return self.count == 1

    @property
    def leads(self):
        """Whether this worker is the first."""
        return self.index == 0

    @property
    def each(self):
        """Words that a sentence adds to a number that each worker has; '' where there is one."""
        return '' if self.alone else f' for each of {self.count} workers'

    def name(self, index):
        """A worker's name where a sentence begins."""
        return f'Worker {index} ({self.addresses[index]})'

    def mend(self, pictures, batch_size):
        """Advice, within a sentence, for a folder of so many pictures, at least one, but too few for an iteration.

        An iteration takes `batch_size` for each worker.
        """
        if pictures < min(self.count, batch_size):
            return f'start one worker, with a BATCH_SIZE of at most {pictures}, or add pictures'
        fewer = pictures // batch_size
        ways = [f'start at most {fewer} worker{"s" * (fewer > 1)}'] * (fewer > 0)
        ways += [f'set BATCH_SIZE to at most {pictures // self.count}'] * (pictures >= self.count)
        return ', '.join([*ways, 'or add pictures'])

    def require_alone(self, found):
        """Refuse what several workers cannot do; `found` begins the sentence. Raises BadInput."""
        if not self.alone:
            raise BadInput(f'{found}, but roses are made by one process, and {VARIABLE} names {self.count} workers: '
                           'start one without it.')

    def remarks(self, batch_size):
        """Lines on what several workers change for the user; none for one."""
        return [] if self.alone else [f'{self.count} workers, each with a batch of {batch_size}: an iteration takes '
                                      f'{self.count * batch_size} pictures']

    def change_remarks(self, options, batch_size):
        """A sentence, in a list, if options.json says that another number of workers trained the run last."""
        before = options['history'][-1].get('workers', 1) if options['history'] else 1
        if before == self.count:
            return []
        return [f'The run was last trained by {shown(before)} {"worker" if before == 1 else "workers"}, now by '
                f'{self.count}: from here on an iteration takes {self.count} × {batch_size} pictures.']


ALONE = Cluster()


def read_cluster(environment=os.environ):
    """The cluster that TF_CONFIG describes.

    Besides TensorFlow's own entries, "cluster" and "task", it may have "timeout", in seconds.

    Args:
      environment: dict of variables.
    Returns:
      Cluster; ALONE where there is no TF_CONFIG, or a single worker in it.
    Raises:
      BadInput: it is not what TensorFlow's convention says, or has parameter servers or an evaluator.
    """
    text = environment.get(VARIABLE, '').strip()
    try:
        config = json.loads(text or '{}')
        jobs, timeout = config.get('cluster') or {}, float(config.get('timeout', TIMEOUT_S))
        addresses = tuple(address for job in TRAINERS for address in jobs.get(job, []))
        if len(addresses) < 2 and jobs.keys() <= {*TRAINERS, EVALUATOR}:
            return ALONE
        kind, index = config['task']['type'], int(config['task']['index'])
        others = sorted({*jobs, kind} - {*TRAINERS})
        size = len(jobs.get(kind, []))
        sound = all(re.fullmatch(r'.+:[1-9]\d{0,4}', each) and int(each.rpartition(':')[2]) < 2**16
                    for each in addresses) and 0 < timeout <= LONGEST_S
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise BadInput(f'{VARIABLE} is {shown(text)}, but must be like {EXAMPLE}.') from None
    if others:
        raise BadInput(f'{VARIABLE} has a job {shown(others[0])}, but training here knows workers alone (and a chief, '
                       'which is the first of them): leave it out.')
    if not (0 <= index < size and sound and len(set(addresses)) == len(addresses)):
        raise BadInput(f'{VARIABLE} is {shown(text)}, but each address must be another host:port, the index of the '
                       f'task one of theirs, and a timeout a number of seconds above 0 and at most {LONGEST_S}: '
                       f'{EXAMPLE}.')
    before = sum(len(jobs.get(job, [])) for job in TRAINERS[:TRAINERS.index(kind)])
    return Cluster(addresses, before + index, timeout)


def wait_for_all(cluster):
    """Wait until every worker of a cluster can be reached.

    Raises:
      RunFailed: one could not be, within the cluster's timeout.
    """
    deadline = time.monotonic() + cluster.timeout
    for index, address in enumerate(cluster.addresses):
        while fault := _fault_of(address):
            if time.monotonic() > deadline:
                raise RunFailed(f'{cluster.name(index)} could not be reached within '
                                f'{cluster.timeout:g} s ({fault}): start all {cluster.count} workers, and let the '
                                'network pass what they say to each other.')
            time.sleep(0.1)


def gone(cluster):
    """The places of the other workers that have ended, or cannot be reached, now or within some seconds.

    One that was killed may still be connected to while the system clears it away.
    """
    deadline = time.monotonic() + ENDING_S
    while not (found := unreachable(cluster)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def unreachable(cluster):
    """The places of the other workers that cannot be reached now."""
    return [index for index, address in enumerate(cluster.addresses)
            if index != cluster.index and _fault_of(address)]


def _fault_of(address):
    """Why an address does not answer; '' where it does."""
    host, _, port = address.rpartition(':')
    try:
        with socket.create_connection((host.strip('[]'), int(port)), timeout=5):
            return ''
    except (OSError, UnicodeError) as problem:  # UnicodeError: no host can have this name
        return reason(problem)
