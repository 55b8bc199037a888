"""Ctrl-C, SIGTERM, SIGHUP: a run finishes its iteration, saves and ends; anything else ends at once."""

import contextlib
import os
import signal
import sys
import threading
import time

ONE_REQUEST_S = 1.0  # `timeout` and some schedulers send a signal twice, to the process and to its group


def end_at_once():
    """Let a request to end end the process from now on, with a sentence; called once, at the front door.

    Nothing is lost, since every file is whole or written aside. A KeyboardInterrupt could come in the
    middle of an import, and Python would then wait for the threads that read pictures.

    In a notebook (`%run main.py`) nothing changes: the process holds the user's variables, and a KeyboardInterrupt ends
    this program alone.
    """
    if hasattr(sys, 'ps1'):  # as Python and notebooks have it where a user types commands
        return
    screen = os.dup(2)  # the screen itself, also while `quietly` holds back what is written to 2

    def end(number, _):
        with contextlib.suppress(OSError):  # nobody may be there to read it
            os.write(screen, b'\nStopped; nothing was lost.\n')  # print fails in the middle of another print
        os._exit(128 + number)
    for number in requests_to_end():
        signal.signal(number, end)


class StopRequest:
    """A block in which Ctrl-C, SIGTERM and SIGHUP are noted, so that an iteration can be finished and saved.

    Signals within a second of the first are the same request; a later one does what it did before the block, which ends
    the process at once. Python handles signals between two of its own steps, so both wait until TensorFlow returns. In
    a thread other than the main one, where Python allows no handlers, nothing is noted and signals do what they did.

    Attributes:
      requested: number of the first signal; 0 before it.
    """

    def __enter__(self):
        self.requested = 0
        in_main = threading.current_thread() is threading.main_thread()
        self._before = {number: signal.signal(number, self._note) for number in requests_to_end() if in_main}
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, _):
        if not self.requested:
            self.requested, self._since = number, time.monotonic()
        elif time.monotonic() - self._since >= ONE_REQUEST_S:
            signal.signal(number, self._before[number])
            signal.raise_signal(number)


def requests_to_end():
    """Signals that ask for an end, as a list; not those that the process was started with as ignored.

    `nohup` has SIGHUP ignored, and a script has SIGINT ignored by what it starts in the background.
    """
    return [number for number in signal.Signals  # Windows has no SIGHUP
            if number.name in ('SIGHUP', 'SIGINT', 'SIGTERM') and signal.getsignal(number) != signal.SIG_IGN]
