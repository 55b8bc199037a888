"""Keeps TensorFlow's start-up chatter off the screen, without losing what matters."""

import contextlib
import os
import sys
import tempfile

LEVEL = 'TF_CPP_MIN_LOG_LEVEL'


@contextlib.contextmanager
def quietly():
    """Hold back what is written to standard error, also by C++ code; all of it is shown if the block fails.

    A user who sets TF_CPP_MIN_LOG_LEVEL sees everything that this level lets through.
    """
    if LEVEL in os.environ and os.environ[LEVEL] != '2':
        yield
        return
    os.environ[LEVEL] = '2'
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(screen, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
