"""Train with several workers on this machine: one a GPU, or each on its share of the processor's cores."""

import argparse
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from gans_n_roses.errors import BadInput, Stop, missing_package
from gans_n_roses.machine import stopping, streams
from gans_n_roses.workers.cluster import LONGEST_S, TIMEOUT_S, VARIABLE, Cluster

ROOT = Path(__file__).resolve().parents[2]
MOST_WORKERS = 1_000  # more than one machine has cores for; each opens a port here, and loads TensorFlow
GRACE_S = 10.0  # in which the other workers notice by themselves that one has failed
POLL_S = 0.05
DIES_WITH_PARENT = 1  # Linux's PR_SET_PDEATHSIG


def main(arguments):
    """Start the workers and wait for their end.

    Args:
      arguments: list of str, the command line without the program's name.
    Returns:
      Exit code: that of the first worker that failed; 0 if none did; 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog='python -m gans_n_roses.tools.launch', description=__doc__)
    parser.add_argument('--workers', type=int, required=True, help='how many; each has batches of BATCH_SIZE')
    parser.add_argument('--timeout', type=float, default=TIMEOUT_S, metavar='SECONDS',
                        help='after which a worker that does not answer is given up; default: %(default)g')
    parser.add_argument('settings', nargs='*', metavar='NAME=value', help='as for main.py')
    given = parser.parse_args(arguments)
    try:
        environments = prepare(given.workers, given.timeout, given.settings)
    except Stop as stop:
        print(f'\n{stop}', file=sys.stderr)
        return stop.exit_code
    workers = []
    with passing_on(workers):
        for index, environment in enumerate(environments):
            workers.append(start(index, given.workers, given.settings, environment))
        return wait(workers, given.timeout)


def prepare(count, timeout, settings):
    """Refuse once what every worker would refuse, and share out ports and GPUs.

    Args:
      count: number of workers.
      timeout: seconds after which a worker that does not answer is given up.
      settings: list of words NAME=value.
    Returns:
      list of dicts, the environment variables that each worker has besides the launcher's own.
    Raises:
      BadInput: a number is out of range, or no worker could train with these settings.
    """
    if not (1 <= count <= MOST_WORKERS and 0 < timeout <= LONGEST_S):
        raise BadInput(f'--workers is {count} and --timeout {timeout:g}, but there have to be 1 to {MOST_WORKERS} '
                       f'workers, and a number of seconds above 0 and at most {LONGEST_S}.')
    with missing_package(ROOT / 'requirements.txt'):
        from gans_n_roses.command_line import read_settings
        from gans_n_roses.plan import make_plan
    asked = read_settings(ROOT / 'mission_control.py', settings)
    if asked.load:
        raise BadInput(f'LOAD is True {asked.origin.place("LOAD")}, but roses are made by one process: make them with '
                       f'`{asked.origin.command(*settings)}`.')
    addresses = [f'127.0.0.1:{port}' for port in free_ports(count)]
    make_plan(asked, Cluster(tuple(addresses)))
    tasks = [{'cluster': {'worker': addresses}, 'task': {'type': 'worker', 'index': index}, 'timeout': timeout}
             for index in range(count)]
    return [{VARIABLE: json.dumps(task), **device} for task, device in zip(tasks, devices_for(count), strict=True)]


def free_ports(count):
    """Ports of this machine that nobody listens on: list of int."""
    with contextlib.ExitStack() as stack:
        return [stack.enter_context(socket.create_server(('127.0.0.1', 0))).getsockname()[1] for _ in range(count)]


def devices_for(count):
    """Environment variables that give each worker a GPU of its own: list of dicts, empty ones where there is no GPU.

    Raises:
      BadInput: there are fewer GPUs than workers.
    """
    chosen = os.environ.get('CUDA_VISIBLE_DEVICES')
    if chosen is None and shutil.which('nvidia-smi'):
        listed = subprocess.run(['nvidia-smi', '-L'], capture_output=True, text=True).stdout
        chosen = ','.join(re.findall(r'^GPU (\d+)', listed, re.MULTILINE))
    gpus = [{'CUDA_VISIBLE_DEVICES': gpu} for gpu in re.findall(r'[^\s,]+', chosen or '') if gpu != '-1']
    if gpus and len(gpus) < count:
        raise BadInput(f'--workers is {count}, but there are only {len(gpus)} GPUs: set it to at most that, or '
                       'CUDA_VISIBLE_DEVICES to -1, which computes on the processor.')
    return gpus[:count] or [{}] * count


def start(index, count, settings, environment):
    """Start a worker. The first writes where the launcher writes; the others' lines get their number in front.

    Args:
      index: place of the worker.
      count: number of workers, among whom the cores are shared out.
      settings: list of words NAME=value.
      environment: dict of variables that it has besides the launcher's own.
    Returns:
      subprocess.Popen.
    """
    libc = ctypes.CDLL(None) if sys.platform == 'linux' else None

    def before():
        if cores := sorted(os.sched_getaffinity(0))[index::count]:  # fewer cores than workers: they may use all
            os.sched_setaffinity(0, cores)
        libc.prctl(DIES_WITH_PARENT, signal.SIGTERM)  # whatever ends the launcher ends the workers
    piped = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True, 'errors': 'replace'} if index else {}
    worker = subprocess.Popen([sys.executable, str(ROOT / 'main.py'), *settings], env={**os.environ, **environment},
                              stdin=subprocess.DEVNULL, preexec_fn=before if libc else None, **piped)
    if index:  # Python waits for the thread before it ends
        threading.Thread(target=pass_lines, args=[worker.stdout, index]).start()
    return worker


def pass_lines(lines, index):
    """Write a worker's lines to standard error, but for empty ones."""
    for line in lines:
        if line.strip():
            print(f'[worker {index}] {line}', end='', file=sys.stderr)


@contextlib.contextmanager
def passing_on(workers):
    """Pass Ctrl-C, SIGTERM and SIGHUP on to the workers, which save and end; afterwards no worker is left behind."""
    def pass_on(number, _):
        for worker in workers:
            worker.send_signal(number)
    for number in stopping.requests_to_end():
        signal.signal(number, pass_on)
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def wait(workers, timeout):
    """Wait until all workers have ended; once one has failed, the others may end by themselves, then are asked to.

    Args:
      workers: list of subprocess.Popen.
      timeout: seconds that they may take where a signal asked for the end: they have agreed on it, and the first saves.
    Returns:
      Exit code of the first that failed, as a shell tells it: 128 + the signal that killed it; 0 if none failed.
    """
    while running(workers) and not any(worker.poll() for worker in workers):
        time.sleep(POLL_S)
    code = next((worker.returncode for worker in workers if worker.returncode), 0)
    code = code if code >= 0 else 128 - code
    grace = timeout if code - 128 in stopping.requests_to_end() else GRACE_S
    for _ in range(2):  # before they are asked to end, and before they are killed
        deadline = time.monotonic() + grace
        while running(workers) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        for worker in workers:
            worker.terminate()
    return code


def running(workers):
    """True while a worker has not ended."""
    return any(worker.poll() is None for worker in workers)


if __name__ == '__main__':
    streams.keep_going()
    stopping.end_at_once()
    sys.exit(main(sys.argv[1:]))
