"""Decoded pictures, kept in one file for each folder and size: the next start need not decode them. No TensorFlow.

The file is a ZIP archive without compression, which `numpy.load` and other tools open. It holds

    pictures    the pixels, uint8 [n, size, size, 3], one picture after the other
    files.npy   the table of files (see `decoding.describe_files`): which picture is of which file, and its checksum

The archive's own checksum of the table is compared at each start, and each picture's whenever it is read.
"""

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
import shutil
import sys
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import filelock
import numpy as np
import PIL

from gans_n_roses.errors import RunFailed, reason
from gans_n_roses.machine.files import put_in_place
from gans_n_roses.pictures import decoding
from gans_n_roses.pictures.decoding import IDENTITY, OTHER, UNREAD, read_pictures

TOLD_FROM = 100e6  # bytes that a user may want to know of


class Damaged(RunFailed):
    """A picture in a cache is not as it was written."""


class CachedPictures:
    """Pictures in a file: uint8 [n, size, size, 3], of which memory holds no more than was asked for last.

    They are indexed as an array is, by what chooses pictures: a row, rows, a slice, a mask. Each is checked as it is
    read. They are read, not mapped into memory: pages of a mapping count as memory of the process, and a fault of the
    disk in one of them kills it without a word.

    Raises:
      Damaged: a picture is not as it was written. The file is deleted, so that the next start makes it anew.
    """

    def __init__(self, file, path, begins, image_size, checksums):
        self._file, self._path, self._begins, self._checksums = file, path, begins, checksums
        self._rows = np.arange(len(checksums))
        self.shape = (len(checksums), image_size, image_size, 3)
        self.nbytes = math.prod(self.shape)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, rows):
        rows = self._rows[rows]
        pictures = np.empty([*rows.shape, *self.shape[1:]], np.uint8)
        for row, picture in zip(rows.flat, pictures.reshape(-1, *self.shape[1:]), strict=True):
            try:
                self._file.seek(self._begins + int(row) * picture.nbytes)
                self._file.readinto(picture)
            except OSError as problem:
                raise self._damaged(f'it cannot be read: {reason(problem)}') from None
            if zlib.crc32(picture) != self._checksums[row]:
                raise self._damaged(f'picture {row + 1} of {len(self)} is not as it was written')
        return pictures

    def _damaged(self, fault):
        try:
            self._path.unlink(missing_ok=True)  # or a newer one, of another process: that costs time alone
            then = 'It is deleted'
        except OSError:
            then = 'Delete it'
        return Damaged(f'The cache of decoded pictures {self._path} is damaged: {fault}. {then}, and the next start '
                       'makes it anew.')


class Cache(NamedTuple):
    """A cache that was opened."""

    pictures: CachedPictures
    files: np.ndarray  # table of files


def cache_folder():
    """The folder of all caches: the user's, as the system has it, or where the environment's XDG_CACHE_HOME says."""
    home = {'darwin': '~/Library/Caches', 'win32': os.environ.get('LOCALAPPDATA', '~/AppData/Local')}
    base = os.environ.get('XDG_CACHE_HOME', '')
    return Path(base if os.path.isabs(base) else os.path.expanduser(home.get(sys.platform, '~/.cache')), 'gans_n_roses')


def read_through_cache(root, files, image_size):
    """Read the pictures of a folder; those that have not changed since the last time come out of the cache.

    What cannot be read is tried again each time. Two processes that want the same cache make it once: the second waits
    for the first.

    Args:
      root: Path of the folder.
      files: table of files, as `describe_files` returns it.
      image_size: height and width that the pictures are fitted to, in pixels.
    Returns:
      (pictures, table of files filled in, list of (name, reason) of what cannot be read). The pictures are
      CachedPictures, or a plain empty array where there is none; None in place of all where the cache cannot be
      written, which is told.
    """
    path, about = _path_and_about(root, image_size)
    try:
        old, _ = _open(path, about, image_size)  # without a lock: nothing is written where nothing changed
        if found := old and _unchanged(old, root, files):
            return found
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with _alone(path):
            old, fault = _open(path, about, image_size)  # another process may have made it meanwhile
            if found := old and _unchanged(old, root, files):
                return found
            try:
                return _make(path, about, root, files.copy(), image_size, old, fault)
            except Damaged as problem:
                print(problem, flush=True)
                return _make(path, about, root, files.copy(), image_size)
    except OSError as problem:
        print(f'The cache of decoded pictures {path} cannot be written: {reason(problem)}. This costs time at each '
              'start, and nothing else.', flush=True)
        return None


