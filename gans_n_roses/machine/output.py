"""What the program prints. Nobody may be reading it any more, and training goes on all the same."""

import io
import os
import sys


def keep_going():
    """Make standard output and standard error streams to which a write never fails; called once, at the front door.

    What cannot be written is lost in silence: the reader of a pipe has gone (`| head -1`), the disk is full, the
    terminal was closed. What the encoding lacks is written as \\x.. or \\u...., as Python does on standard error.
    All that prints goes through these two: print, tqdm, warnings, and Python itself when it ends.
    """
    _fill_closed_descriptors()
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name)
        if stream is None:  # it was closed at the start: `>&-`
            raw, encoding = io.FileIO(os.devnull, 'w'), 'utf-8'
        elif isinstance(stream, io.TextIOWrapper):
            raw, encoding = getattr(stream.buffer, 'raw', stream.buffer), stream.encoding  # `python -u` has no buffer
        else:  # an editor's console, which knows what it does
            continue
        # By lines: each is seen when it is said, and none is lost where the process ends at once.
        setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(_Unfailing(raw)), encoding, 'backslashreplace',
                                            line_buffering=True))


def _fill_closed_descriptors():
    """Open what the system keeps for standard input, output and error, or the next file to be opened becomes it.

    TensorFlow's messages would then be written into that file, a checkpoint for instance.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one


class _Unfailing(io.RawIOBase):
    """Writes to a raw stream; what cannot be written is lost."""

    def __init__(self, raw):
        self._raw = raw

    def writable(self):
        return True

    def fileno(self):
        return self._raw.fileno()

    def isatty(self):
        return self._raw.isatty()

    def write(self, data):
        try:
            written = self._raw.write(data)
        except OSError:
            written = None
        return len(data) if written is None else written  # None: a full pipe that does not wait
