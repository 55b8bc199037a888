"""What the tests of pictures share: one picture in an array, files made of it, a fresh Python to read them."""

import io
import json
import struct
import subprocess
import sys
import zlib

import numpy as np
from conftest import REPO
from PIL import Image

SIZE = 16
EXACT, ROUNDED, LOSSY = 0, 2, 12  # levels that a pixel may be off
DEADLINE_S = 60  # of a child process that may hang

# One picture: 36 wide, 24 high, no two corners alike.
Y, X = np.mgrid[:24, :36]
RGB = np.stack([X * 7, Y * 10, 255 - X * 3 - Y * 4], -1).astype(np.uint8)


def png(bits, colour_type, rows, *chunks, width=36, height=24):
    """A PNG written by hand, for depths that Pillow reads and does not write."""
    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    header = struct.pack('>IIBBBBB', width, height, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b''.join(b'\0' + bytes(row) for row in rows))
    return b''.join([b'\x89PNG\r\n\x1a\n', chunk(b'IHDR', header), *(chunk(*each) for each in chunks),
                     chunk(b'IDAT', pixels), chunk(b'IEND', b'')])


def tiff(strips, tags, order='<'):
    """A TIFF of 36 × 24 written by hand, for layouts that Pillow reads and does not write.

    Args:
      strips: list of bytes.
      tags: number → list of whole numbers below 65,536; the other tags say: one sample a pixel, black is zero.
      order: '<' or '>', the order of bytes.
    """
    body, places = b'', []
    for strip in strips:
        places.append(8 + len(body))
        body += strip
    tags = {256: [36], 257: [24], 259: [1], 262: [1], 273: places, 277: [1], 279: [*map(len, strips)], **tags}
    entries = b''
    for number, values in sorted(tags.items()):
        kind, letter = (4, 'I') if number == 273 else (3, 'H')
        packed = struct.pack(f'{order}{len(values)}{letter}', *values)
        if len(packed) > 4:
            packed, body = struct.pack(f'{order}I', 8 + len(body)), body + packed
        entries += struct.pack(f'{order}HHI', number, kind, len(values)) + packed.ljust(4, b'\0')
    header = {'<': b'II', '>': b'MM'}[order] + struct.pack(f'{order}HI', 42, 8 + len(body))
    return header + body + struct.pack(f'{order}H', len(tags)) + entries + bytes(4)


def encode(image, suffix, **options):
    buffer = io.BytesIO()
    image.save(buffer, Image.registered_extensions()[suffix], **options)
    return buffer.getvalue()


def put(folder, name, content=None):
    """Write a file of the given bytes, or a picture, with the folders on its way."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(Image.fromarray(RGB), '.png') if content is None else content)
    return path


def coloured(number):
    """A PNG whose first colour tells its number; the other half is of another, so that it is not blank."""
    picture = Image.new('RGB', (20, 20), (number, 255 - number, 7))
    picture.paste((255 - number, number, 250), (0, 10, 20, 20))
    return encode(picture, '.png')


def numbers(images):
    """Which `coloured` pictures these are."""
    return images[:, 0, 0, 0].tolist()


def in_child(code, *arguments):
    """Run code in a fresh Python, with `tell` to hand back what it found; a hang ends as a failure."""
    prelude = f"""
import json, os, sys
sys.path.insert(0, {str(REPO)!r})
tell = lambda found: print(json.dumps(found))
"""
    child = subprocess.run([sys.executable, '-c', prelude + code, *map(str, arguments)], capture_output=True, text=True,
                           timeout=DEADLINE_S)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)
