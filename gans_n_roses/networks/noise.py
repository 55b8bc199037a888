"""z: the noise that a rose is made from."""

import math
from statistics import NormalDist

import numpy as np

from gans_n_roses.pictures.kinds import in_proportion

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


def with_kind(z, kinds, count):
    """z with the kind of each picture beside it, as the generator takes it where there are kinds (LABELS).

    The kind is one-hot: 0 but at its own place (Mirza and Osindero 2014, arXiv:1411.1784), where it is `kind_weight`.

    Args:
      z: float32 [n, z_dim].
      kinds: int [n], below count.
      count: number of kinds; 0 leaves z as it is.
    Returns:
      float32 [n, z_dim + count].
    """
    if not count:
        return z
    own = np.arange(count) == np.reshape(kinds, [-1, 1])                             # [n, count]
    return np.hstack([z, kind_weight(z.shape[1]) * own])


def kind_weight(z_dim):
    """What a kind's own place holds: the square is the variance of all of z, so that a kind weighs as much as z does.

    With 1 in its place a kind changed little but the colours, since z has a hundred numbers (docs/notes).
    """
    return np.float32(math.sqrt(z_dim / 3))


def fixed_batches(z_dim, counts=()):
    """The 256 z that every run's models are measured on: list of float32 [64, z_dim].

    Args:
      z_dim: length of z.
      counts: number of pictures of each kind, with LABELS: the z are then of these kinds, in this proportion.
    """
    z = draw_z(np.random.RandomState(0), MEASURED, z_dim)
    z = with_kind(z, in_proportion(counts, MEASURED), len(counts)) if counts else z
    return np.split(z, MEASURED // AT_ONCE)


def fixed_batches_of(kinds, z_dim, count):
    """The z that kinds are measured on, each by itself: 64 of each kind, and every batch has all of them.

    Args:
      kinds: int [n], which of them.
      z_dim: length of z.
      count: number of all kinds.
    Returns:
      (list of n arrays, float32 [64, z_dim + count]; int [64 * n], the kind of each z).
    """
    of = np.tile(kinds, AT_ONCE)
    z = draw_z(np.random.RandomState(1), len(of), z_dim)
    return np.split(with_kind(z, of, count), len(kinds)), of


def walk(zs, n_frames, kinds=0):
    """Walk from z to z and back to the first, at even pace.

    On the whole way z is distributed as in training (nearly so from a z_dim of about 5 on). A straight line between two
    z would pass nearer the middle of the cube than training ever does. So each coordinate is mapped to the normal
    distribution by its quantile, where a great circle keeps normal points normal (White 2016, arXiv:1609.04468,
    sec. 2.1), and is mapped back.

    A kind beside z, of a model that was trained with LABELS, goes over into the next one in a straight line.

    Args:
      zs: float [n, z_dim + kinds], as `with_kind` gives it, n at least 2.
      n_frames: number of points on the whole loop.
      kinds: number of kinds.
    Returns:
      float32 [n_frames, z_dim + kinds]; the first is zs[0].
    """
    z, kind = np.split(np.asarray(zs), [len(zs[0]) - kinds], axis=1)
    corners, points, between = to_normal(z), [], []
    for position in np.arange(n_frames) * len(zs) / n_frames:
        leg, share = int(position), position % 1
        after = (leg + 1) % len(zs)
        points.append(_great_circle(corners[leg], corners[after], share))
        between.append((1 - share) * kind[leg] + share * kind[after])
    return np.hstack([from_normal(np.array(points)), np.array(between, np.float32)])


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
