"""Draw roses: a small free data set of 128 x 128 pictures, made of geometry and light alone.

A rose is a handful of curved sheets: petals, sepals, leaves and a stem, each a grid of points.

    petals, leaves, stem    shape the sheets
    build                   choose a rose and place it before the camera
    look                    find the nearest point in every pixel
    paint, light, shade     give each its colour, its light, and their product
    backdrop, develop       lay the flower over a blurred garden and take the photograph

Picture k depends on (seed, k) only: 500 pictures begin with the same 67 as 67 pictures do. Each
has its own NumPy generator, rng, which the functions below draw from in turn.

    python draw_roses.py                                the 67 roses that are shipped in Roses/
    python draw_roses.py --count 500 --out more_roses   the same 67, and 433 more
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 128                      # pixels along each side of a finished picture
FINE = 3 * SIDE                 # the same while drawing: 3 x 3 fine pixels average into one
ROWS, COLUMNS = 150, 210        # points of a sheet from base to rim and from edge to edge
GOLDEN = math.pi * (3 - math.sqrt(5))   # the golden angle: 137.5 degrees, in radians
PETAL, LEAF, STEM = 0, 1, 2     # kinds of sheet

# Petal colours in sRGB: heart, body, rim and back (the outer side) of each variety.
VARIETIES = [
    '8a0010 c40a1c d8222e a80a1a', '60000c 8e0616 a81424 7a0a18', 'a00418 b80820 d02030 a00c20',
    'e81830 cc1028 d8303c f8ecc8', 'd0204a e8386a f0608c d83a68', 'f4a8a0 f590a6 fbb8c6 f0a0b4',
    'ffd8b8 fbc4c4 fddcdc f8c8cc', 'c01058 d8207c e84898 c82874', 'f8e8b0 faf4e4 fffaf2 f4eedc',
    'f4ecb4 f8f2ea fdf8f4 f4eee0', 'f0a000 f8cc1c fcdc50 f4d040', 'f8b040 fad87c fce8a8 f8e09c',
    'f89030 fab080 fcc8a4 f8c09c', 'f86818 f8805c faa080 f49078', 'e83808 f4501c f87038 f07040',
    'fbe8b8 fbc8a0 f8a080 fbd8b4', 'a878b8 b898d8 d0b8e8 b8a0d4', '7a3070 9a4c98 b470b0 9a5894',
    'f8dc90 fbe4d8 e0305c fae4dc', 'f8e098 f8ccd0 e4487c f8d8d4', 'fce090 f07890 e83c68 f8c8a8',
    'f8c020 f8b830 e83c20 f8d860',
]
GREENS = ['2c5020', '3c6428', '24481c', '48702c', '30583c']
# Backdrops: top and bottom of the ramp, tints of the blurred shapes, number of shapes.
BACKDROPS = [
    ('2c4a20', '16280f', ['3f6a2a', '1b3312', '567f38', '28471c', '0d1a0a'], 90),
    ('6f9a48', '37602a', ['8fb860', '4c7c34', 'b4cc80', '2f5624', 'd8e4a8'], 70),
    ('10180e', '050805', ['1c2c16', '0a120a', '243a1c', '142010', '2c3c1c'], 60),
    ('b8c8b0', '6c8c58', ['a8bc90', '7c9c60', 'dce4d0', '506f3c', 'c8d4b4'], 45),
    ('b4cce8', 'e8eef0', ['d4e2ee', 'b4cce0', 'f4f6f4'], 14),
    ('d4c8b8', 'a89884', ['c8baa8', 'b8a894', 'e0d6c8'], 10),
    ('3c5a58', '1a2e30', ['2c4a48', '486c60', '1c3430', '5c8470'], 60),
    ('6c6258', '38342c', ['4c5a38', '7c7060', '2c3420', '5c5040', '3c4a28'], 60),
]


def linear(code):
    """Turn an sRGB hex colour such as 'c40a1c' into linear light: (3,), each 0 to 1."""
    return (np.array([int(code[i:i + 2], 16) for i in (0, 2, 4)]) / 255) ** 2.2


def step(x, low, high):
    """Rise smoothly from 0 at `low` to 1 at `high`, by the cubic 3x^2 - 2x^3; any shape."""
    x = np.clip((x - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def grid():
    """Give the place on a sheet: v (1, R, 1), base 0 to rim 1, and a (1, 1, C), edge -1 to 1."""
    return (np.linspace(0, 1, ROWS, dtype=np.float32)[None, :, None],
            np.linspace(-1, 1, COLUMNS, dtype=np.float32)[None, None, :])


def petals(rng, form):
    """Shape the petals of one rose, from the heart outwards.

    Petal k stands at k golden angles about the axis, as the leaves of a shoot do, and so covers
    the gap between those below it (Vogel, "A better way to construct the sunflower head",
    Mathematical Biosciences 44, 1979). Each is a fan of ribs. A rib starts at the axis and walks
    to the rim; its lean from the upright at every step cups the petal and curls it back.

    Args:
        form: dict from `habit`; angles in radians, lengths in lengths of an outer petal.

    Returns:
        Points (N, ROWS, COLUMNS, 3), float32, the axis along z.
    """
    n, (v, a) = form['petals'], grid()
    edge, t = np.abs(a), np.linspace(0, 1, n, dtype=np.float32)[:, None, None]  # t: 0 at the heart

    def vary(spread):
        return (spread * rng.standard_normal((n, 1, 1))).astype(np.float32)

    azimuth = rng.uniform(0, 6) + GOLDEN * np.arange(n)[:, None, None] + vary(0.13)
    width = form['wrap'] + (form['spread'] - form['wrap']) * step(t, 0, 0.55) + vary(0.07)
    lean = form['closed'] + (form['open'] - form['closed']) * t ** form['bend'] + vary(0.04)
    lean = lean + t * vary(form['loose']) + form['drape'] * step(t, 0.65, 1)
    curl = (form['curl_in'] + (form['curl'] - form['curl_in']) * t) * (1 + vary(0.25))

    # Outline: round shoulders, a slight notch, in some varieties a point.
    length = (form['inner'] + (1 - form['inner']) * t ** 0.7) * (1 + vary(0.05))
    notch = 0.04 * np.exp(-((a - vary(0.1)) / 0.2) ** 2)
    tip = form['point'] * t * np.exp(-(a / 0.22) ** 2)
    stride = length * (1 - (0.25 + 0.25 * t) * (1 + vary(0.2)) * edge ** 3 + tip - notch) / ROWS

    wave = form['wild'] * (0.3 + t) * sum(np.sin(f * a + vary(3)) * vary(0.6) for f in (3, 5, 9))
    psi = (lean + (1.35 - lean) * np.exp(-v / 0.14)             # out from the axis, then up
           + form['cup'] * (0.45 - v) * (1 - 0.4 * t)           # hollow like a hand
           + curl * step(v, form['roll'], 1.1) ** 1.3           # the rim rolls back
           + form['fold'] * step(edge, 0.35, 1.15) * v ** 1.5 * (0.2 + t) + wave * v ** 2)
    radius = form['core'] * (0.05 + t ** 0.8) + np.cumsum(np.sin(psi) * stride, 1)
    height = -0.12 * t + np.cumsum(np.cos(psi) * stride, 1)
    # One edge runs inside the neighbour and the other outside it: hence the spiral.
    radius = np.maximum(radius, 0.004) * (1 + form['spiral'] * a * (1 - 0.6 * t))
    angle = azimuth + a * width * (0.55 + 0.45 * np.sqrt(v))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], -1).astype(np.float32)


def leaves(rng, radius, height, azimuth, lean, size, slim, teeth):
    """Shape leaves, or sepals, that spring from the stem.

    Args:
        radius, height: where each begins, (M,).
        azimuth, lean: its direction about the axis and from the upright, radians, (M,).
        size: its length, (M,).
        slim: half width over length.
        teeth: depth of the saw teeth over half width.

    Returns:
        Points (M, ROWS, COLUMNS, 3), float32.
    """
    radius, height, azimuth, lean, size = (
        x[:, None, None] for x in (radius, height, azimuth, lean, size))
    v, a = grid()
    half = slim * size * np.sin(3.13 * (v + 0.001) ** 0.75) ** 0.8 * (1 - 0.35 * v)
    half = half * (1 - teeth * ((13 * v) % 1) * step(v, 0.08, 0.2))
    psi = lean + rng.uniform(0.1, 0.8, lean.shape) * (v - 0.3)
    out = radius + np.cumsum(np.sin(psi) * size / ROWS, 1)
    up = height + np.cumsum(np.cos(psi) * size / ROWS, 1)
    # Side veins are furrows that run forward from the midrib; the blade swells between them.
    swell = 0.018 * size * np.sqrt(np.abs(np.sin(math.pi * (7 * v - 2.2 * np.abs(a)))))
    lift = half * rng.uniform(0.1, 0.5, lean.shape) * np.abs(a) + swell * step(np.abs(a), 0, 0.2)
    out, up, side = out - lift * np.cos(psi), up + lift * np.sin(psi), a * half
    c, s = np.cos(azimuth), np.sin(azimuth)
    return np.stack([out * c - side * s, out * s + side * c, up], -1).astype(np.float32)


def stem(rng):
    """Shape the hip under the flower and a slightly bent stem: (1, ROWS, COLUMNS, 3)."""
    v, a = grid()
    thick = 0.045 + 0.11 * np.exp(-((v - 0.03) / 0.035) ** 2)
    x, y = rng.uniform(-0.35, 0.35, (2, 1, 1, 1)) * v ** 2
    return np.stack([x + thick * np.cos(math.pi * a), y + thick * np.sin(math.pi * a),
                     -0.14 - 2.6 * v + 0 * a], -1)


def habit(rng):
    """Choose the habit of a rose, from bud to full bloom: dict of numbers for `petals`."""
    bloom = rng.uniform(*[(0.08, 0.25), (0.3, 0.55), (0.6, 1)][rng.choice(3, p=[.16, .26, .58])])
    return {
        'bloom': bloom,                                         # 0 a tight bud, 1 fully open
        'petals': int(rng.integers(12, 16) + math.sqrt(bloom) * rng.integers(5, 25)),
        'closed': rng.uniform(-0.05, 0.1) - 0.15 / (0.5 + bloom),       # lean of the innermost
        'open': 0.15 + 1.45 * bloom + rng.uniform(-0.1, 0.1),   # and of the outermost
        'bend': 0.8 + rng.uniform(0.1, 0.7) * bloom,            # how late the petals open
        'drape': rng.uniform(0, 0.5) * bloom,                   # how far the outermost hang
        'loose': rng.uniform(0.1, 0.25) * bloom,                # how unlike the petals lean
        'inner': rng.uniform(0.5, 0.8) + 0.4 * (1 - bloom),     # length of the innermost
        'core': rng.uniform(0.2, 0.34) * (0.55 + 0.45 * bloom),         # radius of the heart
        'wrap': rng.uniform(1.6, 2.3),                          # half width of the innermost
        'spread': rng.uniform(1.35, 1.6) - 0.55 * bloom,        # and of the outermost
        'cup': rng.uniform(0.2, 0.9),                           # hollowness
        'roll': rng.uniform(0.55, 0.75),                        # where the rim begins to curl
        'curl_in': rng.uniform(0.4, 1.0),                       # curl of the innermost rim
        'curl': rng.uniform(0.5, 2.0) * (0.4 + 0.6 * bloom),    # and of the outermost
        'fold': rng.uniform(0.2, 2.6) * (0.3 + 0.7 * bloom),    # roll of the side edges
        'point': float(rng.choice([0, rng.uniform(0.04, 0.16)])),       # of the outer rims
        'spiral': rng.uniform(0.12, 0.3),                       # one edge inside, one outside
        'wild': rng.uniform(0.04, 0.3) * (0.3 + 0.7 * bloom),   # waviness
    }


def build(rng):
    """Build one rose in the camera's space: x right, y up, z to the viewer, frame -1 to 1.

    Returns:
        Points (M, ROWS, COLUMNS, 3) float32; kinds (M,), each PETAL, LEAF or STEM; ranks (M,),
        0 at the heart of the flower to 1 outside.
    """
    form = habit(rng)
    bloom, flower = form['bloom'], petals(rng, form)
    n, m = len(flower), int(rng.integers(2, 10))
    sepals = leaves(rng, np.full(5, 0.03), np.full(5, -0.2), GOLDEN * np.arange(5),
                    form['open'] + rng.uniform(0.3, 0.9, 5), rng.uniform(0.5, 0.75, 5), 0.13, 0)
    greens = leaves(rng, rng.uniform(0.05, 0.3, m), rng.uniform(-1.9, -0.4, m),
                    GOLDEN * np.arange(m) + rng.uniform(0, 6), rng.uniform(1.35, 2.1, m),
                    rng.uniform(0.9, 1.4, m), rng.uniform(0.3, 0.4), 0.1)
    points = np.concatenate([flower, sepals, greens, stem(rng)])
    tilt = rng.uniform(0.1, 0.95) if bloom > 0.4 else rng.uniform(0.5, 1.15)
    (c, s), (k, q) = ((math.cos(x), math.sin(x)) for x in (tilt, rng.normal(0, 0.25)))
    points = points @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])      # lean back, then sideways
    points = points @ np.array([[k, q, 0], [-q, k, 0], [0, 0, 1]])
    low, high = points[:n].min((0, 1, 2)), points[:n].max((0, 1, 2))    # fit the petals only
    size = rng.uniform(0.72, 0.98) - 0.15 * (bloom < 0.4)
    points = (points - (low + high) / 2) * (2 * size / max(high - low))
    points[..., :2] += rng.normal((0, 0.1 * (bloom < 0.4)), 0.06)
    points[..., :2] *= 1 + 0.12 * points[..., 2:]           # a mild perspective
    kinds = np.array([PETAL] * n + [LEAF] * (5 + m) + [STEM])
    return points.astype(np.float32), kinds, np.append(np.linspace(0, 1, n), np.ones(6 + m))


def look(points, side=FINE):
    """Find the nearest point in every pixel: a depth buffer (Catmull 1974) of packed integers.

    Args:
        points: (K, 3), the frame -1 to 1 in x and y, nearer where z is larger (-8 to 8).
        side: pixels along each side.

    Returns:
        Integers (side, side): the index of the nearest point, or -1 where there is none.
    """
    xy = ((points[:, :2] * (0.5, -0.5) + 0.5) * side).astype(np.int32)
    inside = np.flatnonzero(((xy >= 0) & (xy < side)).all(1))
    depth = ((points[inside, 2] + 8) * 2 ** 24).astype(np.int64)
    keys = np.zeros(side * side, np.int64)      # depth above, index below: one maximum keeps both
    np.maximum.at(keys, xy[inside, 1] * side + xy[inside, 0], depth << 32 | inside)
    keys = keys.reshape(side, side)
    for pick in (np.maximum, np.minimum):       # grey closing mends pinholes between the points
        for axis in (0, 1):
            keys = pick(keys, pick(np.roll(keys, 1, axis), np.roll(keys, -1, axis)))
    return np.where(keys > 0, keys & 0xFFFFFFFF, -1)


def reached(rng, occluders, seen, way, side=128):
    """Tell which points a far light reaches, by a shadow map (Williams 1978).

    Random jitter turns the stair steps of the map into soft grain.

    Args:
        occluders, seen: points (K, 3) that cast shadows and (S, 3) that are asked about.
        way: unit vector (3,) towards the light.
        side: cells along each side of the map.

    Returns:
        Booleans (S,).
    """
    across = np.cross(way, (0.3, 0.9, 0.1))
    across /= np.linalg.norm(across)
    frame = np.stack([across, np.cross(way, across), way], 1).astype(np.float32)

    def cell(p, jitter=0.0):
        ij = np.clip((p[:, :2] / 3.4 + 0.5) * side + jitter, 0, side - 1).astype(np.int32)
        return ij[:, 0] * side + ij[:, 1]

    cast, ask = occluders @ frame, seen @ frame
    nearest = np.full(side * side, -9, np.float32)
    np.maximum.at(nearest, cell(cast), cast[:, 2])
    jitter = rng.uniform(-0.9, 0.9, (len(ask), 2)).astype(np.float32)
    return ask[:, 2] > nearest[cell(ask, jitter)] - 0.04


def light(rng, occluders, seen, normals, through, suns=14, domes=44):
    """Gather the light of a soft sun and of a dome of sky, each made of far lights.

    A petal is thin: a share of the light on its far side comes through and glows.

    Args:
        occluders: points (K, 3) that cast shadows.
        seen, normals: points in view and unit vectors on the viewer's side, (S, 3).
        through: share of the light that a sheet lets through, (S,), 0 to 1.
        suns, domes: number of far lights in each.

    Returns:
        Light of the sun, light of the sky, share of the sky in view: each (S,).
    """
    sun, sky, free, total = np.zeros((4, len(seen)), np.float32)
    aim = np.array([rng.uniform(-0.9, 0.9), rng.uniform(0.2, 1), rng.uniform(0.4, 1)])
    aim /= np.linalg.norm(aim)
    for i in range(suns + domes):
        z = 1 - (i - suns + 0.5) / domes        # equal areas of a half sphere, turned upwards
        r = math.sqrt(max(1 - z * z, 0))
        way = (aim + rng.normal(0, 0.13, 3) if i < suns else
               np.array([r * math.cos(GOLDEN * i), 0.35 + r * math.sin(GOLDEN * i), z]))
        way = (way / np.linalg.norm(way)).astype(np.float32)
        clear = np.maximum(reached(rng, occluders, seen, way), 0.8 * through)
        facing = normals @ way
        gain = clear * np.where(facing > 0, facing * (1 - through), -facing * through)
        if i < suns:
            sun += gain / suns
        else:
            sky += gain * 2 / domes
            free += clear * np.abs(facing)
            total += np.abs(facing)
    return sun, sky, free / total


def paint(rng, kind, rank, sheet, v, a, front):
    """Mix the bare colour of every point in view.

    Args:
        kind, rank, sheet: per point (S,): PETAL, LEAF or STEM; 0 heart to 1 outside; number.
        v, a: place on the sheet, (S,): base 0 to rim 1, edge -1 to edge 1.
        front: (S,), true where the inner side of a petal, or the upper of a leaf, shows.

    Returns:
        Linear colours (S, 3), 0 to 1.
    """
    many = 99                   # more sheets than any rose has
    tint = rng.uniform((0.82, 0.84, 0.82), (1.12, 1.04, 1.12))
    heart, body, rim, back = (linear(c) * tint for c in rng.choice(VARIETIES).split())
    streaks = (0.03 * np.sin(61 * a + 2 * np.sin(9 * v + sheet))
               + 0.04 * np.sin(23 * a + 5 * v + 3 * sheet) + rng.normal(0, 0.06, many)[sheet])
    v, edge, front, petal = v[:, None], np.abs(a)[:, None], front[:, None], (kind == PETAL)[:, None]
    rimmed = step(np.maximum(v, 0.55 + 0.45 * edge ** 4), rng.uniform(0.6, 0.8), 1.02)
    deep = (1 - step(v, 0.1, rng.uniform(0.5, 0.8))) * (1 - 0.5 * rank[:, None])
    inner = body + (rim - body) * rimmed
    colour = np.where(front, inner + (heart - inner) * deep, back + (rim - back) * rimmed * 0.6)
    colour = colour * (1 + streaks[:, None])

    green = linear(rng.choice(GREENS)) * rng.uniform(0.9, 1.6, many)[sheet][:, None]
    furrow = 1 - step(np.abs(np.sin(math.pi * (7 * v - 2.2 * edge))), 0, 0.3)
    veins = np.maximum(furrow, 1 - step(edge, 0.02, 0.06)) * (kind == LEAF)[:, None]
    green = green * (1 + 0.7 * veins) * np.where(front, 1, 1.5)
    return np.clip(np.where(petal, colour, green), 0.002, 0.97)


def shade(rng, points, kinds, ranks):
    """Render what `build` built: linear colour and cover (FINE, FINE, 4), depth (FINE, FINE)."""
    flat = points.reshape(-1, 3)
    index = look(flat)
    where = np.nonzero(index >= 0)
    sheet, place = np.divmod(index[where], ROWS * COLUMNS)
    row, column = np.divmod(place, COLUMNS)
    kind, seen = kinds[sheet], flat[index[where]]

    r, c = np.clip(row, 1, ROWS - 3), np.clip(column, 2, COLUMNS - 3)
    normals = np.cross(points[sheet, r + 2, c] - points[sheet, r - 1, c],
                       points[sheet, r, c + 2] - points[sheet, r, c - 2])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    front = normals[:, 2] > 0
    normals[~front] *= -1

    colour = paint(rng, kind, ranks[sheet], sheet, row / (ROWS - 1), column * 2 / (COLUMNS - 1) - 1,
                   front)
    through = np.where(kind == PETAL, 0.12 + 0.2 * colour.mean(1), 0.1).astype(np.float32)
    sun, sky, free = (x[:, None] for x in light(
        rng, points[:, ::3, ::4].reshape(-1, 3), seen, normals, through))
    # Light caught between petals takes their colour at every bounce: the geometric series
    # e / (1 - c (1 - e)) of Stewart and Langer, IEEE PAMI 19, 1997.
    bounced = colour ** (1.8 - 0.8 * free) / (1 - 0.9 * colour * (1 - free))
    lit = bounced * (sun * (1.06, 1, 0.92) * rng.uniform(0.8, 2.2) + sky * rng.uniform(0.5, 0.9))
    sheen = 0.12 * free * (1 - normals[:, 2:]) ** 3
    lit += sheen * (colour + np.where(kind == PETAL, 0.2, 1)[:, None])
    lit *= (rng.uniform(0.85, 1.15) / np.quantile(lit[kind == PETAL].max(1), 0.95)) ** 0.7

    image, depth = np.zeros((FINE, FINE, 4)), np.full((FINE, FINE), -3.0)
    image[where] = np.append(lit, np.ones((len(lit), 1)), 1)
    depth[where] = seen[:, 2]
    return image, depth


def blur(image, radius):
    """Blur (H, W, C) almost as a Gaussian does: three running means, 2 radius + 1 pixels wide."""
    width = 2 * radius + 1
    for axis in (0, 1, 0, 1, 0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (radius + 1, radius)
        total = np.swapaxes(np.cumsum(np.pad(image, pad, 'edge'), axis), 0, axis)
        image = np.swapaxes(total[width:] - total[:-width], 0, axis) / width
    return image


def backdrop(rng, flower):
    """Paint a garden out of focus, perhaps with more of the flower: linear (FINE, FINE, 3)."""
    top, bottom, tints, count = BACKDROPS[rng.integers(len(BACKDROPS))]
    half = FINE // 2
    ramp = np.linspace(linear(top), linear(bottom), half)[:, None] ** (1 / 2.2) * 255
    page = Image.fromarray(np.repeat(ramp, half, 1).astype(np.uint8))
    turns = np.linspace(0, 2 * math.pi, 24)
    for radius in (12, 9, rng.uniform(4, 7)):
        pen = ImageDraw.Draw(page)
        for _ in range(count // 3):
            oval = np.cos(turns) + 1j * rng.uniform(0.25, 1) * np.sin(turns)    # x + iy
            oval *= rng.uniform(8, 36) * np.exp(1j * rng.uniform(0, math.pi))
            oval += rng.uniform(-10, half + 10) + 1j * rng.uniform(-10, half + 10)
            pen.polygon(oval.view(float).tolist(), '#' + rng.choice(tints))
        page = page.filter(ImageFilter.GaussianBlur(radius))
    # Bokeh: points of light out of focus become discs as wide as the aperture.
    lights, aperture = Image.new('L', (half, half)), rng.uniform(7, 20)
    for _ in range(int(rng.choice([0, 0, rng.integers(4, 16)]))):
        (x, y), r = rng.uniform(0, half, 2), aperture * rng.uniform(0.5, 1.1)
        ImageDraw.Draw(lights).ellipse((x - r, y - r, x + r, y + r), int(rng.integers(8, 70)))
    lights = lights.filter(ImageFilter.GaussianBlur(2)).resize((FINE, FINE))
    page = (np.asarray(page.resize((FINE, FINE))) / 255) ** 2.2
    page = page + np.asarray(lights)[..., None] / 255 * linear('f4f4d8')
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        shrink, x, y = rng.integers(2, 4), *rng.uniform(0.2, 0.4, 2)
        small, wide = flower[::shrink, ::-shrink], np.zeros((2 * FINE, 2 * FINE, 4))
        left, above = int(FINE * (x + rng.choice([0, 0.9]))), int(FINE * (y + rng.uniform(0, 0.8)))
        wide[above:above + len(small), left:left + len(small)] = small
        more = blur(wide[half:-half, half:-half], int(rng.integers(6, 12)))
        page = page * (1 - more[..., 3:]) + 0.75 * more[..., :3]
    return page


def develop(rng, flower, depth, behind):
    """Take the photograph: focus on the flower, lay it over the backdrop, expose, add grain.

    Takes the results of `shade` and of `backdrop`, gives a PIL picture, RGB, SIDE x SIDE.
    """
    away = step(-depth, 0.25, 1.3)[..., None] * flower[..., 3:]
    soft = blur(flower, 5)
    far = blur(away, 5) / np.maximum(soft[..., 3:], 1e-3)
    flower = flower + (soft - flower) * np.clip(np.maximum(far, away), 0, 1)
    shadow = blur(np.roll(flower[..., 3:], 12, 0), 16)
    image = behind * (1 - 0.3 * shadow) * (1 - flower[..., 3:]) + flower[..., :3]
    image = blur(image, 1).reshape(SIDE, 3, SIDE, 3, 3).mean((1, 3))
    image = image / (1 + np.maximum(image - 0.7, 0))        # a soft shoulder for the highlights
    image = np.clip(image, 0, 1) ** (1 / 2.2)
    grey = image @ np.array([[0.30], [0.59], [0.11]])
    image = grey + (image - grey) * rng.uniform(1.0, 1.22) + rng.normal(0, 0.006, image.shape)
    return Image.fromarray((np.clip(image, 0, 1) * 255).round().astype(np.uint8))


def rose(seed, k):
    """Draw picture k, from 0, of a seed, from 0: a PIL picture, RGB, SIDE x SIDE."""
    rng = np.random.default_rng([seed, k])
    flower, depth = shade(rng, *build(rng))
    return develop(rng, flower, depth, backdrop(rng, flower))


def contact(pictures, columns=12):
    """Lay PIL pictures of one size out in rows of `columns`: one PIL picture."""
    side = pictures[0].width
    page = Image.new('RGB', (columns * side, -(-len(pictures) // columns) * side), 'white')
    for i, picture in enumerate(pictures):
        page.paste(picture, (i % columns * side, i // columns * side))
    return page


def fail(message):
    """Say what is wrong in one sentence on stderr and leave with exit code 2."""
    print(f'draw_roses.py: {message}', file=sys.stderr)
    sys.exit(2)


def at_least(least):
    """Make a reader of whole numbers for argparse that refuses any below `least`."""
    def read(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f'give a whole number from {least} up, not {text!r}.')
        return int(text)
    return read


def main():
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description='Draw roses of 128 x 128 pixels.')
    parser.error = fail
    parser.add_argument('--count', type=at_least(1), default=67, help='number of roses (67)')
    parser.add_argument('--seed', type=at_least(0), default=7, help='which roses (7)')
    parser.add_argument('--out', type=Path, default=Path(__file__).parent / 'Roses',
                        help='folder for rose_000.jpg and so on (Roses, beside this program)')
    parser.add_argument('--sheet', type=Path, help='also write all of them as one picture, here')
    options = parser.parse_args()
    if options.sheet and options.sheet.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        fail(f'the sheet must be a .png or .jpg file, not {str(options.sheet)!r}.')
    small = []
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        if options.sheet:       # a folder that cannot be written should come out before the work
            options.sheet.touch()
        for k in range(options.count):
            picture = rose(options.seed, k)
            picture.save(options.out / f'rose_{k:03d}.jpg', quality=92, subsampling=0)
            if options.sheet:
                small.append(picture.reduce(2))
        if small:
            contact(small).save(options.sheet, optimize=True)
    except OSError as error:
        fail(f'cannot write {str(error.filename or options.out)!r}: {error.strerror or error}.')
    print(f'{options.count} roses in {options.out}')


if __name__ == '__main__':
    main()
