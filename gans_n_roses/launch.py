"""Train with several workers on this machine: one a GPU, or each on its share of the processor's cores."""

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from gans_n_roses.errors import BadInput, Stop, missing_package
from gans_n_roses.machine import output
from gans_n_roses.machine.cluster import TIMEOUT_S, VARIABLE, Cluster
from gans_n_roses.machine.stopping import requests_to_end
from gans_n_roses.settings import read_settings

ROOT = Path(__file__).resolve().parent.parent
GRACE_S = 10.0  # in which the others notice by themselves that one has failed
DIES_WITH_PARENT = 1  # Linux's PR_SET_PDEATHSIG


def main(arguments):
    """Start the workers, wait for their end; returns the exit code: that of the worker that ended first and not well.

    Args:
      arguments: list of str, the command line without the program's name.
    """
    parser = argparse.ArgumentParser(prog='python -m gans_n_roses.launch', description=__doc__)
    parser.add_argument('--workers', type=int, required=True, help='how many; each has batches of BATCH_SIZE')
    parser.add_argument('--timeout', type=float, default=TIMEOUT_S, metavar='SECONDS',
                        help='after which a worker that does not answer is given up; default: %(default)g')
    parser.add_argument('settings', nargs='*', metavar='NAME=value', help='as for main.py')
    given = parser.parse_args(arguments)
    try:
        if given.workers < 1 or not given.timeout > 0:
            raise BadInput(f'--workers is {given.workers} and --timeout {given.timeout:g}, but there has to be one '
                           'worker at least, and a timeout above 0 seconds.')
        places = [f'127.0.0.1:{port}' for port in free_ports(given.workers)]
        with missing_package(ROOT / 'requirements.txt'):
            from gans_n_roses.checks import check
        # Told once, not by each of them; what else there is to say, the first worker says.
        check(read_settings(ROOT / 'mission_control.py', given.settings), Cluster(tuple(places)))
        devices = devices_of(given.workers)
    except Stop as stop:
        print(f'\n{stop}', file=sys.stderr)
        return stop.exit_code
    workers = []
    with passing_on(workers):
        for index in range(given.workers):
            config = {'cluster': {'worker': places}, 'task': {'type': 'worker', 'index': index},
                      'timeout': given.timeout}
            workers.append(start(index, given.settings, {VARIABLE: json.dumps(config), **devices[index]},
                                 processors(index, given.workers)))
        return wait(workers, given.timeout)


def free_ports(count):
    """Ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(('127.0.0.1', 0))
        return [each.getsockname()[1] for each in sockets]


def devices_of(count):
    """What each worker's environment says of GPUs: one each where there are some, else nothing.

    Raises:
      BadInput: there are fewer GPUs than workers.
    """
    chosen = os.environ.get('CUDA_VISIBLE_DEVICES')
    if chosen is not None:
        gpus = [name.strip() for name in chosen.split(',') if name.strip() not in ('', '-1')]
    else:
        tool = shutil.which('nvidia-smi')
        listed = subprocess.run([tool, '-L'], capture_output=True, text=True).stdout if tool else ''
        gpus = [str(number) for number in range(sum(line.startswith('GPU ') for line in listed.splitlines()))]
    if gpus and len(gpus) < count:
        raise BadInput(f'--workers is {count}, but there are only {len(gpus)} GPUs: set it to at most that, or '
                       'CUDA_VISIBLE_DEVICES to -1, which computes on the processor.')
    return [{'CUDA_VISIBLE_DEVICES': gpu} for gpu in gpus[:count]] or [{}] * count


def processors(index, count):
    """The cores that a worker computes on; None where the system does not let one choose, or has too few."""
    if not hasattr(os, 'sched_getaffinity'):
        return None
    return sorted(os.sched_getaffinity(0))[index::count] or None


def start(index, settings, environment, cores):
    """Start a worker. The first has this process's output; the others' lines get their number in front.

    Returns:
      subprocess.Popen.
    """
    parent, libc = os.getpid(), ctypes.CDLL(None) if sys.platform == 'linux' else None

    def before():
        if cores:
            os.sched_setaffinity(0, cores)
        if libc:  # whatever ends the launcher ends the workers
            libc.prctl(DIES_WITH_PARENT, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)
    piped = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True, 'errors': 'replace'} if index else {}
    worker = subprocess.Popen([sys.executable, str(ROOT / 'main.py'), *settings], env={**os.environ, **environment},
                              stdin=subprocess.DEVNULL, preexec_fn=before if os.name == 'posix' else None, **piped)
    if index:
        worker.reader = threading.Thread(target=pass_lines, args=[worker.stdout, index], daemon=True)
        worker.reader.start()
    return worker


def pass_lines(lines, index):
    """Write a worker's lines to standard error, but for empty ones."""
    for line in lines:
        if line.strip():
            print(f'[worker {index}] {line}', end='', file=sys.stderr)


@contextlib.contextmanager
def passing_on(workers):
    """Pass Ctrl-C, SIGTERM and SIGHUP on to the workers, which save and end; no worker is left behind."""
    def pass_on(number, _):
        for worker in workers:
            worker.send_signal(number)
    for number in requests_to_end():
        signal.signal(number, pass_on)
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def wait(workers, timeout):
    """Wait until all workers have ended, and see to it that they do once one has failed; returns the exit code."""
    code, deadlines = 0, []
    while running := [worker for worker in workers if worker.poll() is None]:
        ended = [exit_code(worker) for worker in workers if worker not in running]
        if not code and any(ended):
            code = next(filter(None, ended))
            # One that was asked to end has agreed on it with the others, of which the first still saves.
            grace = timeout if code > 128 and code != 128 + signal.SIGKILL else GRACE_S
            deadlines = [(time.monotonic() + grace, signal.SIGTERM), (time.monotonic() + 2 * grace, signal.SIGKILL)]
        while deadlines and time.monotonic() > deadlines[0][0]:
            for worker in running:
                worker.send_signal(deadlines[0][1])
            deadlines.pop(0)
        time.sleep(0.05)
    for worker in workers[1:]:
        worker.reader.join()
    return code or next(filter(None, map(exit_code, workers)), 0)


def exit_code(worker):
    """A worker's exit code; 128 and the number of the signal that killed it."""
    return worker.returncode if worker.returncode >= 0 else 128 - worker.returncode


if __name__ == '__main__':
    output.keep_going()
    sys.exit(main(sys.argv[1:]))
