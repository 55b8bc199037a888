"""Decoded pictures, kept in one file for each folder and size: the next start need not decode them. No TensorFlow.

The file is a ZIP archive without compression. It holds

    files.json      the files of the folder, each as a list of what File has, and what decoded them
    DIGEST          the pixels of the picture whose file has this digest, uint8 [size, size, channels]

The archive's own checksums, one for each member, are compared whenever a member is read.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from tqdm import tqdm

from gans_n_roses.errors import RunFailed, reason
from gans_n_roses.machine.files import lock, put_in_place
from gans_n_roses.machine.quiet import silenced
from gans_n_roses.pictures import channels, decoding
from gans_n_roses.pictures.decoding import File, Form, describe_file, read_pictures

FILES = 'files.json'
TOLD_FROM = 100e6  # bytes that a user may want to know of


class Damaged(RunFailed):
    """A picture in a cache is not as it was written, and its file is no longer what it was."""


class CachedPictures:
    """Pictures in a file: uint8 [n, size, size, channels], of which memory holds no more than was asked for last.

    They are indexed as an array is, by what chooses pictures: a row, rows, a slice, a mask. Each is checked as it is
    read. They are read, not mapped into memory: pages of a mapping count as memory of the process, and a fault of the
    disk in one of them kills it without a word. One that is not as it was written is decoded again, each time.

    Args:
      archive: ZipFile.
      root: Path of the folder.
      files: list of File, the pictures.
      form: Form of the pictures.

    Raises:
      Damaged: a picture is not as it was written, and its file has changed since.
    """

    def __init__(self, archive, root, files, form):
        self._archive, self._root, self._told = archive, root, False
        self._names = np.array([file.name for file in files], object)
        self._digests = np.array([file.digest for file in files], object)
        self.form, self.shape = form, (len(files), *form.shape)
        self.nbytes = math.prod(self.shape)

    def __len__(self):
        return len(self._names)

    def __getitem__(self, rows):
        names, digests = np.asarray(self._names[rows]), np.asarray(self._digests[rows])
        pictures = np.empty([names.size, *self.shape[1:]], np.uint8)
        for place, (name, digest) in enumerate(zip(names.flat, digests.flat, strict=True)):
            pictures[place] = self.read(name, digest)
        return pictures.reshape(*names.shape, *self.shape[1:])

    def read(self, name, digest):
        """The picture in a file of this name and digest, uint8 [size, size, channels]. Raises Damaged."""
        try:
            return np.frombuffer(self._archive.read(digest), np.uint8).reshape(self.shape[1:])
        except Exception:  # zipfile raises anything on damaged bytes
            path = Path(self._archive.filename)
            if not self._told:
                self._told = True
                tqdm.write(f'The cache of decoded pictures {path} is damaged: what is not as it was written is decoded '
                           'again, and the next start makes the cache anew.')
                with contextlib.suppress(OSError):
                    path.unlink()  # or a newer one, of another process: that costs time alone
            with silenced():
                [(file, pixels)] = read_pictures(self._root, [describe_file(self._root, name)], self.form)
            if file.digest != digest:
                raise Damaged(f'{self._root / name} is no longer what it was when the run began, and its picture in '
                              f'the cache is damaged. Start anew: {path} is then made anew, too.') from None
            return pixels


class Cache(NamedTuple):
    """A cache that was opened."""

    pictures: CachedPictures
    files: list  # of File


def read_through_cache(root, files, form):
    """Read the pictures of a folder; those that have not changed since the last time come out of the cache.

    What cannot be read is tried again each time. Two processes that want the same cache make it once: the second waits
    for the first.

    Args:
      root: Path of the folder.
      files: list of File, as `describe_file` returns them.
      form: Form that the pictures are brought to.
    Returns:
      Cache, with the files filled in; None where it cannot be written, which is told.
    """
    try:
        path = cache_path(root, form)
    except RuntimeError as problem:
        print(f'No cache of decoded pictures is kept ({problem}): set the environment variable HOME or XDG_CACHE_HOME.',
              flush=True)
        return None
    try:
        # Without a lock at first: nothing is written where nothing has changed.
        cache = _open(path, root, form)
        if _up_to_date(cache, root, files):
            return cache
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with _alone(path):
            cache = _open(path, root, form)  # another process may have made it meanwhile
            return cache if _up_to_date(cache, root, files) else _make(path, root, files, form, cache)
    except OSError as problem:
        print(f'The cache of decoded pictures {path} cannot be written: {reason(problem)}. This costs time at each '
              'start, and nothing else.', flush=True)
        return None


def cache_path(root, form):
    """Path of a folder's cache: in the user's folder for caches, or where XDG_CACHE_HOME of the environment says.

    Raises:
      RuntimeError: the system knows no home folder of the user's.
    """
    base = os.environ.get('XDG_CACHE_HOME', '')
    if not os.path.isabs(base):
        home = {'darwin': '~/Library/Caches', 'win32': os.environ.get('LOCALAPPDATA', '~/AppData/Local')}
        base = Path(home.get(sys.platform, '~/.cache')).expanduser()
    folder = os.path.realpath(root)
    name = re.sub(r'[^\w-]', '_', os.path.basename(folder), flags=re.ASCII)[:50]
    place = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    kind = '' if form == Form(form.size) else f'-{form.channels}-{form.fit}'
    return Path(base, 'gans_n_roses', f'{name}-{form.size}px{kind}-{place}.zip')


def _decoder():
    """The version of what decodes pictures: a digest of this program's own decoder, and Pillow's version."""
    # Its own source: whoever changes it need not think of caches.
    source = b''.join(Path(module.__file__).read_bytes() for module in (channels, decoding))
    return [hashlib.blake2b(source, digest_size=8).hexdigest(), PIL.__version__]


def _alone(path):
    """Lock a cache for this process, once no other one writes it; returns a context manager that unlocks it."""
    file = path.with_name(path.name + '.lock')
    held = lock(file)
    if held is None:
        print('Another process reads these pictures into the cache: waiting for it ...', flush=True)
        held = lock(file, wait=True)
    return held


def _open(path, root, form):
    """Open a cache. One that will not do is deleted, which is told.

    Returns:
      Cache, or None.
    Raises:
      OSError: it cannot be deleted.
    """
    if not os.path.lexists(path):
        return None
    with contextlib.suppress(Exception):
        if cache := _read(path, root, form):
            return cache
    path.unlink(missing_ok=True)
    print(f'The cache of decoded pictures {path} is made anew: it is damaged, or another version of the program or of '
          'Pillow made it.', flush=True)
    return None


def _read(path, root, form):
    """Cache; None where it is no file, or of another version. Raises anything on damaged bytes."""
    if not path.is_file():  # a pipe would keep its reader waiting
        return None
    archive = zipfile.ZipFile(path)  # stays open: when a newer one takes its place, these pictures stay what they are
    table = json.loads(archive.read(FILES))
    if table['decoder'] != _decoder():
        return None
    files = [File(*file) for file in table['files']]
    return Cache(CachedPictures(archive, root, [file for file in files if file.digest], form), files)


def _up_to_date(cache, root, files):
    """True if a cache has all that can be read of these files, and nothing else."""
    if cache is None or [file.identity for file in cache.files] != [file.identity for file in files]:
        return False
    again = [file for file in cache.files if file.problem]
    return not any(file.digest for file, _ in read_pictures(root, again, cache.pictures.form))


def _make(path, root, files, form, old=None):
    """Write a cache aside, put it in place and open it."""
    needed, free = math.prod(form.shape) * len(files), shutil.disk_usage(path.parent).free
    if needed > free:
        raise OSError(errno.ENOSPC, f'it may need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free')
    aside = path.with_name(f'.{path.name}.partial')
    aside.unlink(missing_ok=True)  # of a process that was killed
    found, written = [], set()
    try:
        with zipfile.ZipFile(aside, 'x') as archive:  # a new file: where somebody put a link, its target is not touched
            for file, pixels in _recall_or_read(root, files, form, old):
                found.append(file)
                if file.digest and file.digest not in written:
                    written.add(file.digest)
                    archive.writestr(zipfile.ZipInfo(file.digest), pixels.tobytes())
            table = {'decoder': _decoder(), 'files': found}
            archive.writestr(zipfile.ZipInfo(FILES), json.dumps(table))
        if not written:
            return Cache(None, found)
        put_in_place(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    path.with_suffix('.pictures').unlink(missing_ok=True)  # of versions up to 1.5.0
    made = _open(path, root, form)
    if made and made.pictures.nbytes > TOLD_FROM and not old:
        print(f'Cache        {path} holds the decoded pictures, {made.pictures.nbytes / 1e6:,.0f} MB, so that the next '
              'start need not decode them. Delete it whenever you like.', flush=True)
    return made


def _recall_or_read(root, files, form, old):
    """(File filled in, its pixels) for each file: out of the old cache if it has not changed since, or read now."""
    known = {file.identity: file for file in old.files if not file.problem} if old else {}
    changed = read_pictures(root, [file for file in files if file.identity not in known], form)
    for file in files:
        if same := known.get(file.identity):
            yield same, old.pictures.read(same.name, same.digest) if same.digest else None
        else:
            yield next(changed)
