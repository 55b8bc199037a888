"""Pictures on disk → one uint8 array. Needs no TensorFlow."""

import collections
import contextlib
import hashlib
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

# Pictures to a person, though Pillow alone does not open them: named when skipped, not passed over.
OTHER_PICTURE_SUFFIXES = {'.heic', '.heif', '.jxl', '.svg', '.dng', '.cr2', '.nef', '.arw', '.raw'}
PNG_TO_8_BITS = {'L;2': 85, 'L;4': 17, 'RGB;16B': 1 / 256}  # what Pillow multiplies a PNG's levels by


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

    Every file that Pillow opens is a picture, whatever its suffix; hidden files and other files are passed over.

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
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter('ignore')  # Pillow warns of odd metadata in files that it reads all the same
        jobs = pool.map(lambda row: _read(root / files[row], images[row]), range(len(files)))
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
    files, seen = [], set()
    walk = os.walk(root, followlinks=True, onerror=lambda problem: files.append(Path(problem.filename)))
    for folder, subfolders, names in walk:
        real = os.path.realpath(folder)
        subfolders[:] = [] if real in seen else sorted(name for name in subfolders if not name.startswith('.'))
        if real in seen:
            continue
        seen.add(real)
        paths = (Path(folder, name) for name in names if not name.startswith('.'))
        # No pipes: they keep their reader waiting. What does not even tell what it is tells the reason when opened.
        files += [path for path in paths if os.path.isfile(path) or not os.path.exists(path)]
    return sorted((path.relative_to(root).as_posix() for path in files),
                  key=lambda name: (unicodedata.normalize('NFC', name), name))


def _read(path, target):
    """Read one file into target, uint8 [size, size, 3]; returns (digest, enlarged), a reason to skip it, or None."""
    try:
        with path.open('rb') as file:  # Pillow knows a picture by its start: what else lies there is not read whole
            empty = not file.read(1)
            with Image.open(file) as image:
                enlarged = min(image.size) < len(target)
                target[:] = _fit(image, len(target))
            file.seek(0)
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest(), enlarged
    except UnidentifiedImageError:
        if path.suffix.lower() not in Image.registered_extensions().keys() | OTHER_PICTURE_SUFFIXES:
            return None
        return 'empty file' if empty else 'not a picture that Pillow can open'
    except Exception as problem:  # dozens of decoders raise anything on damaged bytes; the user gets file and reason
        reason = str(getattr(problem, 'strerror', None) or problem).strip() or type(problem).__name__
        return reason.splitlines()[0]


def _fit(image, size):
    """Upright, opaque, cropped to a square about its middle and scaled: uint8 [size, size, 3]."""
    # JPEG decodes at 1/2, 1/4 or 1/8 for a fraction of the work; twice the size leaves Lanczos enough to smooth.
    image.draft(None, (2 * size, 2 * size))
    _scale_transparent(image)
    image.load()
    with contextlib.suppress(Exception):  # damaged EXIF does no harm to the pixels
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode[0] in 'IF':
        levels = np.asarray(image).astype(np.float64 if image.mode == 'I' else np.float32)
        # 16 bits have a white; 32 bits declare none, and the file's own range is shown.
        declared = image.mode.startswith('I;16') or (image.format, image.mode) == ('PPM', 'I')
        known = (0, 65535) if declared else levels[np.isfinite(levels)]
        low, high = np.min(known), np.max(known)
        levels[levels == image.info.get('transparency')] = high
        levels = (np.nan_to_num(levels, nan=low, posinf=high, neginf=low) - low) / (high - low or 1)
        image = Image.fromarray((levels * 255 + 0.5).astype(np.uint8))
    elif image.has_transparency_data:
        opaque = Image.new('RGBA', image.size, 'white')
        opaque.alpha_composite(image.convert('RGBA'))
        image = opaque
    return np.asarray(ImageOps.fit(image.convert('RGB'), (size, size), Image.Resampling.LANCZOS))


def _scale_transparent(image):
    """Bring a PNG's one transparent colour to the 8 bits of its pixels: Pillow leaves it at the file's depth."""
    if image.format == 'PNG' and 'transparency' in image.info and image.tile and image.tile[0].args in PNG_TO_8_BITS:
        scaled = np.multiply(image.info['transparency'], PNG_TO_8_BITS[image.tile[0].args]).astype(int).tolist()
        image.info['transparency'] = tuple(scaled) if isinstance(scaled, list) else scaled


def _printable(text):
    """With escapes for what breaks a line or a terminal's encoding, as file names may."""
    return ''.join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _named(skipped):
    reasons = collections.Counter(reason for _, reason in skipped)
    return ''.join(f'; {count} × {reason}' for reason, count in reasons.most_common(3))
