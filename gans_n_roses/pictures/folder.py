"""A folder of pictures → one uint8 array, and batches of it. Needs no TensorFlow."""

import collections
import hashlib
import json
import math
import os
import re
import unicodedata
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from gans_n_roses.errors import BadInput, printable, reason
from gans_n_roses.machine.quiet import silenced
from gans_n_roses.pictures.cache import CachedPictures, read_through_cache
from gans_n_roses.pictures.decoding import File, Form, describe_file, read_pictures
from gans_n_roses.pictures.kinds import MOST, NO_KINDS, Kinds, kind_of, kinds_in

CACHED_FROM = 20e6  # bytes, which take a second or more to read: 641 photographs have 40 MB, the 67 roses 0.5 MB
# Folders of the system and of other programs, in lower case; hidden ones are left out as well.
LEFT_OUT = {'@eadir', '@recycle', '@tmp', '#recycle', '#snapshot', '$recycle.bin', 'recycler', '__macosx', 'lost+found',
            'system volume information', 'network trash folder', 'temporary items'}
OUR_RUN = {'Tensorboard', 'Generated_Images', 'Saved_Models', 'options.json'}
NAMED = 3  # pictures in a sentence
PERMUTED = 1000  # pictures in the folder for each one in a batch, up to which the article's draw costs next to nothing


class Dataset(NamedTuple):
    """The pictures of a folder, and what was found there."""

    images: np.ndarray | CachedPictures  # uint8 [n, size, size, channels], sorted by path
    skipped: list  # (path, reason), one for each picture that could not be read or folder left out; safe to print
    duplicates: int  # pictures whose file is the same, byte for byte, as an earlier one's
    enlarged: int  # pictures that were smaller than size
    fingerprint: str  # changes when a picture is added, removed or changed, or the order changes
    blank: int = 0  # pictures that are nearly of one shade
    kinds: Kinds = NO_KINDS  # with LABELS


def load_dataset(path, image_size, channels=3, fit='crop'):
    """Read every picture in a folder and its subfolders.

    Pictures are kept in a cache on the disk where that saves seconds: where all files together, or all pictures at
    image_size, take CACHED_FROM bytes or more. Later starts read them from there. A smaller folder is read into
    memory, and nothing is written.

    Args:
      path: the folder, str or Path.
      image_size: height and width that the pictures are fitted to, in pixels.
      channels, fit: as in Form.
    Returns:
      uint8 [n, image_size, image_size, channels], sorted by path: an array, or CachedPictures, which are indexed like
        one.
    Raises:
      BadInput: no such folder, no readable picture in it, or more pictures than memory.
    """
    return read_folder(path, image_size, channels, fit).images


def read_folder(path, image_size, channels=3, fit='crop', labels=''):
    """Read a folder as `load_dataset` does, with what was found and skipped on the way.

    Hidden files, and files that are no pictures, are passed over. Folders that `find_files` leaves out are told.

    Args:
      path, image_size, channels, fit: as for `load_dataset`.
      labels: LABELS: '' or 'folders', where the first folder that a picture lies in is its kind.
    Returns:
      Dataset.
    Raises:
      BadInput: as `load_dataset`; or pictures lie beside the folders, or there are too many of these.
    """
    require_folder(path)
    root, listed, form = Path(path), list_files(path), Form(image_size, channels, fit)
    files = [file for file in listed if not file.problem]
    if labels:
        _require_folders(root, files)
    large = max(sum(file.size for file in files), len(files) * math.prod(form.shape)) >= CACHED_FROM
    try:
        with silenced():
            cached = read_through_cache(root, files, form) if large else None
            images, files = cached or _read_into_memory(root, files, form)
    except MemoryError:
        raise BadInput(f'{len(files)} files at IMAGE_SIZE {form.size} are more than memory holds: lower IMAGE_SIZE, '
                       'or set DATASET_PATH to fewer pictures in mission_control.py.') from None
    pictures = [file for file in files if file.digest]
    skipped = [(printable(file.name), file.problem) for file in [*listed, *files] if file.problem]
    if not pictures:
        raise BadInput(f'DATASET_PATH is {str(path)!r}, but it holds no picture that can be read '
                       f'({len(files)} files looked at{_named(skipped)}): '
                       'set it to a folder of pictures in mission_control.py.')
    digests = [file.digest for file in pictures]
    content, kinds = bytes.fromhex(''.join(digests)), NO_KINDS
    if labels:
        kinds = _kinds(root, pictures)
        content += json.dumps([kinds.names, kinds.of.tolist()]).encode()
        told = {*kinds.names, *(kind_of(f'{name}/') for name, _ in skipped)}
        skipped += [(name, 'a folder without a picture, and so no kind') for name in sorted(_folders(root) - told)]
    fingerprint = hashlib.sha256(content).hexdigest()
    return Dataset(images, skipped, len(digests) - len(set(digests)), sum(file.enlarged for file in pictures),
                   fingerprint, sum(file.blank for file in pictures), kinds)


def _require_folders(root, files):
    """Refuse pictures that lie beside the folders which are the kinds. Raises BadInput."""
    beside = [file for file in files if not kind_of(file.name)]
    with silenced():  # a text may lie there: so they are looked into
        found = (file.name for file, _ in read_pictures(root, beside, Form(1)) if file.digest)
        named = [printable(name) for name in islice(found, NAMED)]
    if named:
        raise BadInput(f"LABELS is 'folders', but in DATASET_PATH {str(root)!r} lie pictures beside the folders: "
                       f"{', '.join(named)}. Put each into the folder of its kind, or elsewhere; LABELS = '' trains "
                       'without kinds.')


