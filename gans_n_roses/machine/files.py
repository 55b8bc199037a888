"""Files that are whole or not there, names that one process has alone, folders that one process writes at a time."""

import contextlib
import errno
import itertools
import os
import stat

import filelock


def read_file(path):
    """The bytes of a file.

    Args:
      path: Path.
    Raises:
      OSError: it cannot be read, or is no file: a pipe in its place could keep a reader waiting for ever.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, 'it is no file', str(path))
    return path.read_bytes()


def write_file(path, content):
    """Write a file whole: a reader, or a crash, sees the old file or the new one.

    Args:
      path: Path; its folder exists.
      content: bytes.
    Raises:
      OSError: the disk is full, or the folder cannot be written; it names the file. The old file is as it was.
    """
    aside = _aside(path)
    try:
        aside.write_bytes(content)
        put_in_place(aside, path)
    except OSError as problem:
        with contextlib.suppress(OSError):  # the write's own fault is the one to tell
            aside.unlink(missing_ok=True)
        raise OSError(problem.errno, problem.strerror, str(path)) from None


def put_in_place(aside, path):
    """Rename a file that was written aside, once the disk has all of it: the one way by which files here become seen.

    Args:
      aside: Path of the file, on the same disk.
      path: Path that it gets; what was there is replaced.
    Raises:
      OSError: the disk is full, or the folder cannot be written.
    """
    with open(aside, 'rb+') as file:
        os.fsync(file.fileno())
    os.replace(aside, path)


@contextlib.contextmanager
def claim_file(path):
    """Claim a name for a file that `write_file` writes in the block: no other process gets the same.

    The file aside is the claim, so that nothing is seen under the name before the file is whole.

    Args:
      path: Path; its folder exists.
    Yields:
      The path itself; numbered ("_2", "_3" …) where there is such a file, or another process is making it.
    Raises:
      OSError: the folder cannot be written; it names the file.
    """
    for chosen in _numbered(path):
        try:
            _aside(chosen).touch(exist_ok=False)
        except FileExistsError:
            continue
        except OSError as problem:
            raise OSError(problem.errno, problem.strerror, str(chosen)) from None
        if not os.path.lexists(chosen):  # looked at after the claim: another process may just have made it
            break
        _aside(chosen).unlink(missing_ok=True)
    try:
        yield chosen
    finally:
        _aside(chosen).unlink(missing_ok=True)


@contextlib.contextmanager
def claim_folder(path):
    """Make a folder that no other process gets, numbered as `claim_file`; where the block fails, none is left empty."""
    for chosen in _numbered(path):
        try:
            chosen.mkdir()
            break
        except FileExistsError:
            continue
    try:
        yield chosen
    except BaseException:
        with contextlib.suppress(OSError):  # what was made in it is whole, and stays
            chosen.rmdir()
        raise


@contextlib.contextmanager
def inside(folder):
    """Work in a folder: for what takes a path for a pattern, or as UTF-8 only, and is given a plain name in there."""
    try:
        before = os.getcwd()
    except FileNotFoundError:  # deleted: there is no way back, and no relative path that could miss it
        before = None
    os.chdir(folder)
    try:
        yield
    finally:
        if before is not None:
            os.chdir(before)


def lock_folder(folder):
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


def _aside(path):
    return path.with_name(f'.{path.name}.partial')


def _numbered(path):
    yield path
    yield from (path.with_name(f'{path.stem}_{number}{path.suffix}') for number in itertools.count(2))
