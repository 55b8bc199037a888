"""Files of pictures → uint8 pixels, upright, in sRGB, and all of one form. Needs no TensorFlow."""

import contextlib
import functools
import hashlib
import io
import logging
import os
import stat
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, ImagePalette, UnidentifiedImageError
from tqdm import tqdm

from gans_n_roses.errors import shell
from gans_n_roses.pictures.channels import as_rgb, from_saved

TOGETHER = 256  # files that the threads are given at a time: bounds the memory, however many files there are
HEIF_SUFFIXES = {'.heic', '.heif', '.hif'}
HEIF_STARTS = {b'ftyphe', b'ftypmi', b'ftypms'}  # from the fifth byte on
# Of some, Pillow would open a small picture that lies in the file beside the camera's own.
RAW_SUFFIXES = {'.arw', '.cr2', '.cr3', '.crw', '.dng', '.nef', '.nrw', '.orf', '.pef', '.raf', '.raw', '.rw2', '.srw'}
# Pictures to a person, though Pillow does not open them: named when skipped, not passed over.
OTHER_SUFFIXES = HEIF_SUFFIXES | RAW_SUFFIXES | {'.dcm', '.exr', '.hdr', '.jxl', '.svg', '.xcf'}
RAW = 'RAW file of a camera: export it as JPEG or TIFF'
PNG_TO_8_BITS = {'L;2': 85, 'L;4': 17, 'RGB;16B': 1 / 256}  # what Pillow multiplies a PNG's levels by
MOST_PIXELS = 2**27  # of a picture that is read
LARGE_PIXELS = 2**23  # of the pictures that threads decode at the same time; for larger ones there is one thread
STRIP_PIXELS = 2**20  # of a picture whose conversion needs many times its own memory
WHITE_12_BITS = 4095  # in pictures of 16 bits that use no more: microscopes and cameras write them so
ALIKE = 16, 0.99  # levels that so great a part of a blank picture's pixels lie within
PROFILE_SPACES = {'RGB ': 'RGB', 'GRAY': 'L', 'CMYK': 'CMYK'}  # colour space of a profile → mode of its pixels
SAME_COLOURS = 2  # levels that sRGB may be off from one profile to another
COLOURS = np.stack(np.mgrid[:256:51, :256:51, :256:51], -1).astype(np.uint8).reshape(6, 36, 3)  # of all kinds, evenly
# Tags of a TIFF:
SUBFILE_TYPE, BITS, PHOTOMETRIC, PLANES, COLOUR_MAP, SUBFILES, SAMPLE_FORMAT = 254, 258, 262, 284, 320, 330, 339


class Form(NamedTuple):
    """The form that all pictures are brought to."""

    size: int  # height and width, in pixels
    channels: int = 3  # 1 grey, 3 colours, 4 colours and alpha, as in pictures/channels.py
    fit: str = 'crop'  # FIT: 'crop' about the middle, 'pad' with the mean colour of its border, or 'stretch'

    @property
    def shape(self):
        """The shape of a picture's pixels."""
        return self.size, self.size, self.channels


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
    blank: bool = False  # it is nearly of one shade
    problem: str = ''  # the reason why it is not read

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


def read_pictures(root, files, form):
    """Read files by threads.

    Args:
      root: Path of the folder.
      files: list of File.
      form: Form.
    Yields:
      (File, uint8 [size, size, channels]) for each file, in order; the pixels mean nothing unless it is a picture.
    """
    if not files:  # as at each start from a cache where nothing has changed: threads and plug-ins take time
        return
    Image.init()  # here: a thread that meets a format while another thread is loading its plug-in may miss it
    with contextlib.suppress(ImportError):  # no requirement of ours
        from pillow_heif import register_heif_opener
        register_heif_opener()
    logging.getLogger('PIL').addHandler(logging.NullHandler())  # Pillow logs faults without the file's name
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as for_large, ThreadPoolExecutor(os.cpu_count()) as pool, \
            tqdm(None, 'Reading pictures', len(files), delay=1, leave=False, disable=None) as bar:
        warnings.simplefilter('ignore')  # Pillow warns of odd metadata in files that it reads all the same
        for first in range(0, len(files), TOGETHER):
            some = files[first:first + TOGETHER]
            pixels = np.empty([len(some), *form.shape], np.uint8)
            read = pool.map(lambda file, target: read_picture(root, file, form, target, for_large), some, pixels)
            for found in zip(read, pixels, strict=True):
                bar.update()
                yield found


