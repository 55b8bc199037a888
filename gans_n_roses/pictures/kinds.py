"""The kinds of pictures, which are the folders that they lie in (LABELS). Needs no TensorFlow."""

import math
import re
import unicodedata
from typing import NamedTuple

import numpy as np

from gans_n_roses.errors import BadInput, shown
from gans_n_roses.settings import names_in

MOST = 1000  # kinds
LISTED = 20  # kinds in a sentence


class Kinds(NamedTuple):
    """The kinds of a data set, or those that a model knows; none without LABELS."""

    names: tuple = ()  # sorted
    counts: tuple = ()  # pictures of each kind
    of: np.ndarray = np.zeros(0, int)  # int [n], the kind of each picture: a place in `names`

    def __str__(self):
        """The kinds in words: 'daisy 506, roses 512'."""
        each = [f'{name} {count:,}' for name, count in zip(self.names, self.counts, strict=True)]
        return ', '.join(each[:LISTED]) + (f' and {len(each) - LISTED} more' if len(each) > LISTED else '')


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
    each = np.repeat(np.arange(len(counts)), counts)
    middles = (np.arange(number) + 0.5) * len(each) / number
    return np.random.RandomState(0).permutation(each[middles.astype(int)])


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
    wanted = label if isinstance(label, list) else [label] if label in names else names_in(label)
    wanted = [unicodedata.normalize('NFC', str(name)) for name in wanted] or names
    if wanted and not names:
        raise BadInput(f'LABEL is {shown(label)} {place}, but the model was trained without LABELS and knows no kinds: '
                       'leave LABEL out.')
    for name in wanted:
        if name not in names:
            more = f' and {len(names) - LISTED} more' if len(names) > LISTED else ''
            raise BadInput(f'LABEL is {shown(label)} {place}, but {name!r} is no kind that the model knows: set it to '
                           f'one or several of {", ".join(names[:LISTED])}{more}.')
    return [names.index(name) for name in wanted]


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


def file_name(name, names):
    """A kind's name as a part of a file's name, different from those of all other kinds in `names`."""
    plain = [re.sub(r'[^\w.-]', '_', each)[:100] for each in names]
    place = names.index(name)
    return plain[place] if plain.count(plain[place]) == 1 else f'{plain[place]}_{place + 1}'


def kind_of(name):
    """The kind of a picture by its path in the folder; '' where it lies in none. As Unicode composes it."""
    folder, _, inside = name.partition('/')
    return unicodedata.normalize('NFC', folder) if inside else ''
