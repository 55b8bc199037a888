"""One picture's file → uint8 pixels, upright, opaque, cropped and scaled. Needs no TensorFlow."""

import contextlib
import hashlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Pictures to a person, though Pillow alone does not open them: named when skipped, not passed over.
OTHER_PICTURE_SUFFIXES = {'.heic', '.heif', '.jxl', '.svg', '.dng', '.cr2', '.nef', '.arw', '.raw'}
PNG_TO_8_BITS = {'L;2': 85, 'L;4': 17, 'RGB;16B': 1 / 256}  # what Pillow multiplies a PNG's levels by
MOST_PIXELS = 2**27  # of a picture that is read
LARGE_PIXELS = 2**23  # of the pictures that threads decode at the same time; for larger ones there is one thread
STRIP_PIXELS = 2**20  # of a picture whose conversion needs many times its own memory


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
