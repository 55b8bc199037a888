"""What the files of interrupted runs share: `Launcher` starts real processes of main.py, to be signalled and killed."""

import ctypes
import itertools
import json
import os
import re
import resource
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from conftest import REPO
from PIL import Image

from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations

DEADLINE_S = 240
ENDLESS = 1_000_000  # iterations: such a run is stopped by the test
TINY = {'IMAGE_SIZE': 16, 'BATCH_SIZE': 4, 'Z_DIM': 4, 'N_SAMPLES': 4, 'EMA_DECAY': 0.99, 'SEED': 3,
        'GRID_EVERY': 5, 'CHECKPOINT_EVERY': 10, 'MIRROR': True, 'AUGMENT': 'color,translation,cutout',
        'R1_GAMMA': 1.0, 'PRECISION': 'float32', 'DATASET_CHOSEN': 'roses'}


class Ended(NamedTuple):
    """A process that has ended: its exit code (negative: the signal that ended it) and all that it wrote."""

    code: int
    text: str


class Child:
    """A process of main.py."""

    def __init__(self, launcher, pid, log):
        self._launcher, self._pid, self._log = launcher, pid, log
        self._code = None

    def code(self):
        """Its exit code, or None while it runs."""
        if self._code is None:
            self._code = self._launcher.ask({'poll': self._pid})
        return self._code

    def send(self, number):
        if self.code() is None:
            os.kill(self._pid, number)

    def until(self, condition):
        """Wait until the condition holds while the process runs."""
        deadline = time.monotonic() + DEADLINE_S
        for attempt in itertools.count():
            if condition():
                return
            if attempt % 20 == 0:  # asking takes longer than most conditions
                assert self.code() is None, f'ended with {self.code()}:\n{self._log.read_text()}'
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.001)

    def wait(self):
        deadline = time.monotonic() + DEADLINE_S
        while self.code() is None:
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)
        return Ended(self._code, self._log.read_text())


class Launcher:
    """Starts processes of main.py: forks of one process that has imported TensorFlow, which takes most of a start.

    Each does what `python main.py NAME=value ...` does from there on, in a process of its own.
    """

    def __init__(self, folder):
        self._folder, self._children = folder, []
        path = os.pathsep.join([str(REPO), str(Path(__file__).parent)])
        self._server = subprocess.Popen([sys.executable, '-c', 'import launching; launching.serve()'], text=True,
                                        env={**os.environ, 'PYTHONPATH': path, 'TF_DETERMINISTIC_OPS': '1'},
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.stdin.close()
        self._server.wait(DEADLINE_S)

    def ask(self, request):
        self._server.stdin.write(json.dumps(request) + '\n')
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start(self, settings, **how):
        """Start main.py.

        `how` may have file_limit in bytes; powerless: root's rights over files are given up; ignored: numbers of the
        signals that it is started with as ignored; log: a path that it writes to in place of its own log; shipped: a
        path that the model that ships has instead of its own; environment: variables that it has besides; main: the
        path of a main.py that has a mission_control.py of its own beside it.
        """
        log = self._folder / f'{len(self._children)}.log'
        arguments = settings if isinstance(settings, list) else [f'{name}={settings[name]}' for name in settings]
        request = {'cwd': str(self._folder), 'arguments': arguments, 'log': str(log)}
        log.touch()
        self._children.append(Child(self, self.ask({**request, **how}), log))
        return self._children[-1]

    def run(self, settings, **how):
        """Start main.py and wait for its end."""
        return self.start(settings, **how).wait()


def serve():
    """The launcher's own process: one line of JSON is one request, answered by one line."""
    from gans_n_roses.machine.quiet import quietly
    with quietly():
        import gans_n_roses.sampling.roses
        import gans_n_roses.training.loop  # noqa: F401  (imported for its forks)
    running = set()
    for line in sys.stdin:
        request = json.loads(line)
        if 'poll' in request:
            pid, status = os.waitpid(request['poll'], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
            running.discard(pid)
        else:
            answer = os.fork()
            if not answer:
                break
            running.add(answer)
        print(json.dumps(answer), flush=True)
    else:  # the tests have ended, or were ended themselves
        for pid in running:
            os.kill(pid, signal.SIGKILL)
        return
    log = os.open(request['log'], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(file, number)
    os.chdir(request['cwd'])
    os.environ.update(request.get('environment', {}))
    if hasattr(os, 'sched_setaffinity'):  # one thread adds in one order
        processors = sorted(os.sched_getaffinity(0))
        # Of several processes that run tests, each keeps to a processor of its own with what it starts.
        place = int(os.environ.get('PYTEST_XDIST_WORKER', f'gw{os.getpid()}').removeprefix('gw'))
        os.sched_setaffinity(0, {processors[place % len(processors)]})
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests run with nohup
    for number in request.get('ignored', []):
        signal.signal(number, signal.SIG_IGN)
    if 'file_limit' in request:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (request['file_limit'], request['file_limit']))
    if 'powerless' in request and os.geteuid() == 0:  # no capabilities: root is an owner like any other
        header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(header, none) == 0
    if 'shipped' in request:
        from gans_n_roses.runs import shipped
        shipped.FILE = Path(request['shipped'])
    main = request.get('main', str(REPO / 'main.py'))
    sys.argv = [main, *request['arguments']]
    runpy.run_path(main, run_name='__main__')


def make_pictures(folder, count=8):
    folder.mkdir(parents=True)
    rng = np.random.RandomState(0)
    for number in range(count):
        Image.fromarray(rng.randint(0, 256, [16, 16, 3]).astype(np.uint8)).save(folder / f'{number}.png')
    return folder


def only_run(results):
    """The one run in a RESULTS_PATH, with DATASET_CHOSEN as it is in mission_control.py."""
    run, = (RunFolder(path) for path in (results / 'roses').iterdir())
    return run


def copy_run(run, results):
    """A copy of a run, alone in another RESULTS_PATH."""
    return RunFolder(Path(shutil.copytree(run.path, results / 'roses' / run.path.name)))


def read_checkpoint(run, iteration):
    import tensorflow.compat.v1 as tf
    reader = tf.train.load_checkpoint(str(run.saved_models / f'train-{iteration}'))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_same_state(run, other, iteration):
    """Both runs have the same checkpoint, bit for bit, and it is the newest."""
    assert checkpoint_iterations(run.saved_models)[-1] == checkpoint_iterations(other.saved_models)[-1] == iteration
    values, others = read_checkpoint(run, iteration), read_checkpoint(other, iteration)
    assert values.keys() == others.keys()
    different = [name for name in values if np.asarray(values[name]).tobytes() != np.asarray(others[name]).tobytes()]
    assert not different


def pictures_of(run):
    """Path in the run's folder → bytes of every picture."""
    return {str(path.relative_to(run.path)): path.read_bytes() for path in run.generated_images.rglob('*.*')}


def curves(run):
    """What TensorBoard shows: tag → (step, value) in the order of the events."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(str(run.tensorboard), {'scalars': 0, 'images': 0})
    events.Reload()
    shown = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()['scalars']}
    shown |= {tag: [(event.step, event.encoded_image_string) for event in events.Images(tag)]
              for tag in events.Tags()['images']}
    return shown


def command_in(text):
    """The arguments of the command that a sentence tells to go on with."""
    python, main, *arguments = shlex.split(re.search(r'`(\S*python\S* .*?main\.py.*?)`', text)[1])
    assert (python, os.path.basename(main)) == (sys.executable, 'main.py')
    assert os.path.isabs(main)
    return arguments
