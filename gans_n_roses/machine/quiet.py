"""Loading and running TensorFlow quietly: start-up messages stay off the screen, errors do not get lost."""

import contextlib
import io
import os
import platform
import subprocess
import sys
import tempfile
import threading

from gans_n_roses.machine.streams import unfailing

LEVEL = 'TF_CPP_MIN_LOG_LEVEL'
ONEDNN = 'TF_ENABLE_ONEDNN_OPTS'
# A program of the shell that is told once a block has ended. If nobody tells it, the process has aborted: it shows what
# was held back in the file $1, but for TensorFlow's notes, warnings and errors, which start-up always has.
WATCH = 'read -r ended || { grep -Ev "^WARNING|^[IWE][0-9]{4} |: [IWE] " "$1"; rm -f "$1"; }'
SILENCING = threading.RLock()  # standard error belongs to the whole process


@contextlib.contextmanager
def loading_tensorflow(errors=True):
    """For the block that imports TensorFlow: `use_onednn`, then `quietly`; TensorFlow also looks for GPUs in it."""
    use_onednn()
    if os.path.expanduser('~') == '~':  # no home folder is known: Keras would keep its settings in a folder called "~"
        os.environ.setdefault('KERAS_HOME', os.devnull)
    with quietly(errors):
        yield
        import tensorflow  # here: this module is loaded before it
        tensorflow.config.list_physical_devices('GPU')  # at the first look, a machine without one logs an error


def use_onednn():
    """Let TensorFlow use the library oneDNN on every PC, unless the environment says otherwise; call before importing.

    On Linux TensorFlow does so by itself only where the processor has VNNI, AMX or the like: AMD's from Zen 4 on,
    Intel's from 2019 on. With AVX2 alone a step takes a fifth to a quarter less time with it.
    """
    if platform.machine() in ('x86_64', 'AMD64'):
        os.environ.setdefault(ONEDNN, '1')


@contextlib.contextmanager
def quietly(errors=True):
    """Hold back what is written to standard error, also by C++ code; all of it is shown if the block fails.

    TensorFlow aborts where the processor lacks AVX or no thread can be started: another process then shows why.
    Nothing is held back if the environment sets TF_CPP_MIN_LOG_LEVEL to 0 or 1, if there is no standard error, or if
    there is no room for a temporary file or that process.

    Args:
      errors: False also keeps TensorFlow from logging errors as long as the process lives, if this is the first call:
        among several workers, a lost one is told in a sentence of our own.
    """
    if os.environ.setdefault(LEVEL, '2' if errors else '3') in ('0', '1') or sys.stderr is None:
        yield
        return
    try:
        held = tempfile.NamedTemporaryFile()  # noqa: SIM115  (closed below; only opening it may fail without harm)
        watcher = os.name == 'posix' and subprocess.Popen(['sh', '-c', WATCH, 'sh', held.name], stdin=subprocess.PIPE,
                                                          stdout=2, stderr=subprocess.DEVNULL)
    except OSError:
        yield
        return
    with held, _redirected(held) as screen:
        try:
            yield
        except BaseException:
            held.seek(0)
            with contextlib.suppress(OSError):  # nobody may be reading; the error of the block is the one to tell
                os.write(screen, held.read())
            raise
        finally:
            if watcher:
                watcher.communicate(b'ended\n')


@contextlib.contextmanager
def silenced():
    """Drop what C code writes to standard error: libtiff and the like tell of faults there without the file's name.

    What Python writes there is seen as before. One thread at a time is in such a block; others wait.
    """
    with SILENCING:
        if not isinstance(sys.stderr, io.TextIOWrapper):  # none, or an editor's console, which is no such file
            yield
            return
        with open(os.devnull, 'wb') as nothing, _redirected(nothing) as screen, \
                open(screen, 'w', encoding=sys.stderr.encoding, closefd=False) as shown, \
                contextlib.redirect_stderr(unfailing(shown)):
            yield


@contextlib.contextmanager
def _redirected(file):
    """Let what is written to standard error go to a file; yields a descriptor of what it was."""
    sys.stderr.flush()
    screen = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield screen
    finally:
        sys.stderr.flush()
        os.dup2(screen, 2)
        os.close(screen)
