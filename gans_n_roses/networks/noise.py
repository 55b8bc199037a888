"""z: the noise that a rose is made from."""

import math
from statistics import NormalDist

import numpy as np

MEASURED = 256  # generated pictures that a model is measured on
AT_ONCE = 64  # bounds the memory


def draw_z(rng, count, z_dim):
    """Draw z, each value uniform in (-1, 1), as in the article.

    Args:
      rng: np.random.RandomState.
      count: number of z.
      z_dim: length of each.
    Returns:
      float32 [count, z_dim].
    """
    return rng.uniform(-1, 1, [count, z_dim]).astype(np.float32)


def z_of_seed(seed, z_dim):
    """The z of a seed, the same on every machine.

    Args:
      seed: whole number from 0; taken modulo 2**32.
      z_dim: length.
    Returns:
      float32 [z_dim].
    """
    return draw_z(np.random.RandomState(seed % 2**32), 1, z_dim)[0]


def fixed_batches(z_dim):
    """The 256 z that every run's models are measured on: list of float32 [64, z_dim]."""
    return np.split(draw_z(np.random.RandomState(0), MEASURED, z_dim), MEASURED // AT_ONCE)


def walk(zs, n_frames):
    """Walk from z to z and back to the first, at even pace.

    On the whole way z is distributed as in training (nearly so from a z_dim of about 5 on). A straight line between two
    z would pass nearer the middle of the cube than training ever does. So each coordinate is mapped to the normal
    distribution by its quantile, where a great circle keeps normal points normal (White 2016, arXiv:1609.04468,
    sec. 2.1), and is mapped back.

    Args:
      zs: float [n, z_dim] in (-1, 1), n at least 2.
      n_frames: number of points on the whole loop.
    Returns:
      float32 [n_frames, z_dim] in [-1, 1]; the first is zs[0].
    """
    corners = to_normal(zs)
    points = [_great_circle(corners[int(position)], corners[(int(position) + 1) % len(corners)], position % 1)
              for position in np.arange(n_frames) * len(corners) / n_frames]
    return from_normal(np.array(points))


def to_normal(zs):
    """Map z to coordinates in which it is normally distributed, by its quantiles: [...] in (-1, 1) → float64 [...]."""
    inside = np.clip((np.asarray(zs, np.float64) + 1) / 2, 1e-9, 1 - 1e-9)
    return np.vectorize(NormalDist().inv_cdf)(inside)


def from_normal(points):
    """The z of such coordinates, the inverse of `to_normal`: float [...] → float32 [...] in [-1, 1]."""
    return np.vectorize(math.erf)(points / math.sqrt(2)).astype(np.float32)  # 2 * cdf(x) - 1 = erf(x / sqrt(2))


def _great_circle(a, b, share):
    """The point that lies this share of the way from a to b."""
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    angle = math.acos(min(1, max(-1, cosine)))
    if math.sin(angle) < 1e-6:  # parallel: the circle is not defined, the line is
        return (1 - share) * a + share * b
    return (math.sin((1 - share) * angle) * a + math.sin(share * angle) * b) / math.sin(angle)
