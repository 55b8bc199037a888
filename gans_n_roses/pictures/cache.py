"""Decoded pictures, kept in one file for each folder and size: the next start need not decode them. No TensorFlow.

The file holds, one after the other: the pixels of all pictures, uint8 [n, size, size, 3]; an index of the folder's
files, as NumPy writes arrays; the index's length and checksum. So that damage is found where it matters, the index is
checked at each start, and each picture whenever it is read.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import shutil
import struct
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import filelock
import numpy as np
import PIL

from gans_n_roses.errors import RunFailed, reason
from gans_n_roses.machine.files import put_in_place
from gans_n_roses.pictures import decoding
from gans_n_roses.pictures.reading import OTHER, PICTURE, STATE, UNREAD, look_at, read_pictures

MARK = b'roses 1\n'  # ends each file; raise the number when an old reader would misread a new file
END = struct.Struct('<Q32s8s')  # length of the index, its checksum, MARK
TOLD_FROM = 100e6  # bytes that a user may want to know of


class Damaged(RunFailed):
    """What is read from a cache is not what was written."""


class CachedPictures:
    """Pictures in a file: uint8 [n, size, size, 3], of which no more is in memory than what was asked for last.

    They are indexed as an array is, by what chooses pictures: a row, rows, a slice, a mask. Each is checked as it is
    read. They are read, not mapped into memory: pages of a mapping count as memory of the process, and a fault of the
    disk in one of them kills it without a word.

    Raises:
      Damaged: a picture is not as it was written. The file is deleted, so that the next start makes it anew.
    """

    def __init__(self, file, path, image_size, checksums):
        self._file, self._path, self._checksums = file, path, checksums
        self._rows = np.arange(len(checksums))
        self.shape = (len(checksums), image_size, image_size, 3)
        self.nbytes = len(checksums) * _bytes_each(image_size)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, rows):
        rows = self._rows[rows]
        self._announce(rows)
        pictures = np.empty([*rows.shape, *self.shape[1:]], np.uint8)
        for row, picture in zip(rows.flat, pictures.reshape(-1, *self.shape[1:]), strict=True):
            self._read(int(row), picture)
        return pictures

    def _announce(self, rows):
        """Have the disk look for all pictures at once: where no memory holds them, 12 of them come in half the time."""
        each = _bytes_each(self.shape[1])
        with contextlib.suppress(AttributeError, OSError):  # not every system can; a fault is told by what is read
            for row in rows.flat:
                os.posix_fadvise(self._file.fileno(), int(row) * each, each, os.POSIX_FADV_WILLNEED)

    def _read(self, row, picture):
        try:
            self._file.seek(row * picture.nbytes)
            whole = self._file.readinto(picture) == picture.nbytes and zlib.crc32(picture) == self._checksums[row]
            fault = f'picture {row + 1} of {len(self)} is not as it was written'
        except OSError as problem:
            whole, fault = False, f'it cannot be read: {reason(problem)}'
        if not whole:
            try:
                self._path.unlink(missing_ok=True)  # or a newer one, of another process: that costs time alone
                then = 'It is deleted'
            except OSError:
                then = 'Delete it'
            raise Damaged(f'The cache of decoded pictures {self._path} is damaged: {fault}. {then}, and the next start '
                          'makes it anew.')


class Cache(NamedTuple):
    """A cache that was opened."""

    pictures: CachedPictures
    names: list  # str, paths of the files in the folder
    files: np.ndarray  # FILE [n], of the same files


def cache_folder():
    """The folder of all caches: the user's, as the system has it, or where the environment's XDG_CACHE_HOME says."""
    home = {'darwin': '~/Library/Caches', 'win32': os.environ.get('LOCALAPPDATA', '~/AppData/Local')}
    base = os.environ.get('XDG_CACHE_HOME', '')
    return Path(base if os.path.isabs(base) else os.path.expanduser(home.get(sys.platform, '~/.cache')), 'gans_n_roses')


def read_through_cache(root, names, image_size):
    """Read the pictures of a folder; those that have not changed since the last time come out of the cache.

    A file is known by its path, size and times of change. What cannot be read is tried again each time. Two processes
    that want the same cache make it once: the second waits for the first.

    Args:
      root: Path of the folder.
      names: list of str, paths in the folder, in the order of `list_files`.
      image_size: height and width that the pictures are fitted to, in pixels.
    Returns:
      (pictures, FILE [n], list of (name, reason) of what cannot be read). The pictures are CachedPictures, or a plain
      empty array where there is none; None in place of all where the cache cannot be written, which is told.
    """
    path, about = _path_and_about(root, image_size)
    files = look_at(root, names)
    try:
        with contextlib.suppress(OSError, ValueError):  # without a lock: nothing is written where nothing changed
            if found := _unchanged(_open(path, about), root, names, files):
                return found
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with _alone(path):
            cache = _open_or_say(path, about)
            found = cache and _unchanged(cache, root, names, files)  # another process may have made it meanwhile
            try:
                return found or _make(path, about, root, names, files.copy(), cache)
            except Damaged as problem:
                print(problem, flush=True)
                return _make(path, about, root, names, files, None)
    except OSError as problem:
        print(f'The cache of decoded pictures {path} cannot be written: {reason(problem)}. This costs time at each '
              'start, and nothing else; CACHE=False makes none.', flush=True)
        return None


def _path_and_about(root, image_size):
    """Where a folder's cache lies, and what has to be written in it."""
    folder = os.path.realpath(root)
    name = re.sub(r'[^\w-]', '_', os.path.basename(folder), flags=re.ASCII)[:50]
    place = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    # Whoever changes the decoder need not think of caches, since they know it by its source.
    decoder = hashlib.blake2b(Path(decoding.__file__).read_bytes(), digest_size=8).hexdigest()
    about = {'folder': folder, 'image_size': image_size, 'decoder': decoder, 'pillow': PIL.__version__}
    return cache_folder() / f'{name}-{image_size}px-{place}.pictures', about


