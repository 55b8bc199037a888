"""A folder of pictures → one uint8 array, and batches of it. Needs no TensorFlow."""

import collections
import hashlib
import os
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gans_n_roses.errors import BadInput
from gans_n_roses.pictures.cache import CachedPictures, read_through_cache
from gans_n_roses.pictures.decoding import describe_file, read_pictures

CACHED_FROM = 20e6  # bytes, which take a second or more to read: 641 photographs have 40 MB, the 67 roses 0.5 MB
PERMUTED = 1000  # pictures in the folder for each one in a batch, up to which the article's draw costs next to nothing


class Dataset(NamedTuple):
    """The pictures of a folder, and what was found there."""

    images: np.ndarray | CachedPictures  # uint8 [n, size, size, 3], sorted by path
    skipped: list  # (path in the folder, reason), one for each picture that could not be read; safe to print
    duplicates: int  # pictures whose file is the same, byte for byte, as an earlier one's
    enlarged: int  # pictures that were smaller than size
    fingerprint: str  # changes when a picture is added, removed or changed, or the order changes


def load_dataset(path, image_size):
    """Read every picture in a folder and its subfolders.

    Pictures are kept in a cache on the disk where that saves seconds: where all files together, or all pictures at
    image_size, take CACHED_FROM bytes or more. Later starts read them from there. A smaller folder is read into
    memory, and nothing is written.

    Args:
      path: the folder, str or Path.
      image_size: height and width that the pictures are fitted to, in pixels.
    Returns:
      uint8 [n, image_size, image_size, 3], sorted by path: an array, or CachedPictures, which are indexed like one.
    Raises:
      BadInput: no such folder, no readable picture in it, or more pictures than memory.
    """
    return read_folder(path, image_size).images


def read_folder(path, image_size):
    """Read a folder as `load_dataset` does, with what was found and skipped on the way.

    Hidden files, and files that are no pictures, are passed over.

    Args and raises: as `load_dataset`.
    Returns:
      Dataset.
    """
    require_folder(path)
    root = Path(path)
    files = [describe_file(str(path), name) for name in list_files(root)]
    large = max(sum(file.size for file in files), len(files) * image_size**2 * 3) >= CACHED_FROM
    try:
        cached = read_through_cache(root, files, image_size) if large else None
        images, files = cached or _read_into_memory(root, files, image_size)
    except MemoryError:
        raise BadInput(f'{len(files)} files at IMAGE_SIZE {image_size} are more than memory holds: lower IMAGE_SIZE, '
                       'or set DATASET_PATH to fewer pictures in mission_control.py.') from None
    pictures = [file for file in files if file.digest]
    skipped = [(_printable(file.name), file.problem) for file in files if file.problem]
    if not pictures:
        raise BadInput(f'DATASET_PATH is {str(path)!r}, but it holds no picture that can be read '
                       f'({len(files)} files looked at{_named(skipped)}): '
                       'set it to a folder of pictures in mission_control.py.')
    digests = [file.digest for file in pictures]
    fingerprint = hashlib.sha256(bytes.fromhex(''.join(digests))).hexdigest()
    return Dataset(images, skipped, len(digests) - len(set(digests)), sum(file.enlarged for file in pictures),
                   fingerprint)


def _read_into_memory(root, files, image_size):
    """(Pictures in one array, list of File), as `read_through_cache` returns them."""
    images, found, count = np.empty([len(files), image_size, image_size, 3], np.uint8), [], 0
    for file, pixels in read_pictures(root, files, image_size):
        found.append(file)
        if file.digest:
            images[count] = pixels
            count += 1
    return images[:count], found


def require_folder(path, place='in mission_control.py'):
    """Refuse a DATASET_PATH that is no folder.

    Args:
      path: str or Path.
      place: where it was set, for the sentence to the user.
    Raises:
      BadInput.
    """
    if not os.path.isdir(path):
        found = 'that is a file' if os.path.lexists(path) else 'there is no such folder'
        raise BadInput(f'DATASET_PATH is {str(path)!r} {place}, but {found}: set it to a folder of pictures.')


def next_batch(data, batch_size, rng, mirror=False):
    """Draw pictures without replacement.

    Args:
      data: uint8 [n, size, size, 3].
      batch_size: how many, at most n.
      rng: np.random.RandomState.
      mirror: True turns about half of them left to right.
    Returns:
      float32 [batch_size, size, size, 3] in [-1, 1].
    """
    batch = data[draw_rows(len(data), batch_size, rng)]
    if mirror:
        turned = rng.uniform(size=batch_size) < 0.5
        batch[turned] = batch[turned, :, ::-1]
    return to_float(batch)


def draw_rows(count, batch_size, rng):
    """Draw numbers below count without replacement, in any order: every choice is as likely as any other.

    The article's draw shuffles all of them. Beyond PERMUTED pictures for each one in a batch that would be felt, and
    numbers are drawn one by one; one that was drawn before is drawn anew.

    Args:
      count: how many pictures there are.
      batch_size: how many numbers, at most count.
      rng: np.random.RandomState.
    Returns:
      int [batch_size].
    """
    if count <= PERMUTED * batch_size:
        return rng.permutation(count)[:batch_size]
    rows = []
    while len(rows) < batch_size:
        drawn = rng.randint(count, size=batch_size - len(rows), dtype=np.int64)
        rows = list(dict.fromkeys([*rows, *drawn.tolist()]))
    return np.array(rows)


def spread_rows(count, most):
    """Numbers below count, evenly spread from the first to the last: some pictures that stand for all.

    Args:
      count: how many pictures there are.
      most: how many numbers at most.
    Returns:
      int [min(most, count)], rising.
    """
    return np.linspace(0, count - 1, min(most, count)).astype(int)


def to_float(pictures):
    """uint8 in [0, 255] → float32 in [-1, 1], as x / 127.5 - 1."""
    return pictures.astype(np.float32) / np.float32(127.5) - np.float32(1)


def list_files(root):
    """Every file below a folder that is not hidden, in an order that no file system changes.

    Args:
      root: Path.
    Returns:
      list of paths relative to root, str with '/', sorted by their composed Unicode form.
    """
    begins = len(os.path.join(root, ''))
    return sorted((path[begins:].replace(os.sep, '/') or '.' for path in find_files(root)),
                  key=lambda name: (unicodedata.normalize('NFC', name), name))


def find_files(root):
    """Every file below a folder that is not hidden, folder by folder.

    Links to folders are followed, each folder once. A subfolder that cannot be listed stands there itself.

    Args:
      root: Path.
    Yields:
      str, its path.
    """
    folders, seen = [str(root)], set()
    while folders:  # no recursion, in which folders a thousand deep would end
        folder = folders.pop()
        try:
            known = os.stat(folder)
            place = known.st_dev, known.st_ino
            with os.scandir(folder) as entries:
                shown = [entry for entry in entries if place not in seen and not entry.name.startswith('.')]
        except OSError:
            yield folder
            continue
        seen.add(place)
        within = {entry.path for entry in shown if _is_folder(entry)}
        folders += sorted(within, reverse=True)  # the last one that is put in is the first to be taken out
        yield from (entry.path for entry in shown if entry.path not in within)


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # what cannot be looked at tells the reason when opened
        return False


def _printable(text):
    """Text with escapes for what breaks a line or a terminal's encoding, as file names may."""
    return ''.join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _named(skipped):
    reasons = collections.Counter(reason for _, reason in skipped)
    return ''.join(f'; {count} × {reason}' for reason, count in reasons.most_common(3))