def _kinds(root, pictures):
    """The Kinds of the files of pictures. Raises BadInput: there are too many."""
    kinds = kinds_in([file.name for file in pictures])
    if len(kinds.names) > MOST:
        raise BadInput(f"LABELS is 'folders', but DATASET_PATH {str(root)!r} holds {len(kinds.names):,} folders of "
                       f"pictures, and there may be {MOST:,} kinds: put them together in fewer, or set LABELS = ''.")
    return kinds


def _folders(root):
    """The names of the folders in a folder, as kinds have them."""
    with os.scandir(root) as entries:
        return {kind_of(f'{entry.name}/') for entry in entries if _is_folder(entry)}


def _read_into_memory(root, files, form):
    """(Pictures in one array, list of File), as `read_through_cache` returns them."""
    images, found, count = np.empty([len(files), *form.shape], np.uint8), [], 0
    for file, pixels in read_pictures(root, files, form):
        found.append(file)
        if file.digest:
            images[count] = pixels
            count += 1
    return images[:count], found


def require_folder(path, place='in mission_control.py'):
    """Refuse a DATASET_PATH that is no folder, or cannot be listed.

    Args:
      path: str or Path.
      place: where it was set, for the sentence to the user.
    Raises:
      BadInput.
    """
    if not os.path.isdir(path):
        found = 'that is a file' if os.path.lexists(path) else 'there is no such folder'
    else:
        try:
            os.scandir(path).close()
            return
        except OSError as problem:
            found = f'it cannot be listed ({reason(problem)})'
    raise BadInput(f'DATASET_PATH is {str(path)!r} {place}, but {found}: set it to a folder of pictures.')


def next_batch(data, batch_size, rng, mirror=False, rows=None):
    """Draw pictures without replacement.

    Args:
      data: uint8 [n, size, size, channels].
      batch_size: how many, at most n.
      rng: np.random.RandomState.
      mirror: True turns about half of them left to right.
      rows: int [batch_size], where they are drawn already.
    Returns:
      float32 [batch_size, size, size, channels] in [-1, 1].
    """
    batch = data[draw_rows(len(data), batch_size, rng) if rows is None else rows]
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
    """Every file that `find_files` finds, in an order that no file system changes.

    Args:
      root: str or Path.
    Returns:
      list of File, described and not read, or with a problem; their names have '/'. Sorted by the name's composed
      Unicode form.
    """
    begins = len(os.path.join(root, ''))
    found = tqdm(find_files(root), 'Listing files', unit=' files', delay=1, leave=False, disable=None)
    named = ((path[begins:].replace(os.sep, '/') or '.', problem) for path, problem in found)
    files = [File(name, 0, 0, 0, problem=problem) if problem else describe_file(str(root), name)
             for name, problem in named]
    return sorted(files, key=lambda file: (unicodedata.normalize('NFC', file.name), file.name))


def find_files(root):
    """Every file below a folder that is not hidden, folder by folder.

    Links to folders are followed, each folder once, but for those that lead up again. A subfolder that cannot be
    listed, or is left out, stands there itself.

    Args:
      root: str or Path.
    Yields:
      (str, its path; str, why it is not to be read, or '').
    """
    folders, seen, home = [str(root)], set(), os.path.join(os.path.realpath(root), '')
    while folders:  # no recursion, in which folders a thousand deep would end
        folder = folders.pop()
        try:
            known = os.stat(folder)
            with os.scandir(folder) as scanned:
                entries = list(scanned)
        except OSError as problem:
            yield folder, reason(problem)
            continue
        place = known.st_dev, known.st_ino
        if place in seen:
            continue
        seen.add(place)
        if len(OUR_RUN & {entry.name for entry in entries}) > 1:
            yield folder, 'left out: what a run of this program made'
            continue
        within = []
        for entry in entries:
            if not _is_folder(entry):
                if not entry.name.startswith('.'):
                    yield entry.path, ''
            elif entry.name.startswith('.') or entry.name.lower() in LEFT_OUT:
                yield entry.path, 'left out: a hidden folder, or one of the system or of another program'
            elif entry.name == 'Generated_Images':  # what LOAD makes may have no run beside it
                yield entry.path, 'left out: what a run of this program made'
            elif not (entry.is_symlink() and home.startswith(os.path.join(os.path.realpath(entry.path), ''))):
                within.append(entry.path)
        folders += sorted(within, reverse=True)  # the last one that is put in is the first to be taken out


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # what cannot be looked at tells the reason when opened
        return False


def by_reason(skipped):
    """What was skipped, as (reason, names), the most frequent reason first.

    Args:
      skipped: as in Dataset.
    """
    names = collections.defaultdict(list)
    for name, problem in skipped:
        names[re.sub(r' \(\d+ bytes not processed\)', '', problem)].append(name)  # the same, however many
    return sorted(names.items(), key=lambda group: -len(group[1]))


def _named(skipped):
    return ''.join(f'; {len(names)} × {problem}' for problem, names in by_reason(skipped)[:3])
