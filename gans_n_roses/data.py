"""Pictures on disk → one uint8 array. Needs no TensorFlow."""

import collections
import hashlib
import io
import os
import unicodedata
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from gans_n_roses.errors import BadInput

SKIPPED_NAMED = 10  # files that cannot be read are named up to this many, then counted
# Pictures to a person, though Pillow alone does not open them: named when skipped, not passed over.
OTHER_PICTURE_SUFFIXES = {'.heic', '.heif', '.svg', '.dng', '.cr2', '.nef', '.arw', '.raw'}


class Dataset(NamedTuple):
    """The pictures of a folder, and what was found there."""

    images: np.ndarray  # uint8 [n, size, size, 3], sorted by path
    skipped: list  # (path in the folder, reason), one for each picture that could not be read
    duplicates: int  # pictures whose file is the same, byte for byte, as an earlier one's
    enlarged: int  # pictures that were smaller than size
    fingerprint: str  # changes when a picture is added, removed or changed, or the order changes


class _Picture(NamedTuple):
    digest: bytes
    enlarged: bool


def load_dataset(path, image_size):
    """Read every picture in a folder and its subfolders.

    Args:
      path: the folder, str or Path.
      image_size: height and width that the pictures are fitted to, in pixels.
    Returns:
      uint8 [n, image_size, image_size, 3], sorted by path.
    Raises:
      BadInput: no such folder, or no readable picture in it.
    """
    return read_folder(path, image_size).images


def read_folder(path, image_size):
    """`load_dataset`, with what was skipped and found on the way.

    Every file that Pillow opens is a picture, whatever its suffix; hidden files and other files are passed over.

    Args and raises: as `load_dataset`.
    Returns:
      Dataset.
    """
    root = Path(path)
    if not root.is_dir():
        raise BadInput(f'DATASET_PATH is {str(path)!r}, but there is no such folder here: '
                       'set it to a folder of pictures in mission_control.py.')
    files = list_files(root)
    images = np.empty([len(files), image_size, image_size, 3], np.uint8)
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter('ignore')  # Pillow warns of odd metadata in files that it reads all the same
        jobs = pool.map(lambda row: _read(root / files[row], images[row]), range(len(files)))
        found = list(tqdm(jobs, 'Reading pictures', len(files), delay=1, leave=False, disable=None))

    rows = [row for row, picture in enumerate(found) if isinstance(picture, _Picture)]
    skipped = [(files[row], reason) for row, reason in enumerate(found) if isinstance(reason, str)]
    if not rows:
        raise BadInput(f'DATASET_PATH is {str(path)!r}, but it holds no picture that can be read '
                       f'({len(files)} files looked at{_named(skipped)}).')
    for target, row in enumerate(rows):
        if target != row:  # closes the gaps in place: a copy of all would double the memory
            images[target] = images[row]
    digests = [found[row].digest for row in rows]
    return Dataset(images[:len(rows)], skipped, len(rows) - len(set(digests)), sum(found[row].enlarged for row in rows),
                   hashlib.sha256(b''.join(digests)).hexdigest())


def next_batch(data, batch_size, rng):
    """Draw pictures without replacement.

    Args:
      data: uint8 [n, size, size, 3].
      batch_size: how many, at most n.
      rng: np.random.RandomState.
    Returns:
      float32 [batch_size, size, size, 3] in [-1, 1].
    """
    return to_float(data[rng.permutation(len(data))[:batch_size]])


def to_float(pictures):
    """uint8 in [0, 255] → float32 in [-1, 1], as x / 127.5 - 1."""
    return pictures.astype(np.float32) / np.float32(127.5) - np.float32(1)


def summary(dataset):
    """What was found, in lines for the user."""
    counts = [f'{len(dataset.images)} pictures']
    for count, what in ((len(dataset.skipped), 'skipped'), (dataset.duplicates, 'exact duplicates'),
                        (dataset.enlarged, f'enlarged to {dataset.images.shape[1]} pixels')):
        counts += [f'{count} {what}'] if count else []
    lines = [', '.join(counts)]
    lines += [f'skipped {name}: {reason}' for name, reason in dataset.skipped[:SKIPPED_NAMED]]
    if len(dataset.skipped) > SKIPPED_NAMED:
        lines.append(f'and {len(dataset.skipped) - SKIPPED_NAMED} more')
    return lines


def list_files(root):
    """Every file below a folder that is not hidden, in an order that no file system changes.

    Links to folders are followed, each folder once.

    Args:
      root: Path.
    Returns:
      list of paths relative to root, str with '/', sorted by their composed Unicode form.
    """
    files, seen = [], set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        subfolders[:] = [] if real in seen else sorted(name for name in subfolders if not name.startswith('.'))
        if real in seen:
            continue
        seen.add(real)
        paths = (Path(folder, name) for name in names if not name.startswith('.'))
        files += [path.relative_to(root).as_posix() for path in paths if path.is_file()]
    return sorted(files, key=lambda name: unicodedata.normalize('NFC', name))


def _read(path, target):
    """Read one file into target, uint8 [size, size, 3]; returns _Picture, a reason to skip it, or None: no picture."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            enlarged = min(image.size) < len(target)
            target[:] = _fit(image, len(target))
        return _Picture(hashlib.blake2b(content, digest_size=16).digest(), enlarged)
    except UnidentifiedImageError:
        if path.suffix.lower() not in Image.registered_extensions().keys() | OTHER_PICTURE_SUFFIXES:
            return None
        return 'empty file' if not content else 'not a picture that Pillow can open'
    except Exception as problem:  # dozens of decoders raise anything on damaged bytes; the user gets file and reason
        reason = getattr(problem, 'strerror', None) or str(problem) or type(problem).__name__
        return reason.splitlines()[0]


def _fit(image, size):
    """Upright, opaque, cropped to a square about its middle and scaled: uint8 [size, size, 3]."""
    # JPEG decodes at 1/2, 1/4 or 1/8 for a fraction of the work; twice the size leaves Lanczos enough to smooth.
    image.draft(None, (2 * size, 2 * size))
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith('I;16'):
        image = Image.fromarray((np.asarray(image).astype(np.float32) / 257 + 0.5).astype(np.uint8))
    elif image.mode in ('I', 'F'):  # 32 bits declare no white: the file's own range is shown
        levels = np.asarray(image).astype(np.float64)
        span = np.ptp(levels) or 1
        image = Image.fromarray(((levels - levels.min()) / span * 255 + 0.5).astype(np.uint8))
    elif image.has_transparency_data:
        opaque = Image.new('RGBA', image.size, 'white')
        opaque.alpha_composite(image.convert('RGBA'))
        image = opaque
    return np.asarray(ImageOps.fit(image.convert('RGB'), (size, size), Image.Resampling.LANCZOS))


def _named(skipped):
    reasons = collections.Counter(reason for _, reason in skipped)
    return ''.join(f'; {count} × {reason}' for reason, count in reasons.most_common(3))
