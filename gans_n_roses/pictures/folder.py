"""A folder of pictures → one uint8 array, and batches of it. Needs no TensorFlow."""

import collections
import hashlib
import os
import unicodedata
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from gans_n_roses.errors import BadInput
from gans_n_roses.pictures.decoding import read_picture


class Dataset(NamedTuple):
    """The pictures of a folder, and what was found there."""

    images: np.ndarray  # uint8 [n, size, size, 3], sorted by path
    skipped: list  # (path in the folder, reason), one for each picture that could not be read; safe to print
    duplicates: int  # pictures whose file is the same, byte for byte, as an earlier one's
    enlarged: int  # pictures that were smaller than size
    fingerprint: str  # changes when a picture is added, removed or changed, or the order changes


def load_dataset(path, image_size):
    """Read every picture in a folder and its subfolders.

    Args:
      path: the folder, str or Path.
      image_size: height and width that the pictures are fitted to, in pixels.
    Returns:
      uint8 [n, image_size, image_size, 3], sorted by path.
    Raises:
      BadInput: no such folder, no readable picture in it, or more pictures than memory.
    """
    return read_folder(path, image_size).images


def read_folder(path, image_size):
    """`load_dataset`, with what was skipped and found on the way.

    Hidden files, and files that are no pictures, are passed over.

    Args and raises: as `load_dataset`.
    Returns:
      Dataset.
    """
    require_folder(path)
    root = Path(path)
    files = list_files(root)
    try:
        images = np.empty([len(files), image_size, image_size, 3], np.uint8)
    except MemoryError:
        raise BadInput(f'{len(files)} files at IMAGE_SIZE {image_size} are more than memory holds: lower IMAGE_SIZE '
                       'or set DATASET_PATH to fewer pictures in mission_control.py.') from None
    Image.init()  # here: a thread that meets a format while another thread is loading its plug-in may miss it
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as for_large, ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter('ignore')  # Pillow warns of odd metadata in files that it reads all the same
        jobs = pool.map(lambda row: read_picture(root / files[row], images[row], for_large), range(len(files)))
        found = list(tqdm(jobs, 'Reading pictures', len(files), delay=1, leave=False, disable=None))

    rows = [row for row, picture in enumerate(found) if isinstance(picture, tuple)]
    skipped = [(_printable(files[row]), reason) for row, reason in enumerate(found) if isinstance(reason, str)]
    if not rows:
        raise BadInput(f'DATASET_PATH is {str(path)!r}, but it holds no picture that can be read '
                       f'({len(files)} files looked at{_named(skipped)}): '
                       'set it to a folder of pictures in mission_control.py.')
    for target, row in enumerate(rows):  # closes the gaps in place: a copy of all would double the memory
        images[target] = images[row]
    digests, enlarged = zip(*(found[row] for row in rows), strict=True)
    return Dataset(images[:len(rows)], skipped, len(rows) - len(set(digests)), sum(enlarged),
                   hashlib.sha256(b''.join(digests)).hexdigest())


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
    batch = data[rng.permutation(len(data))[:batch_size]]
    if mirror:
        turned = rng.uniform(size=batch_size) < 0.5
        batch[turned] = batch[turned, :, ::-1]
    return to_float(batch)


def to_float(pictures):
    """uint8 in [0, 255] → float32 in [-1, 1], as x / 127.5 - 1."""
    return pictures.astype(np.float32) / np.float32(127.5) - np.float32(1)


def list_files(root):
    """Every file below a folder that is not hidden, in an order that no file system changes.

    Links to folders are followed, each folder once. A subfolder that cannot be listed stands there itself.

    Args:
      root: Path.
    Returns:
      list of paths relative to root, str with '/', sorted by their composed Unicode form.
    """
    files, folders, seen = [], [str(root)], set()
    while folders:  # no recursion, in which folders a thousand deep would end
        folder = folders.pop()
        try:
            known, names = os.stat(folder), os.listdir(folder)
        except OSError:
            files.append(folder)
            continue
        if (known.st_dev, known.st_ino) in seen:
            continue
        seen.add((known.st_dev, known.st_ino))
        for name in sorted(names, reverse=True):  # the last one that is put in is the first to be taken out
            path = os.path.join(folder, name)
            if name.startswith('.'):
                continue
            if os.path.isdir(path):
                folders.append(path)
            # No pipes: they keep their reader waiting. What cannot be looked at tells the reason when opened.
            elif os.path.isfile(path) or not os.path.exists(path):
                files.append(path)
    return sorted((Path(path).relative_to(root).as_posix() for path in files),
                  key=lambda name: (unicodedata.normalize('NFC', name), name))


def _printable(text):
    """With escapes for what breaks a line or a terminal's encoding, as file names may."""
    return ''.join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _named(skipped):
    reasons = collections.Counter(reason for _, reason in skipped)
    return ''.join(f'; {count} × {reason}' for reason, count in reasons.most_common(3))
