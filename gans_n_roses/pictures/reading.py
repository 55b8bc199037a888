"""Many files → what each of them is, and the pixels of the pictures, some at a time. Needs no TensorFlow."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from tqdm import tqdm

from gans_n_roses.pictures.decoding import read_picture

TOGETHER = 256  # files that the threads are given at a time: bounds the memory, whatever the folder holds
UNREAD, PICTURE, OTHER = range(3)  # kinds of files: not (yet) read, a picture, something else
STATE = np.dtype([('size', np.int64), ('modified', np.int64), ('changed', np.int64)])
FILE = np.dtype([*STATE.descr, ('kind', np.uint8), ('enlarged', np.bool_), ('digest', 'V16'), ('checksum', np.uint32)])


def look_at(root, names):
    """Look at files without opening them.

    Args:
      root: Path of the folder.
      names: list of str, paths in the folder.
    Returns:
      FILE [n], all UNREAD: size in bytes and the times of the last changes in nanoseconds, 0 where the system says
      none.
    """
    folder = os.path.join(root, '')  # text: a Path for each of a million files would take seconds
    files = np.zeros(len(names), FILE)
    files[[*STATE.names]] = np.fromiter((_state(folder + name) for name in names), STATE, len(names))
    return files


def read_pictures(root, names, image_size, files, put, recall=None):
    """Read all files that are UNREAD.

    Args:
      root: Path of the folder.
      names: list of str, paths in the folder.
      image_size: height and width that the pictures are fitted to, in pixels.
      files: FILE [n], filled in for what is read. What cannot be read stays UNREAD.
      put: function that is given uint8 [m, size, size, 3], the pictures among the next files, until all had their turn.
      recall: function (first, last) → the pictures, uint8, that are known already among the files from first to last.
    Returns:
      list of (name, reason), one for each picture that cannot be read; safe to print.
    """
    if (files['kind'] == UNREAD).any():
        Image.init()  # here: a thread that meets a format while another thread is loading its plug-in may miss it
    skipped = []
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as for_large, ThreadPoolExecutor(os.cpu_count()) as pool, \
            tqdm(None, 'Reading pictures', len(names), delay=1, leave=False, disable=None) as bar:
        warnings.simplefilter('ignore')  # Pillow warns of odd metadata in files that it reads all the same
        for first in range(0, len(names), TOGETHER):
            some = files[first:first + TOGETHER]
            pixels = np.empty([len(some), image_size, image_size, 3], np.uint8)
            known, unread = some['kind'] == PICTURE, np.flatnonzero(some['kind'] == UNREAD)
            if known.any():
                pixels[known] = recall(first, first + len(some))
            jobs = [pool.submit(read_picture, root / names[first + row], pixels[row], for_large) for row in unread]
            for row, job in zip(unread, jobs, strict=True):
                found = job.result()
                if isinstance(found, str):
                    skipped.append((_printable(names[first + row]), found))
                elif found is None:
                    some['kind'][row] = OTHER
                else:
                    some['kind'][row], (some['digest'][row], some['enlarged'][row]) = PICTURE, found
                bar.update()
            bar.update(len(some) - len(unread))
            put(pixels[some['kind'] == PICTURE])
    return skipped


def _state(path):
    try:
        known = os.stat(path)
    except (OSError, ValueError):  # the reason is told when it is read
        return 0, 0, 0
    # The time of change is the only one that moves with a file's rights, or under a copy that keeps the other.
    return known.st_size, known.st_mtime_ns, known.st_ctime_ns


def _printable(text):
    """With escapes for what breaks a line or a terminal's encoding, as file names may."""
    return ''.join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
