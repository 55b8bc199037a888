"""The channels of a picture (CHANNELS): 1 grey, 3 colours, or 4 colours with transparency.

A picture with transparency is kept laid on middle grey, and beside it its alpha, 255 where it is opaque. So what is
transparent is grey however its file paints it, the first three channels are a picture to measure, and in [-1, 1] grey
is 0: the colours are those of the file times the share that is opaque.
"""

import numpy as np

GREY = 127.5
SQUARE = 8  # pixels a side of the checkerboard that shows what is transparent
DARK, LIGHT = 102, 153


def lay_on_grey(pixels):
    """Lay a picture of four channels, as a file has it, on middle grey: uint8 [..., 4] → uint8 [..., 4]."""
    opaque = pixels[..., 3:] / np.float32(255)
    laid = np.rint(GREY + (pixels[..., :3] - np.float32(GREY)) * opaque)
    return np.concatenate([laid.astype(np.uint8), pixels[..., 3:]], -1)


def as_rgb(pictures):
    """Pictures of any channels as three colours, to be measured: uint8 [..., 1, 3 or 4] → uint8 [..., 3]."""
    if pictures.shape[-1] == 1:
        return np.broadcast_to(pictures, (*pictures.shape[:-1], 3))
    return pictures if pictures.shape[-1] == 3 else pictures[..., :3]


def to_look_at(picture):
    """A picture as three colours: what is transparent shows a checkerboard. uint8 [height, width, c] → [..., 3]."""
    if picture.shape[-1] < 4:
        return as_rgb(picture)
    rows, columns = np.indices(picture.shape[:2]) // SQUARE
    board = np.where((rows + columns) % 2, np.float32(DARK), LIGHT)[..., np.newaxis]
    through = 1 - picture[..., 3:] / np.float32(255)
    return np.clip(np.rint(picture[..., :3] + (board - GREY) * through), 0, 255).astype(np.uint8)


def from_saved(pixels):
    """A picture as it is kept, from what a file has of it: the inverse of `to_save`, to rounding."""
    if pixels.ndim == 2:
        return pixels[..., np.newaxis]
    return lay_on_grey(pixels) if pixels.shape[-1] == 4 else pixels


def to_save(picture):
    """A picture as a file has it: uint8 [height, width, c] → the same for colours, [height, width] for grey."""
    if picture.shape[-1] < 4:
        return picture[..., 0] if picture.shape[-1] == 1 else picture
    opaque = picture[..., 3:] / np.float32(255)
    colours = GREY + (picture[..., :3] - GREY) / np.maximum(opaque, 1 / 255)
    return np.concatenate([np.clip(np.rint(colours), 0, 255).astype(np.uint8), picture[..., 3:]], -1)
