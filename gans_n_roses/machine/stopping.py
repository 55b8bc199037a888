"""Ctrl-C and SIGTERM: a run is finished where it stands, saved, and ended."""

import os
import signal
import socket
import threading


class StopRequest:
    """Notes Ctrl-C and SIGTERM, so that an iteration is finished and saved. The second one ends the process at once.

    Attributes:
      requested: the signal's number, or 0.
    """

    def __enter__(self):
        self.requested = 0
        # A handler in Python waits until TensorFlow returns; this byte for each signal does not.
        read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._write.fileno())
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
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
        requests = 0
        with read:
            while number := read.recv(1):
                requests += number[0] in self._before
                if requests == 2:
                    os._exit(128 + number[0])  # files are whole or aside, so it harms nothing
