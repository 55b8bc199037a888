"""Files that are whole or not there, and folders that one process writes at a time."""

import contextlib
import os

import filelock


def write_file(path, content):
    """Write a file aside, then rename it: a reader, or a crash, sees the old file or the new one.

    Args:
      path: Path; its folder exists.
      content: bytes.
    Raises:
      OSError: the disk is full, or the folder cannot be written. The old file is as it was.
    """
    aside = path.with_name(f'.{path.name}.partial')
    try:
        with open(aside, 'wb') as file:
            file.write(content)
        os.replace(aside, path)
    except OSError:
        with contextlib.suppress(OSError):  # the write's own fault is the one to tell
            aside.unlink(missing_ok=True)
        raise


def hold(folder):
    """Claim a folder until the process ends, however it ends.

    Args:
      folder: Path.
    Returns:
      A context manager that gives the folder back; None if another process holds it.
    Raises:
      OSError: the folder cannot be written.
    """
    lock = filelock.FileLock(folder / '.lock')
    try:
        return lock.acquire(blocking=False)
    except filelock.Timeout:
        return None