def _bytes_each(image_size):
    return image_size * image_size * 3


@contextlib.contextmanager
def _alone(path):
    """Be the one process that writes a cache."""
    lock = filelock.FileLock(path.with_name(path.name + '.lock'))
    try:
        held = lock.acquire(blocking=False)
    except filelock.Timeout:
        print('Another process reads these pictures into the cache: waiting for it ...', flush=True)
        held = lock.acquire()
    with held:
        yield


def _open_or_say(path, about):
    """The cache; None where there is none, or none that will do, which is told."""
    try:
        return _open(path, about)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        print(f'The cache of decoded pictures {path} is made anew: {reason(problem)}.', flush=True)
        return None


def _open(path, about):
    """Open a cache.

    Raises:
      OSError: there is none, or it cannot be read.
      ValueError: it is damaged, or of something else.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, 'rb', buffering=0))
        size = file.seek(0, os.SEEK_END)
        if size < END.size:
            raise ValueError('it is cut off')
        file.seek(size - END.size)
        length, checksum, mark = END.unpack(file.read(END.size))
        if mark != MARK:
            raise ValueError('it is not as this version writes it')
        begins = size - END.size - length
        file.seek(max(begins, 0))
        index = file.read(length)
        if begins < 0 or _checksum(index) != checksum:
            raise ValueError('its index is damaged')
        with np.load(io.BytesIO(index)) as arrays:
            made_for, names, files = (arrays[name] for name in ('about', 'names', 'files'))
        if json.loads(made_for.tobytes()) != about:
            raise ValueError('it was made by another version of the program or of Pillow')
        checksums = files['checksum'][files['kind'] == PICTURE]
        if begins != len(checksums) * _bytes_each(about['image_size']):
            raise ValueError('it is cut off')
        stack.pop_all()  # the file stays open: a newer cache may take its place, and these pictures stay what they are
    names = names.tobytes().decode('utf-8', 'surrogatepass').split('\0')
    return Cache(CachedPictures(file, path, about['image_size'], checksums), names, files)


def _unchanged(cache, root, names, files):
    """What `read_through_cache` returns if the cache has all of it; None if a file was changed, added or removed."""
    if cache.names != names or (cache.files[[*STATE.names]] != files[[*STATE.names]]).any():
        return None
    unread = np.flatnonzero(cache.files['kind'] == UNREAD)
    again, image_size = cache.files[unread], cache.pictures.shape[1]
    skipped = read_pictures(root, [names[row] for row in unread], image_size, again, lambda pictures: None)
    return None if (again['kind'] != UNREAD).any() else (cache.pictures, cache.files, skipped)


def _make(path, about, root, names, files, cache):
    """Write a cache aside and put it in place: with what the one before knows, and what is read now."""
    image_size = about['image_size']
    rows = _recall(cache, names, files) if cache else None
    needed, free = _bytes_each(image_size) * np.sum(files['kind'] != OTHER), shutil.disk_usage(path.parent).free
    if needed > free:
        raise OSError(errno.ENOSPC, f'it may need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free')
    aside, checksums = path.with_name(f'.{path.name}.partial'), []
    try:
        with open(aside, 'wb') as file:
            def put(pictures):
                file.write(pictures)
                checksums.extend(map(zlib.crc32, pictures))

            skipped = read_pictures(root, names, image_size, files, put, lambda first, last: cache.pictures[
                rows[first:last][rows[first:last] >= 0]])
            files['checksum'][files['kind'] == PICTURE] = checksums
            _write_index(file, about, names, files)
        if not checksums:
            return np.empty([0, image_size, image_size, 3], np.uint8), files, skipped
        put_in_place(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    made = _open(path, about).pictures
    if made.nbytes > TOLD_FROM and not cache:
        print(f'Cache        {path} holds the decoded pictures, {made.nbytes / 1e6:,.0f} MB, so that the next start '
              'need not decode them. Delete it whenever you like; CACHE=False makes none.', flush=True)
    return made, files, skipped


def _recall(cache, names, files):
    """Fill in what the cache knows of the files that have not changed; returns which of its pictures each is, or -1."""
    places = {name: place for place, name in enumerate(cache.names)}
    places = np.fromiter((places.get(name, -1) for name in names), np.int64, len(names))
    same = (places >= 0) & (cache.files[[*STATE.names]][places] == files[[*STATE.names]])
    files[same] = cache.files[places[same]]
    rows = np.cumsum(cache.files['kind'] == PICTURE) - 1
    return np.where(files['kind'] == PICTURE, rows[places], -1)


def _write_index(file, about, names, files):
    index = io.BytesIO()
    text = [json.dumps(about).encode(), '\0'.join(names).encode('utf-8', 'surrogatepass')]
    about, names = (np.frombuffer(each, np.uint8) for each in text)
    np.savez(index, about=about, names=names, files=files)
    file.write(index.getbuffer())
    file.write(END.pack(len(index.getbuffer()), _checksum(index.getbuffer()), MARK))


def _checksum(content):
    return hashlib.blake2b(content, digest_size=32).digest()
