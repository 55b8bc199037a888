"""How long `python main.py` takes to its first iteration, and how much memory a run takes.

    python -m benchmarks.start_up

The yardstick is a process that does the least: it starts Python, imports TensorFlow, reads mission_control.py, builds
the training graph, opens a session and initializes the weights. main.py does that too, and also chooses the precision
(the yardstick is told it), reads the pictures, makes the run's folder, shows the networks, opens TensorBoard's file,
writes the first grid and the first checkpoint, and makes one iteration. Both are timed from the start of the process,
in turn. Linux and macOS only.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.shared import REPO, machine, megabytes
from gans_n_roses.machine.quiet import use_onednn

RATIO_ALLOWED, GB_ALLOWED = 1.3, 1.3
ITERATIONS_FOR_MEMORY = 20

BARE = """
import pathlib, sys
import tensorflow.compat.v1 as tf
print('imported', flush=True)
from gans_n_roses.networks.graph import build_graph
from gans_n_roses.machine.session import open_session
from gans_n_roses.command_line import read_settings
settings = read_settings(pathlib.Path('mission_control.py'), ['SEED=1', f'PRECISION={sys.argv[1]}'])
tf.disable_eager_execution()
build_graph(settings)
print('built', flush=True)
open_session().run(tf.global_variables_initializer())
print('initialized', flush=True)
"""
PRECISION = """
import pathlib
from gans_n_roses.machine.precision import compute_dtype
from gans_n_roses.command_line import read_settings
print(compute_dtype(read_settings(pathlib.Path('mission_control.py')).precision).name)
"""


def main():
    """Measure start-up and memory, and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=5, help='(%(default)s)')
    arguments = parser.parse_args()
    use_onednn()  # for the yardstick too
    print(machine())
    start = os.getloadavg()[0]

    with started(['-c', PRECISION], results=None) as process:
        precision = process.stdout.read().split()[-1]
    print(f'computes in {precision}')
    bare, whole = [], []
    for warm in [False] + [True] * arguments.rounds:  # the first round brings the files into the system's cache
        times = [time_to(['-c', BARE, precision], ('imported', 'built', 'initialized')),
                 time_to(run_of(1), ('iteration 1/',))]
        if warm:
            bare.append(times[0])
            whole.append(times[1][0])
    peak = peak_mb(run_of(ITERATIONS_FOR_MEMORY))

    print(f"load average {start:.1f} at the start, {os.getloadavg()[0]:.1f} at the end (the benchmark's own included)")
    print(f'medians of {arguments.rounds} rounds, in seconds from the start of the process\n')
    imported, built, initialized = (statistics.median(times) for times in zip(*bare, strict=True))
    print(f'TensorFlow imported            {imported:6.2f}')
    print(f'and the graph built            {built:6.2f}')
    print(f'and the weights initialized    {initialized:6.2f}   the yardstick')
    print(f'main.py, first iteration made  {statistics.median(whole):6.2f}\n')
    for stage, name in ((2, 'main.py to the yardstick'), (1, '  without its weights')):
        # Within each round: a machine that slows down for a while slows both sides.
        ratio = statistics.median(one / times[stage] for one, times in zip(whole, bare, strict=True))
        print(f'{name:<31}{ratio:6.2f}' + f'   at most {RATIO_ALLOWED}' * (stage == 2))
    print(f'peak memory, {ITERATIONS_FOR_MEMORY} iterations     {peak / 1000:6.2f}   GB, at most {GB_ALLOWED}')


def run_of(iterations):
    """Arguments of Python for a run of main.py; RESULTS_PATH is left to the caller."""
    return ['main.py', f'N_ITERATIONS={iterations}', 'LOAD=False', 'RESUME=False', 'SEED=1',
            f'DATASET_PATH={REPO / "Dataset" / "Roses"}']


def started(python_arguments, results):
    """A Python process in the repository that writes its runs to `results`."""
    here = [f'RESULTS_PATH={results}'] if python_arguments[0] == 'main.py' else []
    quiet = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '2'}
    # No terminal on either stream: main.py then prints lines in the place of a bar.
    return subprocess.Popen([sys.executable, *python_arguments, *here], cwd=REPO, env=quiet, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def time_to(python_arguments, marks):
    """Seconds from the start of a Python process to each of its lines that begin with `marks`, in this order."""
    with tempfile.TemporaryDirectory() as results:
        start, seconds = time.perf_counter(), []
        with started(python_arguments, results) as process:
            for line in process.stdout:
                if len(seconds) < len(marks) and line.startswith(marks[len(seconds)]):
                    seconds.append(time.perf_counter() - start)
    if process.returncode or len(seconds) < len(marks):
        sys.exit(f'python {python_arguments[0]} ended with {process.returncode} and without its line: run it by hand.')
    return seconds


def peak_mb(python_arguments):
    """Peak resident memory of a Python process, from start to end."""
    with tempfile.TemporaryDirectory() as results:
        process = started(python_arguments, results)
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # wait4 took it away from subprocess
        process.stdout.close()
    if process.returncode:
        sys.exit(f'python {python_arguments[0]} ended with {process.returncode}: run it by hand.')
    return megabytes(usage)


if __name__ == '__main__':
    main()
