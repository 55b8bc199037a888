"""The kinds of pictures, which are the folders that they lie in (LABELS). Needs no TensorFlow."""

import itertools
import math
import re
import unicodedata
from typing import NamedTuple

import numpy as np

from gans_n_roses.errors import BadInput, printable, shown
from gans_n_roses.settings import names_in

MOST = 1000  # kinds
LISTED = 20  # kinds in a sentence
MOST_BYTES = 100  # of a file's name
MOST_LETTERS = 20  # over a column of a grid
ACCENTS = dict.fromkeys(range(0x300, 0x370))  # combining ones, which are left out


class Kinds(NamedTuple):
    """The kinds of a data set, or those that a model knows; none without LABELS."""

    names: tuple = ()  # sorted
    counts: tuple = ()  # pictures of each kind
    of: np.ndarray = np.zeros(0, int)  # int [n], the kind of each picture, a place in `names`; empty for a model

    def __str__(self):
        """The kinds in words: 'daisy 506, roses 512'."""
        return listed([f'{name} {count:,}' for name, count in zip(self.names, self.counts, strict=True)])


NO_KINDS = Kinds()


def kinds_in(names):
    """The kinds of pictures by the paths that they have in their folder: each one's is its first folder.

    Args:
      names: list of str, 'tulips/1.jpg'.
    Returns:
      Kinds.
    """
    folders = [kind_of(name) for name in names]
    kinds, of, counts = np.unique(folders, return_inverse=True, return_counts=True)
    return Kinds(tuple(kinds.tolist()), tuple(counts.tolist()), of)


def in_proportion(counts, number):
    """Kinds for so many roses, as often as there are pictures of each: int [number], in an order that stays the same.

    Args:
      counts: as in Kinds.
      number: how many.
    """
    ends = np.cumsum(counts)
    middles = (np.arange(number) + 0.5) * ends[-1] / number
    return np.random.RandomState(0).permutation(np.searchsorted(ends, middles, 'right'))


def choose(label, kinds, place):
    """The kinds that LABEL names: list of int, places in kinds.names; all of them where it is ''.

    Args:
      label: the setting.
      kinds: Kinds that a model knows.
      place: where LABEL was set, for the sentence to the user.
    Raises:
      BadInput: it names what is no kind of the model's.
    """
    names = list(kinds.names)
    given = label if isinstance(label, list) else [label] if _as_kind(label) in names else names_in(label)
    wanted = [_as_kind(str(name)) for name in given] or names
    if wanted and not names:
        raise BadInput(f"LABEL is {shown(label)} {place}, but the model was trained without LABELS and knows no kinds: "
                       "set LABEL = ''.")
    for name in wanted:
        if name not in names:
            raise BadInput(f'LABEL is {shown(label)} {place}, but {name!r} is no kind that the model knows: set it to '
                           f'one or several of {listed(names)}.')
    return [names.index(name) for name in wanted]


def listed(names):
    """Names of kinds in a sentence; of very many the first."""
    return ', '.join(names[:LISTED]) + (f' and {len(names) - LISTED} more' if len(names) > LISTED else '')


def draw_evenly(kinds, batch_size, rng):
    """Draw pictures, of each kind as many as of any other, to within one.

    Args:
      kinds: Kinds.
      batch_size: how many.
      rng: np.random.RandomState.
    Returns:
      int [batch_size], rows of pictures; of a kind that has few, one may come twice.
    """
    count = len(kinds.names)
    rounds = [rng.permutation(count) for _ in range(math.ceil(batch_size / count))]
    return np.array([rng.choice(np.flatnonzero(kinds.of == kind)) for kind in np.concatenate(rounds)[:batch_size]])


def file_names(names):
    """The names of kinds as parts of files' names, which any system takes: list of str, all different, in any case."""
    taken, made = set(), []
    for name in names:
        plain = re.sub(r'[^\w.-]', '_', name).encode()[:MOST_BYTES].decode(errors='ignore')
        free = next(each for each in itertools.chain([plain], (f'{plain}_{k}' for k in itertools.count(2)))
                    if each.casefold() not in taken)
        taken.add(free.casefold())
        made.append(free)
    return made


def titles(names):
    """The names of kinds as a grid shows them, in ASCII; one that has other letters, or many, is its number: '#3'."""
    plain = [unicodedata.normalize('NFKD', name).translate(ACCENTS) for name in names]
    return [title if title.isascii() and 0 < len(title) <= MOST_LETTERS else f'#{place}'
            for place, title in enumerate(plain, 1)]


def kind_of(name):
    """The kind of a picture by its path in the folder; '' where it lies in none."""
    folder, slash, _ = name.partition('/')
    return _as_kind(folder) if slash else ''


def _as_kind(name):
    return printable(unicodedata.normalize('NFC', name))