def read_picture(root, file, form, target, for_large):
    """Read one file into an array.

    Every file that Pillow opens is a picture, whatever its suffix, but for RAW files of cameras. Pictures of more than
    MOST_PIXELS pixels are refused: a file of a megabyte may hold gigabytes. Pillow's own limit belongs to the whole
    process and is left as it is: it is a little higher, and is met before any decoding.

    Args:
      root: Path of the folder.
      file: File, as `describe_file` returns it.
      form: Form.
      target: uint8 [size, size, channels]; left as it was where the file cannot be read.
      for_large: ThreadPoolExecutor of one thread, for pictures of more than LARGE_PIXELS pixels. A thread keeps memory
        that its pictures have taken, so a lock is not enough: six pictures of 30 million pixels, read by six threads,
        took 0.6 to 1.3 GB with a lock around each large one, and 0.2 to 0.3 GB in one thread (Linux, Pillow 13).
    Returns:
      File, with the rest filled in.
    """
    path = root / file.name
    suffix, start = path.suffix.lower(), b''
    try:
        known = path.stat()
        if not stat.S_ISREG(known.st_mode):  # a pipe would keep its reader waiting
            return file
        if not known.st_size:  # the system's own, as in /proc, may keep their reader waiting, too
            raise UnidentifiedImageError
        with path.open('rb') as content:  # Pillow knows a picture by its start: what else lies there is not read whole
            start = content.peek(10)[:10]
            image = Image.open(content)  # it has nothing of its own to close
            if image.format == 'TIFF' and suffix in RAW_SUFFIXES:
                return file._replace(problem=RAW)
            enlarged = (max if form.fit == 'pad' else min)(image.size) < form.size
            pixels = _reduce(image, form.size)
            if pixels > MOST_PIXELS:
                return file._replace(problem=f'{pixels / 1e6:,.0f} million pixels, at most {MOST_PIXELS / 1e6:.0f} '
                                             'million can be read: make it smaller')
            large = pixels > LARGE_PIXELS
            target[:] = for_large.submit(_fit, image, form).result() if large else _fit(image, form)
            blank = is_blank(as_rgb(target))
        with path.open('rb') as content:  # anew: Pillow has closed the first
            digest = hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        return file._replace(digest=digest, enlarged=enlarged, blank=blank)
    except UnidentifiedImageError:
        return file._replace(problem=_why_not(suffix, start))
    except Exception as problem:  # dozens of decoders raise anything on damaged bytes; the user gets file and reason
        told = str(getattr(problem, 'strerror', None) or problem).strip() or type(problem).__name__
        return file._replace(problem=told.splitlines()[0])


def _why_not(suffix, start):
    """Why Pillow does not open a file of this suffix that starts so; '' if it is no picture."""
    formats = Image.registered_extensions()
    if '.heic' not in formats and (suffix in HEIF_SUFFIXES or start[4:] in HEIF_STARTS):
        return f'HEIC, which this makes readable: {shell([sys.executable, "-m", "pip", "install", "pillow-heif"])}'
    if suffix not in formats.keys() | OTHER_SUFFIXES:
        return ''
    if not start:
        return 'empty file'
    return RAW if suffix in RAW_SUFFIXES else 'not a picture that Pillow can open'


def _reduce(image, size):
    """Have a JPEG decoded at 1/2, 1/4 or 1/8 where that is enough; returns how many pixels will lie in memory."""
    whole = image.width * image.height
    # A fraction of the work; twice the size leaves Lanczos enough to smooth.
    image.draft(None, (2 * size, 2 * size))
    # A progressive JPEG is collected whole before it is reduced.
    return whole if 'progressive' in image.info else image.width * image.height


