"""Which worker of which cluster this process is: TensorFlow's own convention, the environment variable TF_CONFIG."""

import json
import os
import re
import socket
import time
from typing import NamedTuple

from gans_n_roses.errors import BadInput, RunFailed, shown

VARIABLE = 'TF_CONFIG'
TIMEOUT_S = 300.0  # the first worker's measures and checkpoints, for which the others wait, take far less
ENDING_S = 3.0  # in which a killed process closes its port
CHIEF, WORKER = 'chief', 'worker'
EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


class Cluster(NamedTuple):
    """The workers that train one run together, each on its share of every batch."""

    addresses: tuple = ('',)  # "host:port" of each worker; the first one leads: it alone writes and shows
    index: int = 0  # this worker's place among them
    timeout: float = TIMEOUT_S  # seconds after which a worker that does not answer is given up

    @property
    def count(self):
        """How many workers there are."""
        return len(self.addresses)

    @property
    def leads(self):
        """Whether this worker is the first."""
        return self.index == 0

    @property
    def each(self):
        """What a sentence adds to a number that each worker has; '' where there is one."""
        return f' for each of {self.count} workers' if self.count > 1 else ''

    def share(self, length):
        """Which rows are this worker's where each has `length`: a slice."""
        return slice(self.index * length, (self.index + 1) * length)

    def name(self, index):
        """What a worker is called where a sentence begins."""
        return f'Worker {index} ({self.addresses[index]})'


ALONE = Cluster()


def read_cluster(environment=os.environ):
    """The cluster that TF_CONFIG describes.

    Besides TensorFlow's own entries, "cluster" and "task", it may have "timeout", in seconds.

    Args:
      environment: dict of variables.
    Returns:
      Cluster; ALONE where there is no TF_CONFIG, or it names no cluster or a single worker.
    Raises:
      BadInput: it is not what TensorFlow's convention says, or has parameter servers or an evaluator.
    """
    text = environment.get(VARIABLE, '').strip()
    try:
        config = json.loads(text or '{}')
        jobs, timeout = config.get('cluster') or {}, config.get('timeout', TIMEOUT_S)
        others = set(jobs) - {CHIEF, WORKER}
        if not jobs:
            return ALONE
        addresses = tuple(jobs.get(CHIEF, []) + jobs.get(WORKER, []))  # TensorFlow's chief is the first worker
        kind, index = config['task']['type'], int(config['task']['index'])
        size = len(jobs[kind])
        sound = all(re.fullmatch(r'.+:[1-9]\d{0,4}', address) for address in addresses) and float(timeout) > 0
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadInput(f'{VARIABLE} is {shown(text)}, but must be like {EXAMPLE}.') from None
    if others:
        raise BadInput(f'{VARIABLE} has a job {shown(sorted(others)[0])}, but training here knows workers alone (and a '
                       'chief, which is the first of them): leave it out.')
    if not (0 <= index < size and sound and len(set(addresses)) == len(addresses)):
        raise BadInput(f'{VARIABLE} is {shown(text)}, but each address must be another host:port, the index of the '
                       f'task one of theirs, and a timeout a number of seconds above 0: {EXAMPLE}.')
    place = index + (len(jobs.get(CHIEF, [])) if kind == WORKER else 0)
    return Cluster(addresses, place, float(timeout)) if len(addresses) > 1 else ALONE


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
    except OSError as problem:
        return problem.strerror or str(problem)
