"""Files that are whole or not there, names that one process has alone, folders that one process writes at a time."""

import contextlib
import errno
import itertools
import os
import shutil
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
    aside = path.with_name(f'.{path.name}.partial')
    with _naming(path):
        try:
            remove(aside)  # left by a process that was killed, or a link that leads elsewhere
            with open(aside, 'xb') as file:
                file.write(content)
            put_in_place(aside, path)
        except OSError:
            with contextlib.suppress(OSError):  # the error of the write is the one to tell
                aside.unlink(missing_ok=True)
            raise


def remove(path):
    """Delete a file, a link, a pipe, or a folder and all that is in it, if there is one. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def put_in_place(aside, path):
    """Rename a file that was written aside, once all of it is on the disk. Files here become visible only this way.

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
    """Claim a name for a file that is written within the block: no other process gets the same name.

    A hidden file beside it is the claim, so nothing is seen under the name before the file is whole.

    Args:
      path: Path; its folder exists.
    Yields:
      The path itself, or numbered ("_2", "_3" …) if that file exists or another process is making it.
    Raises:
      OSError: the folder cannot be written; it names the file.
    """
    for chosen in _numbered(path):
        claim = chosen.with_name(f'.{chosen.name}.claim')
        try:
            with _naming(chosen):
                claim.touch(exist_ok=False)
        except FileExistsError:
            continue
        try:
            if not os.path.lexists(chosen):  # asked after the claim: another process may just have made it
                yield chosen
                return
        finally:
            claim.unlink(missing_ok=True)


@contextlib.contextmanager
def claim_folder(path):
    """Make a folder that no other process gets, numbered as in `claim_file`; if the block fails, no empty one stays."""
    for chosen in _numbered(path):
        with contextlib.suppress(FileExistsError):
            chosen.mkdir()
            break
    try:
        yield chosen
    except BaseException:
        with contextlib.suppress(OSError):  # not empty: the files in it are whole, and stay
            chosen.rmdir()
        raise


def rename_to_free(aside, path):
    """Rename a folder that was made aside, once it is whole: a process that is killed before has taken no name.

    Args:
      aside: Path of the folder, on the same disk.
      path: Path that it gets.
    Returns:
      The path itself, or numbered as in `claim_file` if there is something already.
    Raises:
      OSError: it cannot be renamed.
    """
    for chosen in _numbered(path):
        try:
            if not os.path.lexists(chosen):
                os.rename(aside, chosen)
                return chosen
        except OSError:
            if not os.path.lexists(chosen):  # else another process has just made it
                raise


@contextlib.contextmanager
def working_in(folder):
    """Work in a folder, for TensorFlow calls that read "[1]" as a pattern or want UTF-8: they get a plain file name.

    The working directory belongs to the whole process: other threads see it change.

    Args:
      folder: path of the folder.
    """
    try:
        before = os.getcwd()
    except FileNotFoundError:  # deleted: no relative path can have worked, and there is no way back
        before = None
    os.chdir(folder)
    try:
        yield
    finally:
        if before is not None:
            os.chdir(before)


def lock_folder(folder):
    """Lock a folder until the process ends, however it ends: `lock` of a hidden file in it, without waiting."""
    return lock(folder / '.lock')


def lock(path, wait=False):
    """Lock a file until the process ends, however it ends.

    On a file system without locks, a sentence is printed and nothing is locked.

    Args:
      path: Path of the file, which is made and stays; its folder exists.
      wait: True waits for another process that has locked it.
    Returns:
      A context manager that unlocks the file; None if another process has locked it.
    Raises:
      OSError: the file cannot be written.
    """
    with path.open('ab+', buffering=0):  # here, so that what goes wrong later is the lock's own; 'a' waits at a pipe
        pass
    try:
        # A soft lock, which is only a file that exists, would outlive a process that is killed.
        return filelock.FileLock(path, fallback_to_soft=False).acquire(blocking=wait)
    except filelock.Timeout:
        return None
    except OSError as problem:
        print(f'{path.parent} cannot be locked ({problem.strerror}): let one process at a time write there.',
              flush=True)
        return contextlib.nullcontext()


@contextlib.contextmanager
def _naming(path):
    """Name a file in the errors of another that stands in for it."""
    try:
        yield
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, str(path)) from None


def _numbered(path):
    yield path
    yield from (path.with_name(f'{path.stem}_{number}{path.suffix}') for number in itertools.count(2))