def _path_and_about(root, image_size):
    """(Path of a folder's cache, bytes that say what it was made of and by)."""
    folder = os.path.realpath(root)
    name = re.sub(r'[^\w-]', '_', os.path.basename(folder), flags=re.ASCII)[:50]
    place = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    # Whoever changes the decoder need not think of caches, since they know it by its source.
    decoder = hashlib.blake2b(Path(decoding.__file__).read_bytes(), digest_size=8).hexdigest()
    about = {'folder': folder, 'image_size': image_size, 'decoder': decoder, 'pillow': PIL.__version__}
    return cache_folder() / f'{name}-{image_size}px-{place}.npz', json.dumps(about).encode()


@contextlib.contextmanager
def _alone(path):
    """Be the one process that writes a cache. Raises OSError where the file system knows no locks."""
    lock = filelock.FileLock(path.with_name(path.name + '.lock'))
    try:
        held = lock.acquire(blocking=False)
    except filelock.Timeout:
        print('Another process reads these pictures into the cache: waiting for it ...', flush=True)
        held = lock.acquire()
    with held:
        yield


def _open(path, about, image_size):
    """Open a cache: (Cache, None); or (None, what is wrong with it), or (None, None) where there is none."""
    if not os.path.lexists(path):
        return None, None
    if not path.is_file():
        return None, 'it is no file'  # a pipe would keep its reader waiting
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open(path, 'rb', buffering=0))
            archive = zipfile.ZipFile(file)
            if archive.comment != about:
                return None, 'it was made by another version of the program or of Pillow'
            files = np.load(io.BytesIO(archive.read('files.npy')))  # checked before NumPy trusts the sizes in it
            size, ends = archive.getinfo('pictures').file_size, archive.getinfo('files.npy').header_offset
            checksums = files['checksum'][files['row'] >= 0]
            cache = Cache(CachedPictures(file, path, ends - size, image_size, checksums), files)
            if not cache.pictures.nbytes == size <= ends:
                return None, 'it is cut off'
            stack.pop_all()  # it stays open: when a newer cache takes its place, these pictures stay what they are
        return cache, None
    except Exception as problem:  # zipfile and NumPy raise anything on damaged bytes
        return None, getattr(problem, 'strerror', None) or 'it is damaged'


def _unchanged(old, root, files):
    """Return what `read_through_cache` returns if the cache has all of it, and None if any file has changed."""
    if old.files.dtype != files.dtype or not np.array_equal(old.files[IDENTITY], files[IDENTITY]):
        return None
    again = old.files[old.files['row'] == UNREAD]
    skipped = [each for chunk in read_pictures(root, again, old.pictures.shape[1]) for each in chunk.skipped]
    return (old.pictures, old.files, skipped) if len(skipped) == len(again) else None


def _make(path, about, root, files, image_size, old=None, fault=None):
    """Write a cache aside and put it in place: with what the old one holds of these files, and what is read now."""
    if old:
        _recall(old, files)
    needed, free = image_size**2 * 3 * np.sum(files['row'] != OTHER), shutil.disk_usage(path.parent).free
    if needed > free:
        raise OSError(errno.ENOSPC, f'it may need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free')
    aside, checksums, skipped = path.with_name(f'.{path.name}.partial'), [], []
    aside.unlink(missing_ok=True)  # of a process that was killed
    try:
        with zipfile.ZipFile(aside, 'x') as archive:  # a new file: where somebody put a link, its target is not touched
            archive.comment = about
            with archive.open(zipfile.ZipInfo('pictures'), 'w', force_zip64=True) as member:
                for chunk in read_pictures(root, files, image_size, old and old.pictures):
                    member.write(chunk.pictures)
                    checksums += map(zlib.crc32, chunk.pictures)
                    skipped += chunk.skipped
            files['checksum'][files['row'] >= 0] = checksums
            with archive.open(zipfile.ZipInfo('files.npy'), 'w', force_zip64=True) as member:
                np.save(member, files)
        if not checksums:
            return np.empty([0, image_size, image_size, 3], np.uint8), files, skipped
        put_in_place(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    made, damage = _open(path, about, image_size)
    if not made:
        raise OSError(errno.EIO, f'what was written cannot be read: {damage}')
    path.with_suffix('.pictures').unlink(missing_ok=True)  # of versions up to 1.5.0
    if fault:
        print(f'The cache of decoded pictures {path} was made anew: {fault}.', flush=True)
    elif made.pictures.nbytes > TOLD_FROM and not old:
        print(f'Cache        {path} holds the decoded pictures, {made.pictures.nbytes / 1e6:,.0f} MB, so that the next '
              'start need not decode them. Delete it whenever you like.', flush=True)
    return made.pictures, files, skipped


def _recall(old, files):
    """Fill in what an old cache knows of the files that have not changed."""
    places = {known: place for place, known in enumerate(old.files[IDENTITY].tolist())}
    places = np.fromiter((places.get(file, -1) for file in files[IDENTITY].tolist()), np.int64, len(files))
    files[places >= 0] = old.files[places[places >= 0]]
