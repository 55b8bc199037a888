"""Pictures on disk → one uint8 array. Needs no TensorFlow."""

import collections
import contextlib
import hashlib
import os
import threading
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
PIXELS_AT_ONCE = 2**27  # in one picture, and in all that threads decode at the same time: 9 bytes each, WebP's 16
STRIP_PIXELS = 2**20  # of a picture whose conversion needs many times its own memory


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
    Pictures of more than PIXELS_AT_ONCE pixels are skipped: a file of a megabyte may hold gigabytes. Pillow's own limit
    belongs to the whole process and is left as it is: it is a little higher, and is met before any decoding.

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
    budget = _Budget(PIXELS_AT_ONCE)
    Image.init()  # here: a thread that meets a format while another thread is loading its plug-in may miss it
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter('ignore')  # Pillow warns of odd metadata in files that it reads all the same
        jobs = pool.map(lambda row: _read(root / files[row], images[row], budget), range(len(files)))
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


class _Budget:
    """So many pixels that threads may hold at the same time."""

    def __init__(self, pixels):
        self._free, self._returned = pixels, threading.Condition()

    @contextlib.contextmanager
    def hold(self, pixels):
        """Wait until so many are free, at most those of the whole budget, and hold them."""
        with self._returned:
            self._returned.wait_for(lambda: pixels <= self._free)
            self._free -= pixels
        try:
            yield
        finally:
            with self._returned:
                self._free += pixels
                self._returned.notify_all()


def _read(path, target, budget):
    """Read one file into target, uint8 [size, size, 3]; returns (digest, enlarged), a reason to skip it, or None."""
    try:
        with path.open('rb') as file:  # Pillow knows a picture by its start: what else lies there is not read whole
            empty = not file.read(1)
            image = Image.open(file)  # it has nothing of its own to close
            enlarged = min(image.size) < len(target)
            pixels = _reduce(image, len(target))
            if pixels > PIXELS_AT_ONCE:
                return (f'{pixels / 1e6:,.0f} million pixels, at most {PIXELS_AT_ONCE / 1e6:.0f} million can be read: '
                        'make it smaller')
            with budget.hold(pixels):
                target[:] = _fit(image, len(target))
                del image  # before others may hold what it took
            file.seek(0)
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest(), enlarged
    except UnidentifiedImageError:
        if path.suffix.lower() not in Image.registered_extensions().keys() | OTHER_PICTURE_SUFFIXES:
            return None
        return 'empty file' if empty else 'not a picture that Pillow can open'
    except Exception as problem:  # dozens of decoders raise anything on damaged bytes; the user gets file and reason
        reason = str(getattr(problem, 'strerror', None) or problem).strip() or type(problem).__name__
        return reason.splitlines()[0]


def _reduce(image, size):
    """Have a JPEG decoded at 1/2, 1/4 or 1/8 where that is enough; returns how many pixels will lie in memory."""
    whole = image.width * image.height
    # A fraction of the work; twice the size leaves Lanczos enough to smooth.
    image.draft(None, (2 * size, 2 * size))
    # A progressive JPEG is collected whole before it is reduced.
    return whole if 'progressive' in image.info else image.width * image.height


def _fit(image, size):
    """Upright, opaque, cropped to a square about its middle and scaled: uint8 [size, size, 3]."""
    _scale_transparent(image)
    image.load()
    with contextlib.suppress(Exception):  # damaged EXIF does no harm to the pixels
        ImageOps.exif_transpose(image, in_place=True)
    return np.asarray(ImageOps.fit(_to_rgb(image), (size, size), Image.Resampling.LANCZOS))


def _to_rgb(image):
    """In 8 bits and opaque, strip by strip: on the way each pixel may need ten times the memory that it has."""
    if image.mode == 'RGB' and not image.has_transparency_data:
        return image
    low, high = _black_and_white(image) if image.mode[0] in 'IF' else (None, None)
    whole = Image.new('RGB', image.size)
    for top, strip in _strips(image):
        if image.mode[0] in 'IF':
            levels = _levels(strip)
            levels[levels == image.info.get('transparency')] = high
            levels = (np.nan_to_num(levels, nan=low, posinf=high, neginf=low) - low) / (high - low or 1)
            strip = Image.fromarray((levels * 255 + 0.5).astype(np.uint8))
        elif image.has_transparency_data:
            opaque = Image.new('RGBA', strip.size, 'white')
            opaque.alpha_composite(strip.convert('RGBA'))
            strip = opaque
        whole.paste(strip.convert('RGB'), (0, top))
    return whole


def _black_and_white(image):
    """The levels of black and of white in a picture of more than 8 bits."""
    # 16 bits have a white; 32 bits declare none, and the file's own range is shown.
    if image.mode.startswith('I;16') or (image.format, image.mode) == ('PPM', 'I'):
        return 0, 65535
    ranges = []
    for _, strip in _strips(image):
        levels = _levels(strip)
        levels = levels[np.isfinite(levels)]
        ranges += [levels.min(), levels.max()] if levels.size else []
    return np.min(ranges), np.max(ranges)


def _strips(image):
    """Pairs (top, strip) of a loaded picture, which follow one another from its top to its bottom."""
    rows = max(STRIP_PIXELS // image.width, 1)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _levels(image):
    return np.asarray(image).astype(np.float64 if image.mode == 'I' else np.float32)


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
