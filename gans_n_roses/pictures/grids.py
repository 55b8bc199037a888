"""Arrays → pictures."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from gans_n_roses.machine.files import write_file
from gans_n_roses.pictures.channels import to_look_at, to_save

LETTER_WIDTH, LETTER_HEIGHT = 6, 11  # of Pillow's own bitmap font
PAPER, INK = 0, 170


def to_uint8(images):
    """Map [-1, 1] to [0, 255], the same for every picture: nothing is stretched.

    Args:
      images: float array of any shape.
    Returns:
      uint8 array of the same shape.
    """
    return np.clip(np.rint((np.asarray(images) + 1) * 127.5), 0, 255).astype(np.uint8)


def grid_shape(count):
    """(rows, columns) for so many pictures: as near to square as leaves no gap, or else nearly square with gaps."""
    square = math.isqrt(count - 1) + 1
    columns = next((c for c in range(square, square * 3 // 2 + 1) if count % c == 0), square)
    return math.ceil(count / columns), columns


def merge(images, columns=None):
    """Lay pictures out in a grid, row by row.

    Args:
      images: [n, height, width, channels], any dtype.
      columns: their number; None takes that of `grid_shape`.
    Returns:
      [rows * height, columns * width, channels] of the same dtype; cells without a picture are 0.
    """
    count, height, width, channels = images.shape
    rows, columns = (math.ceil(count / columns), columns) if columns else grid_shape(count)
    cells = np.zeros([rows * columns, height, width, channels], images.dtype)
    cells[:count] = images
    cells = cells.reshape(rows, columns, height, width, channels)
    return cells.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def enlarge(picture, times):
    """A picture whose pixels are squares: [height, width, channels] → [times * height, times * width, channels]."""
    return picture.repeat(times, 0).repeat(times, 1)


def labelled_size(side, texts):
    """(height, width) that `label` gives to pictures of so many pixels a side."""
    return side + LETTER_HEIGHT + 3, max(side, LETTER_WIDTH * max(map(len, texts)) + 2)


def label(pictures, texts):
    """Write a line of text under each picture.

    Args:
      pictures: uint8 [n, side, side, channels].
      texts: n strings of ASCII.
    Returns:
      uint8 [n, height, width, channels], of `labelled_size`: as wide as the longest text, where that is wider.
    """
    side, font = pictures.shape[1], ImageFont.load_default_imagefont()
    height, width = labelled_size(side, texts)
    left = (width - side) // 2
    cells = np.full([len(pictures), height, width, pictures.shape[-1]], PAPER, np.uint8)
    for cell, text in zip(cells, texts, strict=True):
        line = Image.new('L', (width, height - side), PAPER)
        ImageDraw.Draw(line).text(((width - LETTER_WIDTH * len(text)) // 2, 1), text, INK, font)
        cell[side:] = np.asarray(line)[..., np.newaxis]
    if pictures.shape[-1] == 4:
        cells[..., 3] = 255
    cells[:, :side, left:left + side] = pictures
    return cells


def by_columns(pictures, titles):
    """Lay pictures out in a grid with a title over each column.

    Args:
      pictures: uint8 [rows * len(titles), side, side, channels], row by row.
      titles: strings, as in `label`.
    Returns:
      uint8 [height, width, channels].
    """
    side, count = pictures.shape[1], len(titles)
    cells = label(pictures, list(titles) * (len(pictures) // count))
    titles = np.hstack(cells[:count, side:])
    return np.vstack([titles, merge(cells[:, :side], count)])


def pairs(above, below):
    """Lay out pairs of pictures, one over the other: two uint8 [n, height, width, channels] → one such picture."""
    return merge(np.concatenate([above, below], axis=1))


def png(picture, text=None):
    """Encode uint8 [height, width, channels] as the bytes of a PNG file; text, a dict, goes into its text fields."""
    fields = PngImagePlugin.PngInfo()
    for name, value in (text or {}).items():
        fields.add_text(name, value)
    buffer = io.BytesIO()
    Image.fromarray(to_save(picture)).save(buffer, 'PNG', pnginfo=fields)
    return buffer.getvalue()


def save_image(path, picture, text=None):
    """Write uint8 [height, width, channels] as a PNG file, with text as in `png`. Raises OSError as `write_file`."""
    write_file(path, png(picture, text))


def save_gif(path, frames, milliseconds):
    """Write a looping animation.

    Args:
      path: Path of the GIF.
      frames: iterable of uint8 [height, width, channels], all of one size. Equal ones in succession become one.
      milliseconds: how long each frame is shown.
    Raises:
      OSError: as `write_file`.
    """
    # A palette of its own for each frame keeps the colours; 256 by median cut.
    first, *others = (Image.fromarray(to_look_at(frame)).quantize(256) for frame in frames)
    buffer = io.BytesIO()
    first.save(buffer, 'GIF', save_all=True, append_images=others, duration=milliseconds, loop=0)
    write_file(path, buffer.getvalue())
