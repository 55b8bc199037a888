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
    """A PNG whose one colour tells its number."""
    return encode(Image.new('RGB', (20, 20), (number, 255 - number, 7)), '.png')


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
