"""Drawn flowers, and ways of spoiling pictures whose fault is known."""

import numpy as np


def draw(count, seed, size=64, kinds=None):
    """Round flowers of many colours before uneven green: uint8 [count, size, size, 3]; of few kinds if so many."""
    pictures = []
    for k in range(count):
        rng = np.random.RandomState([seed, k if kinds is None else k % kinds])
        y, x = np.mgrid[:size, :size] / size - 0.5
        y, x = y - rng.uniform(-.1, .1), x - rng.uniform(-.1, .1)
        coarse = rng.uniform(20, 110, [size // 4, size // 4, 3]) * [.5, 1, .4]
        picture = coarse.repeat(4, 0).repeat(4, 1)
        angle, radius = np.arctan2(y, x), np.hypot(y, x)
        petals = 1 + .25 * np.cos(rng.randint(4, 8) * angle + rng.uniform(0, 6))
        inside = radius < rng.uniform(.25, .4) * petals
        shade = .6 + .4 * np.cos(radius * rng.uniform(30, 60) + rng.uniform(0, 6))
        picture[inside] = (shade[..., np.newaxis] * rng.uniform(60, 255, 3))[inside]
        pictures.append(picture)
    return clip(np.stack(pictures) + np.random.RandomState(seed).normal(0, 2, [count, size, size, 3]))


def clip(pictures):
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8)


def noised(pictures, strength):
    return clip(pictures + np.random.RandomState(1).normal(0, strength, pictures.shape))


def checkered(pictures, strength):
    y, x = np.indices(pictures.shape[1:3])
    return clip(pictures + strength * np.where((y + x) % 2, 1, -1)[..., np.newaxis])


def blurred(pictures, times):
    blur = pictures.astype(float)
    for _ in range(times):
        for axis in (1, 2):
            blur = (np.roll(blur, 1, axis) + 2 * blur + np.roll(blur, -1, axis)) / 4
    return clip(blur)


def shuffled(pictures, tile):
    rng, size = np.random.RandomState(2), pictures.shape[1]
    tiles = pictures.reshape(len(pictures), size // tile, tile, size // tile, tile, 3).swapaxes(2, 3)
    tiles = tiles.reshape(len(pictures), -1, tile, tile, 3)
    tiles = np.stack([each[rng.permutation(len(each))] for each in tiles])
    tiles = tiles.reshape(len(pictures), size // tile, size // tile, tile, tile, 3)
    return tiles.swapaxes(2, 3).reshape(pictures.shape)
