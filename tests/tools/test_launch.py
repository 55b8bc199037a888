"""Several workers as real processes: lost, stopped, resumed, and the launcher that starts them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import REPO
from launching import DEADLINE_S, ENDLESS, only_run

from gans_n_roses.errors import BadInput
from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations
from gans_n_roses.tools import launch

LAST = 6


@pytest.fixture(scope='module')
def pair(tiny):
    """Settings of a run of two workers, each of which takes half of the eight pictures."""
    return {**tiny, 'AUGMENT': '', 'R1_GAMMA': 0.0, 'CHECKPOINT_EVERY': 3, 'N_ITERATIONS': LAST}


@pytest.fixture(scope='module')
def whole(launcher, pair, tmp_path_factory):
    """A run of two workers that nobody disturbs, and how both ended."""
    results = tmp_path_factory.mktemp('whole')
    ended = [worker.wait() for worker in start_both(launcher, {**pair, 'RESULTS_PATH': results})]
    return only_run(results), ended


def start_both(launcher, settings, timeout=60, **differs):
    """Start two workers, as TF_CONFIG by hand does; the second one's settings may differ."""
    addresses = [f'127.0.0.1:{port}' for port in launch.free_ports(2)]
    configs = [{'cluster': {'worker': addresses}, 'task': {'type': 'worker', 'index': index}, 'timeout': timeout}
               for index in range(2)]
    return [launcher.start({**settings, **more}, environment={'TF_CONFIG': json.dumps(config)})
            for config, more in zip(configs, ({}, differs), strict=True)]


def saved(results, iteration):
    """Condition: the run there has a checkpoint of this iteration, or of a later one."""
    return lambda: any(checkpoint_iterations(RunFolder(path).saved_models)[-1:] >= [iteration]
                       for path in (results / 'roses').glob('*'))


def test_two_workers_make_one_run_and_only_the_first_writes(whole):
    run, (first, second) = whole
    assert first.code == second.code == 0, first.text + second.text
    assert '2 workers, each with a batch of 4: an iteration takes 8 pictures' in first.text
    assert ' pictures/s' in first.text
    assert second.text == ''
    assert checkpoint_iterations(run.saved_models) == [1, 3, 6]
    assert json.loads(run.options.read_text())['history'][-1]['workers'] == 2


def test_a_worker_that_is_killed_ends_the_other_and_the_run_goes_on_exactly(launcher, pair, whole, tmp_path):
    settings = {**pair, 'RESULTS_PATH': tmp_path}
    first, second = start_both(launcher, {**settings, 'N_ITERATIONS': ENDLESS})
    first.until(saved(tmp_path, 3))
    second.send(signal.SIGKILL)
    assert 'go on from iteration' in told_of(first, lost=1)
    run = only_run(tmp_path)
    keep_until(run, 3)
    for worker in start_both(launcher, {**settings, 'RESUME': True}):
        ended = worker.wait()
        assert ended.code == 0, ended.text
    assert checkpoint_iterations(run.saved_models) == [1, 3, LAST]
    for part in ('.index', '.data-00000-of-00001'):
        one, other = ((each.saved_models / f'train-{LAST}{part}').read_bytes() for each in (run, whole[0]))
        assert one == other


def test_the_others_are_told_when_the_first_worker_is_killed(launcher, pair, tmp_path):
    first, second = start_both(launcher, {**pair, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': ENDLESS,
                                          'CHECKPOINT_EVERY': ENDLESS})
    first.until(saved(tmp_path, 1))
    first.send(signal.SIGKILL)
    assert 'The first worker keeps the run: start all workers with RESUME=True to go on.' in told_of(second, lost=0)


def told_of(worker, lost):
    """What a worker says of the one that is lost."""
    ended = worker.wait()
    assert ended.code == 1, ended.text
    assert f'\nWorker {lost} (127.0.0.1:' in ended.text and 'has ended or cannot be reached' in ended.text
    assert 'Traceback' not in ended.text
    return ended.text


def keep_until(run, iteration):
    """Delete the checkpoints that are later, in case the kill was late."""
    for path in run.saved_models.iterdir():
        if path.name.startswith(('train-', 'best-')) and int(path.name.split('-')[1].split('.')[0]) > iteration:
            path.unlink()


