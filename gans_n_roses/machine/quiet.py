"""Keeps TensorFlow's start-up chatter off the screen, without losing what matters."""

import contextlib
import os
import sys
import tempfile

LEVEL = 'TF_CPP_MIN_LOG_LEVEL'


@contextlib.contextmanager
def quietly(errors=True):
    """Hold back what is written to standard error, also by C++ code; all of it is shown if the block fails.

    With the environment's TF_CPP_MIN_LOG_LEVEL at 0 or 1, TensorFlow says everything, as it does without this package;
    also where no temporary file has room to hold it back. Without a standard error there is nothing to hold back.

    Args:
      errors: False also keeps TensorFlow from logging errors while the process lives, if this is its first call: of
        several workers, what it logs of one that is lost is told in a sentence.
    """
    if os.environ.setdefault(LEVEL, '2' if errors else '3') in ('0', '1') or sys.stderr is None:
        yield
        return
    try:
        held = tempfile.TemporaryFile()  # noqa: SIM115  (closed below, as what is done without it is no fault)
    except OSError:
        yield
        return
    sys.stderr.flush()
    screen = os.dup(2)
    with held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            with contextlib.suppress(OSError):  # its reader may be gone; the block's own fault is the one to tell
                os.write(screen, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
