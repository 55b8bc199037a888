"""Ctrl-C and SIGTERM: a run is finished where it stands, saved, and ended."""

import signal


class StopRequest:
    """Notes Ctrl-C and SIGTERM, so that an iteration is finished and saved. The second one ends the process at once.

    Attributes:
      requested: the signal's number, or 0.
    """

    def __enter__(self):
        self.requested = 0
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, _):
        self.requested = number
        # The system's own handling ends even a step inside TensorFlow; files are whole or aside, so it harms nothing.
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
