"""Keeps TensorFlow's start-up chatter off the screen, without losing what matters."""

import contextlib
import os
import sys
import tempfile

LEVEL = 'TF_CPP_MIN_LOG_LEVEL'


@contextlib.contextmanager
def quietly():
    """Hold back what is written to standard error, also by C++ code; all of it is shown if the block fails.

    With the environment's TF_CPP_MIN_LOG_LEVEL at 0 or 1, TensorFlow says everything, as it does without this package.
    """
    if os.environ.setdefault(LEVEL, '2') in ('0', '1'):
        yield
        return
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
