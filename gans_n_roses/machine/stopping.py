"""Ctrl-C, SIGTERM, SIGHUP: a run is finished where it stands, saved, and ended; anything else ends at once."""

import contextlib
import os
import signal
import socket
import threading
import time

ONE_REQUEST_S = 1.0  # `timeout` and some schedulers send a signal twice, to the process and to its group


def end_at_once():
    """From now on a request to end ends the process, with a sentence; called once, at the front door.

    Files are whole or aside at any moment, so it harms nothing. An exception in place of it could come up anywhere, in
    the middle of an import too, and wait for the threads that read pictures.
    """
    screen = os.dup(2)  # the screen itself, also while quiet.py holds back what is written to 2

    def end(number, _):
        with contextlib.suppress(OSError):  # nobody may be there to read it
            os.write(screen, b'\nStopped; nothing was lost.\n')  # print fails in the middle of another print
        os._exit(128 + number)
    for number in requests_to_end():
        signal.signal(number, end)


class StopRequest:
    """Notes Ctrl-C, SIGTERM and SIGHUP, so that an iteration is finished and saved.

    What comes within a second of the first is the same request; the next one ends the process at once.

    Attributes:
      requested: the signal's number, or 0.
    """

    def __enter__(self):
        self.requested = 0
        # A handler in Python waits until TensorFlow returns; this byte for each signal does not.
        read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._write.fileno())
        self._before = {number: signal.signal(number, self._note) for number in requests_to_end()}
        threading.Thread(target=self._end_on_second, args=[read], daemon=True).start()
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._write.close()

    def _note(self, number, _):
        self.requested = number

    def _end_on_second(self, read):
        first = None
        with read:
            while number := read.recv(1):
                if number[0] not in self._before:
                    continue
                first = first or time.monotonic()
                if time.monotonic() - first >= ONE_REQUEST_S:
                    os._exit(128 + number[0])


def requests_to_end():
    """The signals that ask for an end, but for those that whoever started the process had it ignore.

    `nohup` does so with SIGHUP, a script with SIGINT for what it starts in the background.
    """
    names = [name for name in ('SIGINT', 'SIGTERM', 'SIGHUP') if hasattr(signal, name)]  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