def _fit(image, form):
    """A picture as it is shown to the networks: uint8 [size, size, channels]."""
    mode = image.mode
    hidden = True  # where its alpha is 0
    if image.format == 'TGA' and mode in ('RGBA', 'LA'):
        image.fp.seek(17)
        hidden = image.fp.read(1)[0] & 15  # so many bits are alpha: Pillow takes any fourth channel for it
    rough = mode in ('RGB', 'RGBA') and ';16' in str(image.tile[:1])  # of 16 bits, Pillow keeps the upper 8
    _prepare_tiff(image)
    _scale_transparent(image)
    image.load()
    if rough and 0 < max(most for _, most in image.getextrema()[:3]) < 16:
        raise ValueError('at most 12 of the 16 bits of its colours are used, of which Pillow keeps 4: save it in 8')
    with contextlib.suppress(Exception):  # damaged EXIF does no harm to the pixels
        ImageOps.exif_transpose(image, in_place=True)
    space, to_srgb = _conversion(image.info.get('icc_profile'))
    clear = hidden and image.has_transparency_data and mode[0] not in 'IF'  # these are laid on white by their levels
    if form.channels == 4:
        framed = _framed(image.convert('RGBA') if clear else Image.new('RGBA', image.size, 'white'), form)
    fitted = (framed.convert('RGB') if form.channels == 4 and clear
              else _opaque(image, form, clear, as_it_is=space == mode == 'CMYK'))
    if space == fitted.mode or (space == 'L' and mode[0] in '1LIF'):
        fitted = ImageCms.applyTransform(fitted.convert(space), to_srgb)
    image.close()  # frees its pixels before the next large picture is decoded
    if form.channels == 4:
        fitted.putalpha(framed.getchannel('A'))
    return from_saved(np.asarray(fitted.convert('L') if form.channels == 1 else fitted))


def _opaque(image, form, clear, as_it_is):
    """A picture of the form's size, opaque: PIL image of mode RGB, or of its own, where it is to be taken as it is."""
    # A white drawing is seen on black; what is transparent everywhere, without its alpha; or nothing, as on white.
    for ground in ('white', 'black', None, 'white') if clear else (None,):
        fitted = _framed(image if as_it_is else _to_rgb(image, ground), form)
        if not clear or not is_blank(np.asarray(fitted.convert('RGB'))):
            break
    return fitted


