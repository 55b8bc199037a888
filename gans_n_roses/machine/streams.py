"""Standard output and standard error that never fail: training goes on when nobody reads them any more."""

import contextlib
import io
import os
import sys


def keep_going():
    """Make standard output and standard error streams to which a write never fails; called once, at the front door.

    What cannot be written is dropped: the reader of a pipe has gone (`| head -1`), the disk is full, the terminal was
    closed. What the encoding lacks is written as \\x.. or \\u...., as Python does on standard error. Everything that
    prints uses these two: print, tqdm, warnings, and Python itself when it ends.
    """
    _fill_closed_descriptors()
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name) or open(os.devnull, 'w', encoding='utf-8')  # noqa: SIM115  (None: closed, `>&-`)
        if isinstance(stream, io.TextIOWrapper):  # any other is an editor's console, which knows what it does
            setattr(sys, name, unfailing(stream))


def unfailing(stream):
    """A text stream that writes to another, as `keep_going` makes them."""
    # Line by line: each is seen at once, and none is lost if the process ends at once.
    return io.TextIOWrapper(io.BufferedWriter(_Unfailing(stream)), stream.encoding, 'backslashreplace',
                            line_buffering=True)


def _fill_closed_descriptors():
    """Open what is closed of descriptors 0, 1 and 2, or the next file to be opened, perhaps a checkpoint, gets one.

    TensorFlow's messages would then be written into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


class _Unfailing(io.RawIOBase):
    """A raw stream that writes to a text stream's own raw stream, and drops what cannot be written."""

    def __init__(self, stream):
        self._stream = stream  # kept, since its end would close the raw stream
        self._raw = getattr(stream.buffer, 'raw', stream.buffer)  # with `python -u` there is no buffer between
        self.fileno, self.isatty = self._raw.fileno, self._raw.isatty

    def writable(self):
        return True

    def write(self, data):
        with contextlib.suppress(OSError):
            return self._raw.write(data) or len(data)  # None: a full pipe that does not wait
        return len(data)
