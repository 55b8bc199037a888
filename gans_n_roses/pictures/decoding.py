"""Files of pictures → uint8 pixels, upright, opaque, cropped and scaled. Needs no TensorFlow."""

import contextlib
import hashlib
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

TOGETHER = 256  # files that the threads are given at a time: bounds the memory, however many files there are
UNREAD, OTHER = -1, -2  # in place of a row: a file that is not read (yet), and one that is no picture
IDENTITY = ['name', 'size', 'modified', 'changed']  # a file is the same while these are
# Pictures to a person, though Pillow alone does not open them: named when skipped, not passed over.
OTHER_PICTURE_SUFFIXES = {'.heic', '.heif', '.jxl', '.svg', '.dng', '.cr2', '.nef', '.arw', '.raw'}
PNG_TO_8_BITS = {'L;2': 85, 'L;4': 17, 'RGB;16B': 1 / 256}  # what Pillow multiplies a PNG's levels by
MOST_PIXELS = 2**27  # of a picture that is read
LARGE_PIXELS = 2**23  # of the pictures that threads decode at the same time; for larger ones there is one thread
STRIP_PIXELS = 2**20  # of a picture whose conversion needs many times its own memory


class Chunk(NamedTuple):
    """The pictures among some files that follow one another."""

    pictures: np.ndarray  # uint8 [m, size, size, 3]
    skipped: list  # (name, reason), one for each picture that cannot be read; safe to print


def describe_files(root, names):
    """Describe files without opening them.

    Args:
      root: Path of the folder.
      names: list of str, paths in the folder.
    Returns:
      The table of files, a structured array [n]:
        name: the path in the folder, in the file system's own bytes, which need not be Unicode.
        size, modified, changed: bytes, and the times of the last changes in nanoseconds; 0 where the system says none.
        row: number of the picture among all pictures; here UNREAD, later OTHER for a file that is no picture.
        enlarged: True for a picture that is smaller than it is needed.
        digest: of the file's bytes.
        checksum: of the picture's pixels; it belongs to the cache.
    """
    folder = os.path.join(root, '')  # text: a Path for each of a million files would take seconds
    fields = [('name', f'S{max((len(os.fsencode(name)) for name in names), default=1)}'), ('size', 'i8'),
              ('modified', 'i8'), ('changed', 'i8'), ('row', 'i8'), ('enlarged', '?'), ('digest', 'V16'),
              ('checksum', 'u4')]
    described = ((os.fsencode(name), *_state(folder + name), UNREAD, False, b'', 0) for name in names)
    return np.fromiter(described, fields, len(names))


def _state(path):
    try:
        known = os.stat(path)
    except (OSError, ValueError):  # the reason is told when the file is read
        return 0, 0, 0
    # The time of change is the only one that moves with a file's rights, or under a copy that keeps the other.
    return known.st_size, known.st_mtime_ns, known.st_ctime_ns


def read_pictures(root, files, image_size, known=None):
    """Read all files that are UNREAD, by threads, and number the pictures anew.

    Args:
      root: Path of the folder.
      files: table of files, as `describe_files` returns it; its last columns are filled in as the chunks come. A
        picture that cannot be read stays UNREAD.
      image_size: height and width that the pictures are fitted to, in pixels.
      known: pictures that need no reading, indexed by the rows that stand in the table at the beginning.
    Yields:
      Chunk, for the next TOGETHER files.
    """
    if (files['row'] == UNREAD).any():
        Image.init()  # here: a thread that meets a format while another thread is loading its plug-in may miss it
    count = 0
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as for_large, ThreadPoolExecutor(os.cpu_count()) as pool, \
            tqdm(None, 'Reading pictures', len(files), delay=1, leave=False, disable=None) as bar:
        warnings.simplefilter('ignore')  # Pillow warns of odd metadata in files that it reads all the same
        for first in range(0, len(files), TOGETHER):
            some, skipped = files[first:first + TOGETHER], []
            pixels = np.empty([len(some), image_size, image_size, 3], np.uint8)
            recalled, unread = some['row'] >= 0, np.flatnonzero(some['row'] == UNREAD)
            if recalled.any():
                pixels[recalled] = known[some['row'][recalled]]
            names = [os.fsdecode(name) for name in some['name'][unread]]
            found = pool.map(lambda name, target: read_picture(root / name, target, for_large), names,
                             (pixels[place] for place in unread))
            for name, place, one in zip(names, unread, found, strict=True):
                if isinstance(one, str):
                    skipped.append((_printable(name), one))
                elif one is None:
                    some['row'][place] = OTHER
                else:
                    some['row'][place], (some['digest'][place], some['enlarged'][place]) = 0, one
            bar.update(len(some))
            pictures = some['row'] >= 0
            some['row'][pictures] = count + np.arange(pictures.sum())
            count += pictures.sum()
            yield Chunk(pixels[pictures], skipped)


def _printable(text):
    """Text with escapes for what breaks a line or a terminal's encoding, as file names may."""
    return ''.join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def read_picture(path, target, for_large):
    """Read one file into an array.

    Every file that Pillow opens is a picture, whatever its suffix. Pictures of more than MOST_PIXELS pixels are
    refused: a file of a megabyte may hold gigabytes. Pillow's own limit belongs to the whole process and is left as it
    is: it is a little higher, and is met before any decoding.

    Args:
      path: Path.
      target: uint8 [size, size, 3]; left as it was where the file cannot be read.
      for_large: ThreadPoolExecutor of one thread, for pictures of more than LARGE_PIXELS pixels. A thread keeps memory
        that its pictures have taken, so a lock is not enough: six pictures of 30 million pixels, read by six threads,
        took 0.6 to 1.3 GB with a lock around each large one, and 0.2 to 0.3 GB in one thread (Linux, Pillow 13).
    Returns:
      (digest of the file's bytes, whether the picture was smaller than size); str, the reason why a picture cannot be
      read; None where the file is no picture.
    """
    try:
        with path.open('rb') as file:  # Pillow knows a picture by its start: what else lies there is not read whole
            empty = not file.read(1)
            image = Image.open(file)  # it has nothing of its own to close
            enlarged = min(image.size) < len(target)
            pixels = _reduce(image, len(target))
            if pixels > MOST_PIXELS:
                return (f'{pixels / 1e6:,.0f} million pixels, at most {MOST_PIXELS / 1e6:.0f} million can be read: '
                        'make it smaller')
            large = pixels > LARGE_PIXELS
            target[:] = for_large.submit(_fit, image, len(target)).result() if large else _fit(image, len(target))
        with path.open('rb') as file:  # anew: Pillow has closed the first
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
    fitted = ImageOps.fit(_to_rgb(image), (size, size), Image.Resampling.LANCZOS)
    image.close()  # frees its pixels before the next large picture is decoded
    return np.asarray(fitted)


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