def _framed(image, form):
    """A square picture of the form's size."""
    side = form.size
    if form.fit == 'crop':
        return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    if form.fit == 'stretch':
        return image.resize((side, side), Image.Resampling.LANCZOS)
    scale = side / max(image.size)
    whole = image.resize([max(round(length * scale), 1) for length in image.size], Image.Resampling.LANCZOS)
    pixels = np.asarray(whole)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).mean(0).round().astype(int)
    square = Image.new(whole.mode, (side, side), 0 if whole.mode == 'RGBA' else tuple(np.atleast_1d(border).tolist()))
    square.paste(whole, ((side - whole.width) // 2, (side - whole.height) // 2))
    return square


def is_blank(pixels):
    """Whether a picture, uint8 [height, width, 3], is nearly of one shade: the green of some pixels tells it."""
    levels, part = ALIKE
    greens = np.sort(pixels[::4, ::4, 1], axis=None)
    apart = int(part * (len(greens) - 1))
    return bool((greens[apart:] - greens[:len(greens) - apart]).min() < levels)


@functools.lru_cache(32)
def _conversion(profile):
    """(mode of the pixels, transform from it to sRGB) of an ICC profile.

    Args:
      profile: bytes, or None.
    Returns:
      (None, None) if it is none, is damaged, or is sRGB.
    """
    with contextlib.suppress(Exception):  # a damaged profile does no harm to the pixels
        opened, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile('sRGB')
        mode = PROFILE_SPACES[opened.profile.xcolor_space]
        plain = Image.fromarray(COLOURS).convert(mode)
        slow = ImageCms.buildTransform(opened, srgb, mode, 'RGB', flags=ImageCms.Flags.NOOPTIMIZE)  # but soon built
        converted = ImageCms.applyTransform(plain, slow)
        if np.abs(np.subtract(converted, plain.convert('RGB'), dtype=int)).max() > SAME_COLOURS:
            return mode, ImageCms.buildTransform(opened, srgb, mode, 'RGB')
    return None, None


def _to_rgb(image, ground):
    """In 8 bits and opaque, strip by strip: on the way each pixel may need ten times the memory that it has.

    Args:
      image: PIL image.
      ground: colour that is seen through it; None for the picture without its alpha.
    Returns:
      PIL image of mode RGB.
    """
    if image.mode == 'RGB' and not image.has_transparency_data:
        return image
    black, white = _black_and_white(image) if image.mode[0] in 'IF' else (None, None)
    whole = Image.new('RGB', image.size)
    for top, strip in _strips(image):
        if image.mode[0] in 'IF':
            levels = _levels(image, strip)
            levels[levels == image.info.get('transparency')] = white
            levels = (np.nan_to_num(levels, nan=black, posinf=white, neginf=black) - black) / (white - black or 1)
            strip = Image.fromarray((levels * 255 + 0.5).astype(np.uint8))
        elif image.has_transparency_data and ground:
            opaque = Image.new('RGBA', strip.size, ground)
            opaque.alpha_composite(strip.convert('RGBA'))
            strip = opaque
        whole.paste(strip.convert('RGB'), (0, top))
    return whole


def _black_and_white(image):
    """The levels of black and of white in a picture of more than 8 bits."""
    ranges = []
    for _, strip in _strips(image):
        levels = _levels(image, strip)
        levels = levels[np.isfinite(levels)]
        ranges += [levels.min(), levels.max()] if levels.size else []
    # 16 bits have a white; 32 bits declare none, and the file's own range is shown.
    low, high = np.min(ranges), np.max(ranges)
    if image.mode.startswith('I;16') or (image.format, image.mode) == ('PPM', 'I'):
        low, high = 0, WHITE_12_BITS if high <= WHITE_12_BITS else 65535
    white_is_low = image.format == 'TIFF' and image.tag_v2.get(PHOTOMETRIC) == 0
    return (high, low) if white_is_low else (low, high)


def _strips(image):
    """Pairs (top, strip) of a loaded picture, which follow one another from its top to its bottom."""
    rows = max(STRIP_PIXELS // image.width, 1)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _levels(image, strip):
    """The levels of a strip of a picture of more than 8 bits, as floating point."""
    if image.mode != 'I':
        return np.asarray(strip).astype(np.float32)
    levels = np.asarray(strip).astype(np.float64)
    unsigned = image.format == 'TIFF' and image.tag_v2.get(SAMPLE_FORMAT, (1,)) == (1,)  # Pillow takes them for signed
    return levels % 2**32 if unsigned else levels


def _prepare_tiff(image):
    """Correct what Pillow makes of a TIFF's layout, before the pixels are loaded.

    Raises:
      ValueError: Pillow would show other pixels than the file has.
    """
    if image.format != 'TIFF':
        return
    tags, (codec, *_, (stored, *_)) = image.tag_v2, image.tile[0]
    if tags.get(SUBFILE_TYPE) == 1 and SUBFILES in tags:  # a small version of the picture
        raise ValueError(RAW)
    deep = max(tags.get(BITS, (1,))) > 8
    planes = tags.get(PLANES) == 2 and (image.mode == 'LA' or (deep and codec != 'libtiff'))
    signed = image.mode == 'L' and tags.get(SAMPLE_FORMAT, (1,)) != (1,)
    swapped = codec == 'libtiff' and stored.endswith(('BS', 'BF'))  # twice: libtiff has put the bytes in order
    if planes or signed or swapped:
        raise ValueError('Pillow misreads TIFFs of this layout: save it as PNG')
    if image.mode in ('P', 'PA') and max(tags[COLOUR_MAP]) < 256:  # levels of 8 bits, where Pillow takes 16
        image.palette = ImagePalette.raw('RGB;L', bytes(tags[COLOUR_MAP]))


def _scale_transparent(image):
    """Bring a PNG's one transparent colour to the 8 bits of its pixels: Pillow leaves it at the file's depth."""
    if image.format == 'PNG' and 'transparency' in image.info and image.tile and image.tile[0].args in PNG_TO_8_BITS:
        scaled = np.multiply(image.info['transparency'], PNG_TO_8_BITS[image.tile[0].args]).astype(int).tolist()
        image.info['transparency'] = tuple(scaled) if isinstance(scaled, list) else scaled
