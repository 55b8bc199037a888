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
# Pictures to a person, though Pillow alone does not open them: named when skipped, not passed over.
OTHER_PICTURE_SUFFIXES = {'.heic', '.heif', '.jxl', '.svg', '.dng', '.cr2', '.nef', '.arw', '.raw'}
PNG_TO_8_BITS = {'L;2': 85, 'L;4': 17, 'RGB;16B': 1 / 256}  # what Pillow multiplies a PNG's levels by
MOST_PIXELS = 2**27  # of a picture that is read
LARGE_PIXELS = 2**23  # of the pictures that threads decode at the same time; for larger ones there is one thread
STRIP_PIXELS = 2**20  # of a picture whose conversion needs many times its own memory


class File(NamedTuple):
    """A file in a folder, and what is known of it once it has been read.

    A picture has a digest, and a picture that cannot be read has a problem; any other file has neither.
    """

    name: str  # path in the folder
    size: int  # bytes; 0 where the system says nothing of the file
    modified: int  # time of the last change of its content, in nanoseconds, or 0
    changed: int  # time of the last change of anything, in nanoseconds, or 0
    digest: str = ''  # of its bytes
    enlarged: bool = False  # the picture is smaller than it is needed
    problem: str = ''  # the reason why it cannot be read

    @property
    def identity(self):
        """Name, size and times: while these stay, the file has not changed."""
        return self[:4]


def describe_file(root, name):
    """Describe a file without opening it.

    Args:
      root: str, path of the folder; a Path for each of a million files would take seconds.
      name: str, path in the folder.
    Returns:
      File.
    """
    try:
        known = os.stat(os.path.join(root, name))
    except (OSError, ValueError):  # the reason is told when the file is read
        return File(name, 0, 0, 0)
    # The time of change is the only one that moves with a file's rights, or under a copy that keeps the other.
    return File(name, known.st_size, known.st_mtime_ns, known.st_ctime_ns)


def read_pictures(root, files, image_size):
    """Read files by threads.

    Args:
      root: Path of the folder.
      files: list of File.
      image_size: height and width that the pictures are fitted to, in pixels.
    Yields:
      (File, uint8 [image_size, image_size, 3]) for each file, in order; the pixels mean nothing unless it is a picture.
    """
    if not files:  # as at each start from a cache where nothing has changed: threads and plug-ins take time
        return
    Image.init()  # here: a thread that meets a format while another thread is loading its plug-in may miss it
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as for_large, ThreadPoolExecutor(os.cpu_count()) as pool, \
            tqdm(None, 'Reading pictures', len(files), delay=1, leave=False, disable=None) as bar:
        warnings.simplefilter('ignore')  # Pillow warns of odd metadata in files that it reads all the same
        for first in range(0, len(files), TOGETHER):
            some = files[first:first + TOGETHER]
            pixels = np.empty([len(some), image_size, image_size, 3], np.uint8)
            read = pool.map(lambda file, target: read_picture(root, file, target, for_large), some, pixels)
            for found in zip(read, pixels, strict=True):
                bar.update()
                yield found


def read_picture(root, file, target, for_large):
    """Read one file into an array.

    Every file that Pillow opens is a picture, whatever its suffix. Pictures of more than MOST_PIXELS pixels are
    refused: a file of a megabyte may hold gigabytes. Pillow's own limit belongs to the whole process and is left as it
    is: it is a little higher, and is met before any decoding.

    Args:
      root: Path of the folder.
      file: File, as `describe_file` returns it.
      target: uint8 [size, size, 3]; left as it was where the file cannot be read.
      for_large: ThreadPoolExecutor of one thread, for pictures of more than LARGE_PIXELS pixels. A thread keeps memory
        that its pictures have taken, so a lock is not enough: six pictures of 30 million pixels, read by six threads,
        took 0.6 to 1.3 GB with a lock around each large one, and 0.2 to 0.3 GB in one thread (Linux, Pillow 13).
    Returns:
      File, with the rest filled in.
    """
    path = root / file.name
    try:
        if path.is_fifo():  # a pipe would keep its reader waiting
            return file
        with path.open('rb') as content:  # Pillow knows a picture by its start: what else lies there is not read whole
            image = Image.open(content)  # it has nothing of its own to close
            enlarged = min(image.size) < len(target)
            pixels = _reduce(image, len(target))
            if pixels > MOST_PIXELS:
                return file._replace(problem=f'{pixels / 1e6:,.0f} million pixels, at most {MOST_PIXELS / 1e6:.0f} '
                                             'million can be read: make it smaller')
            large = pixels > LARGE_PIXELS
            target[:] = for_large.submit(_fit, image, len(target)).result() if large else _fit(image, len(target))
        with path.open('rb') as content:  # anew: Pillow has closed the first
            digest = hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        return file._replace(digest=digest, enlarged=enlarged)
    except UnidentifiedImageError:
        if path.suffix.lower() not in Image.registered_extensions().keys() | OTHER_PICTURE_SUFFIXES:
            return file
        return file._replace(problem='not a picture that Pillow can open' if file.size else 'empty file')
    except Exception as problem:  # dozens of decoders raise anything on damaged bytes; the user gets file and reason
        told = str(getattr(problem, 'strerror', None) or problem).strip() or type(problem).__name__
        return file._replace(problem=told.splitlines()[0])


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