def test_a_signal_to_one_worker_saves_once_ends_both_and_one_alone_goes_on(launcher, pair, tmp_path):
    """These workers are the launcher's, which passes on what they say, and how they end."""
    settings = {**pair, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': ENDLESS, 'CHECKPOINT_EVERY': ENDLESS}
    with open(tmp_path / 'log', 'w+') as log:
        process = subprocess.Popen([sys.executable, '-m', 'gans_n_roses.tools.launch', '--workers', '2',
                                    *(f'{name}={value}' for name, value in settings.items())],
                                   stdout=log, stderr=log, cwd=REPO)
        until(saved(tmp_path, 1))
        _, second = map(int, subprocess.run(['pgrep', '-P', str(process.pid)], capture_output=True, text=True,
                                            check=True).stdout.split())
        os.kill(second, signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 128 + signal.SIGTERM
        log.seek(0)
        text = log.read()
    run = only_run(tmp_path)
    first, last = checkpoint_iterations(run.saved_models)
    assert first == 1 and f'\nStopped at iteration {last}. The last checkpoint is ' in text
    assert (f'[worker 1] Stopped at iteration {last}. The first worker keeps the run: start all workers with '
            'RESUME=True to go on.' in text)

    ended = launcher.run({**settings, 'RESUME': True, 'N_ITERATIONS': last + 2})
    assert ended.code == 0, ended.text
    assert ('The run was last trained by 2 workers, now by 1: from here on an iteration takes 1 × 4 pictures.'
            in ended.text)
    assert checkpoint_iterations(run.saved_models)[-1] == last + 2


# The launcher


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Function: the launcher's workers run this code in the place of main.py; `me` is their place."""
    def put(code):
        (tmp_path / 'main.py').write_text('import json, os, signal, sys, time\n'
                                          "me = json.loads(os.environ['TF_CONFIG'])['task']['index']\n" + code)
        monkeypatch.setattr(launch, 'ROOT', tmp_path)
    return put


def begin(count=3):
    return [launch.start(index, count, ['A=1'], {'TF_CONFIG': json.dumps({'task': {'index': index}})})
            for index in range(count)]


def test_lines_of_the_others_get_their_number_and_all_well_is_0(stand_in, capfd):
    stand_in('print("I am", me, sys.argv[1:])\nprint("", file=sys.stderr)')
    before = threading.enumerate()
    assert launch.wait(begin(), timeout=60) == 0
    for thread in set(threading.enumerate()) - set(before):
        thread.join(DEADLINE_S)
    out, err = capfd.readouterr()
    assert out == "I am 0 ['A=1']\n"
    assert sorted(filter(None, err.splitlines())) == [f"[worker {index}] I am {index} ['A=1']" for index in (1, 2)]


@pytest.mark.parametrize(('end', 'code'), [
    ('sys.exit(2)', 2), ('os.kill(os.getpid(), signal.SIGKILL)', 128 + signal.SIGKILL), ('sys.exit(143)', 143)])
def test_one_that_fails_ends_all_and_gives_the_exit_code(stand_in, monkeypatch, end, code):
    """The second fails, the third does not notice, and the first does not even heed SIGTERM."""
    monkeypatch.setattr(launch, 'GRACE_S', 0.5)
    stand_in('place = os.path.dirname(__file__)\n'
             'if me == 0: signal.signal(signal.SIGTERM, signal.SIG_IGN); os.mkdir(place + "/ready")\n'
             'while not os.path.exists(place + "/ready"): time.sleep(0.01)\n'
             f'if me == 1: {end}\ntime.sleep(600)')
    workers = begin()
    handlers = {number: signal.getsignal(number) for number in launch.stopping.requests_to_end()}
    with launch.passing_on(workers):
        assert launch.wait(workers, timeout=0.5) == code
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert [worker.returncode for worker in workers[::2]] == [-signal.SIGKILL, -signal.SIGTERM]


@pytest.mark.skipif(not hasattr(os, 'sched_getaffinity'), reason='the system does not let one choose the cores')
def test_the_cores_are_shared_out(stand_in, capfd):
    stand_in('if me == 0: print(json.dumps(sorted(os.sched_getaffinity(0))))')
    cores = sorted(os.sched_getaffinity(0))
    for count in (2, len(cores) + 1):
        worker = launch.start(0, count, [], {'TF_CONFIG': json.dumps({'task': {'index': 0}})})
        assert worker.wait(DEADLINE_S) == 0
        assert json.loads(capfd.readouterr().out) == cores[::count]


def test_each_worker_gets_a_gpu(monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3, 5,7')
    assert launch.devices_for(2) == [{'CUDA_VISIBLE_DEVICES': '3'}, {'CUDA_VISIBLE_DEVICES': '5'}]
    with pytest.raises(BadInput, match='--workers is 4, but there are only 3 GPUs'):
        launch.devices_for(4)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    assert launch.devices_for(4) == [{}] * 4


def test_the_gpus_are_those_that_nvidia_smi_lists(monkeypatch, tmp_path):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    tool = tmp_path / 'nvidia-smi'
    tool.write_text('#!/bin/sh\necho "GPU 0: H100 (UUID: GPU-1)"\necho "  MIG 1g (UUID: x)"\necho "GPU 1: H100"\n')
    tool.chmod(0o755)
    assert launch.devices_for(2) == [{'CUDA_VISIBLE_DEVICES': '0'}, {'CUDA_VISIBLE_DEVICES': '1'}]


@pytest.mark.parametrize(('words', 'told'), [
    (['--workers', '0'], '--workers is 0'),
    (['--workers', '1000000000'], '1 to 1000 workers'),
    (['--workers', '2', '--timeout', 'inf'], '--timeout inf'),
    (['--workers', '2', '--timeout', 'nan'], '--timeout nan'),
    (['--workers', '2', '--timeout', '1e300'], '--timeout 1e+300'),
    (['--workers', '2', 'BATCH=4'], "'BATCH', which is no setting"),
    (['--workers', '6'], 'BATCH_SIZE is 12 in mission_control.py for each of 6 workers, but DATASET_PATH'),
    (['--workers', '2', 'LOAD=True', 'RUN=x'], 'roses are made by one process'),
])
def test_what_is_wrong_is_told_once_before_anything_starts(words, told, capfd):
    assert launch.main(words) == 2
    out, err = capfd.readouterr()
    assert out == '' and err.count(told) == 1


LAUNCHER = """
import sys
from pathlib import Path
from gans_n_roses.machine import stopping
from gans_n_roses.tools import launch
launch.ROOT = Path(sys.argv[1])
stopping.end_at_once()
sys.exit(launch.main(sys.argv[2:]))
"""
WORKER = """
import os, signal, sys, time
from pathlib import Path
def save(number, _):
    time.sleep(0.1)
    Path(f'{os.getpid()}.saved').touch()
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, save)
Path(f'{os.getpid()}.ready').touch()
time.sleep(600)
"""


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_the_launcher_leaves_no_worker_behind(pictures_folder, tmp_path, number):
    """Asked to end it passes that on, and lets the workers save; killed, it takes them along (on Linux)."""
    if number == signal.SIGKILL and sys.platform != 'linux':
        pytest.skip('needs PR_SET_PDEATHSIG')
    (tmp_path / 'main.py').write_text(WORKER)
    shutil.copy(REPO / 'mission_control.py', tmp_path)
    words = ['--workers', '2', f'DATASET_PATH={pictures_folder}', 'BATCH_SIZE=4']
    process = subprocess.Popen([sys.executable, '-c', LAUNCHER, str(tmp_path), *words], cwd=tmp_path,
                               env={**os.environ, 'PYTHONPATH': str(REPO)})
    until(lambda: len(list(tmp_path.glob('*.ready'))) == 2)
    workers = {int(path.stem) for path in tmp_path.glob('*.ready')}
    process.send_signal(number)
    code = process.wait(DEADLINE_S)
    until(lambda: not any(map(runs, workers)))
    assert {int(path.stem) for path in tmp_path.glob('*.saved')} == workers
    assert code == (128 + number if number == signal.SIGTERM else -number)


def until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
