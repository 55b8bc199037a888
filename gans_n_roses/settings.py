"""Settings: every constant of mission_control.py, what it may be, and what it belongs to."""

import ast
import dataclasses
import difflib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gans_n_roses.errors import BadInput, shell, shown

PATHS = ('DATASET_PATH', 'RESULTS_PATH', 'RUN', 'START_FROM', 'PROJECT')
RUN_NAMES = ('RUN', 'START_FROM')  # a path, or the name of a run's folder
SAMPLE_KINDS = ('grid', 'images', 'interpolation', 'frames', 'measures', 'savedmodel', 'page')
AUGMENT_KINDS = ('color', 'translation', 'cutout', 'rotation')
CHECKPOINTS = ('latest', 'best')
IMAGE_SIZES = (16, 32, 64, 128, 256)
WIDTHS = (16, 32, 64, 128, 256)
LARGEST_COUNT = 10**9
LARGEST_DECAY = 0.999999  # 1 minus it is above 0 in float32 too, in which Adam and the average compute
MISSING = object()
RETIRED = {
    'CACHE': 'pictures are cached where that saves seconds',
    'EXPORT': "SAMPLE_AS = 'savedmodel' writes a SavedModel",
    'GRID_LATER_FROM': 'GRID_EVERY alone says how often grids are made',
    'GRID_EVERY_LATER': 'GRID_EVERY alone says how often grids are made',
    'MEASURE_EVERY': 'CHECKPOINT_EVERY says how often a run is measured and saved',
    'SCALARS_EVERY': 'losses are recorded every 10 iterations',
}

# What a setting belongs to:
DOOR = 'door'  # what to do and where; never taken from an earlier run
OF_RUN = 'run'  # the networks, the data, the randomness: a resumed run keeps its own
OF_NOW = 'now'  # may change at any iteration
OF_LOAD = 'load'  # what LOAD makes


class Rule(NamedTuple):
    """What a setting may be, and what it belongs to."""

    of: str  # DOOR, OF_RUN, OF_NOW or OF_LOAD
    types: tuple
    allowed: str  # in words, for the user
    holds: Callable  # value → whether it is allowed
    unset: Any = MISSING  # the value that means "not set", where there is one
    before: Any = MISSING  # the value that holds for older runs, whose options.json does not name the setting


def _setting(of, types, allowed, holds=lambda value: True, **more):
    return dataclasses.field(metadata={'rule': Rule(of, types, allowed, holds, **more)})


def _whole(of, low):
    return _setting(of, (int,), f'a whole number of at least {low} and at most {LARGEST_COUNT}',
                    lambda value: low <= value <= LARGEST_COUNT)


def _switch(of, **more):
    return _setting(of, (bool,), 'True or False', **more)


def _text(of, allowed='text that is not empty, of characters that UTF-8 has, without a null', empty=False, **more):
    return _setting(of, (str,), allowed, lambda value: (value == '' and empty) or (
        value.strip() != '' and '\0' not in value and is_unicode(value)), **more)


def _number(of, allowed, holds, **more):
    return _setting(of, (float, int), allowed, holds, **more)


def _decay(of):
    return _number(of, f'a number from 0 to below 1 (at most {LARGEST_DECAY})',
                   lambda value: 0 <= value <= LARGEST_DECAY)


def _one_of(of, values, **more):
    return _setting(of, (type(values[0]),), 'one of ' + ', '.join(map(repr, values)), lambda value: value in values,
                    **more)


def _several(of, names, none='', **more):
    return _setting(of, (str,), f'{none}{", ".join(map(repr, names))}, or several of them with commas between',
                    lambda value: set(names_in(value)) <= set(names) and bool(value or none), **more)


def _is_seed(value):
    return type(value) is int and 0 <= value < 2**32


class Origin(NamedTuple):
    """Where settings come from, for the sentences and commands that a user reads, and for a run that is resumed."""

    control: dict  # constant → value, all that mission_control.py says
    given: dict  # constant → value, what the command line gave
    program: str = 'main.py'  # path of main.py
    of_run: tuple = ()  # names of the constants that a resumed run brought with it

    @property
    def folder(self):
        """The folder of main.py and mission_control.py, which relative paths of older runs begin at."""
        return Path(self.program).parent

    def place(self, name):
        """The place of a setting: 'on the command line', 'in mission_control.py' or 'in the run'."""
        if name in self.of_run:
            return 'in the run'
        return 'on the command line' if name in self.given else 'in mission_control.py'

    def words(self, **instead):
        """The command line's words NAME=value, written so that they give the same again.

        Args:
          instead: constant → value that takes the place of what was given, or joins it; None leaves it out.
        """
        return [f'{name}={_written(value)}' for name, value in {**self.given, **instead}.items() if value is not None]

    def command(self, *words):
        """The command that runs main.py with these words NAME=value, to paste into a shell from any folder."""
        return shell([sys.executable, os.path.abspath(self.program), *words])


NOWHERE = Origin({}, {})


@dataclasses.dataclass(frozen=True)
class Settings:
    """Every constant of mission_control.py, in lower case; checked, and never changed.

    Raises:
      BadInput: a value has the wrong type or is out of range. The sentence names the constant.
    """

    load: bool = _switch(DOOR)
    resume: bool = _switch(DOOR)
    run: str = _text(DOOR, unset='latest')
    dataset_path: str = _text(OF_RUN)
    dataset_chosen: str = _setting(
        OF_RUN, (str,), "a name of at most 100 letters, digits, '_', '-' and '.' that makes a folder on any system",
        lambda value: re.fullmatch(r'\w[\w.-]{,99}(?<!\.)', value) is not None and is_unicode(value))
    image_size: int = _one_of(OF_RUN, IMAGE_SIZES)
    width: int = _one_of(OF_RUN, WIDTHS, before=64)
    channels: int = _one_of(OF_RUN, (3, 1, 4), before=3)
    fit: str = _one_of(OF_RUN, ('crop', 'pad', 'stretch'), before='crop')
    labels: str = _one_of(OF_RUN, ('', 'folders'), before='')
    recipe: str = _one_of(OF_RUN, ('article', 'auto'), unset='article', before='article')
    n_iterations: int = _whole(OF_NOW, 1)
    batch_size: int = _whole(OF_NOW, 1)
    learning_rate: float = _number(OF_NOW, 'a number above 0 and up to 1',
                                   lambda value: 1e-30 < value <= 1)  # below, it is 0 in float32
    beta_1: float = _decay(OF_NOW)
    z_dim: int = _whole(OF_RUN, 1)
    n_samples: int = _whole(OF_RUN, 1)
    sample_as: str = _several(OF_LOAD, SAMPLE_KINDS, unset='grid')
    label: str | Sequence = _setting(
        OF_LOAD, (str, list), "'' for all kinds in turn, the name of one, or several: 'tulips,roses' or a list",
        lambda value: isinstance(value, str) or (value and {type(each) for each in value} <= {str, int}), unset='')
    seed: int | Sequence | None = _setting(
        OF_RUN, (int, list, type(None)),
        'None or a whole number from 0 to 4294967295; for LOAD also a list of such numbers, as [7, 12, 40]',
        lambda value: value is None or _is_seed(value) or (isinstance(value, list) and value and all(
            map(_is_seed, value))), unset=None)
    mirror: bool = _switch(OF_NOW, before=False)
    augment: str = _several(OF_NOW, AUGMENT_KINDS, "'' for none, or ", before='')
    r1_gamma: float = _number(OF_NOW, 'a number from 0 to 1000', lambda value: 0 <= value <= 1000, before=0.0)
    ema_decay: float = _decay(OF_RUN)
    smooth: int = _setting(OF_RUN, (int, bool), 'a whole number from 0 to 6', lambda value: 0 <= value <= 6, before=0)
    start_from: str = _text(OF_RUN, "'' for none, 'shipped', 'latest', the name of a run's folder, or its path",
                            empty=True, unset='', before='')
    results_path: str = _text(DOOR)
    precision: str = _one_of(OF_RUN, ('float32', 'bfloat16', 'auto'), unset='auto', before='float32')
    stop_when: str = _setting(OF_NOW, (str,), "'' for never, or 'no better'",
                              lambda value: value in ('', 'no better'), before='')
    grid_every: int = _whole(OF_NOW, 1)
    checkpoint_every: int = _whole(OF_NOW, 1)
    checkpoints_kept: int = _whole(OF_NOW, 1)
    checkpoint: str | int = _setting(
        OF_LOAD, (str, int), f"{' or '.join(map(repr, CHECKPOINTS))}, or the iteration of a checkpoint, as 3000",
        lambda value: value in CHECKPOINTS or (isinstance(value, int) and 0 <= value <= LARGEST_COUNT), unset='latest')
    n_frames: int = _whole(OF_LOAD, 2)
    enlarge: int = _setting(OF_LOAD, (int,), 'a whole number from 1 to 16', lambda value: 1 <= value <= 16, unset=1)
    project: str = _text(OF_LOAD, "'' for none, or the path of a picture or of a folder of pictures", empty=True,
                         unset='')
    origin: Origin = dataclasses.field(default=NOWHERE, compare=False, repr=False)  # no constant

    def __post_init__(self):
        for name, rule in RULES.items():
            value = getattr(self, name.lower())
            # bool is a subclass of int: True is no whole number to a user.
            fits = isinstance(value, rule.types) and (not isinstance(value, bool) or bool in rule.types)
            if not (fits and rule.holds(value)):
                raise BadInput(f'{name} is {shown(value)}, but must be {rule.allowed}.{_spelling(rule, value)}')

    def constants(self, *of):
        """The settings as a dict with the names of mission_control.py: all, or those that belong to one of `of`."""
        return {name: getattr(self, name.lower()) for name, rule in RULES.items() if not of or rule.of in of}

    def of_training(self):
        """The settings that tell one training from another: constant → value."""
        return self.constants(OF_RUN, OF_NOW)

    def changed(self, values, **more):
        """A copy with other values: constant → value; `more` are fields that are no constants."""
        return dataclasses.replace(self, **{name.lower(): value for name, value in values.items()}, **more)


RULES = {field.name.upper(): field.metadata['rule'] for field in dataclasses.fields(Settings)
         if 'rule' in field.metadata}


def settings_from(values, source, folder='', origin=NOWHERE):
    """Settings from a dict of constants.

    Args:
      values: constant's name, in upper case → value.
      source: where the values come from, for the sentence to the user.
      folder: the folder that relative paths among them begin at; '' is the folder where the user is.
      origin: Origin that the Settings will name.
    Returns:
      Settings; paths are absolute.
    Raises:
      BadInput: an unknown, missing or wrong constant.
    """
    require_known(values, source)
    missing = [name for name in RULES if name not in values]
    if missing:
        raise BadInput(f'{source} lacks {", ".join(missing)}: put it back.')
    try:
        return Settings(**{name.lower(): in_own_type(name, value, folder) for name, value in values.items()},
                        origin=origin)
    except BadInput as problem:
        raise BadInput(f'{source}: {problem}') from None


def require_known(names, source):
    """Refuse names that are no settings; all retired ones are told at once, with their successors. Raises BadInput."""
    retired = [name for name in names if name in RETIRED]
    if retired:
        listed, reasons = ', '.join(retired), '; '.join(dict.fromkeys(map(RETIRED.get, retired)))
        which = 'is no setting' if len(retired) == 1 else 'are no settings'
        raise BadInput(f'{source} sets {listed}, which {which} any more: {reasons}. Leave {listed} out.')
    for name in names:
        if name not in RULES:
            near = difflib.get_close_matches(name.upper()[:99], RULES, n=1, cutoff=0.5)
            hint = f'Did you mean {near[0]}?' if near else '`python main.py --help` lists them all.'
            raise BadInput(f'{source} sets {shown(name)}, which is no setting. {hint}')


def in_own_type(name, value, folder=''):
    """A value of a setting, where it is written otherwise but can mean one thing only: 1e3 is 1000, ~/roses is at home,
    (7, 12) is [7, 12].

    Args:
      name: of the setting.
      value: as the user wrote it.
      folder: as in `settings_from`.
    Returns:
      the value; a path is absolute, the name of a run stays a name.
    Raises:
      BadInput: a path begins at a home folder, or at a working folder, that there is none of.
    """
    types = RULES[name].types
    if list in types and isinstance(value, list | tuple):
        return [in_own_type(name, each) for each in value]
    if int in types and float not in types and isinstance(value, float) and value.is_integer():
        return int(value)
    if name not in PATHS or not isinstance(value, str) or not value.strip():
        return value
    path = os.path.expanduser(value)
    if path.partition(os.sep)[0] == '~':
        raise BadInput(f'{name} is {shown(value)}, but the system knows no home folder of yours: write the path '
                       'without ~, or set the environment variable HOME.')
    if name in RUN_NAMES and os.path.basename(path) == path and path not in ('.', '..'):
        return path
    try:
        return os.path.abspath(os.path.join(folder, path))
    except FileNotFoundError:
        raise BadInput(f'{name} is {shown(value)}, but the folder that you are in is gone: go to another.') from None


def names_in(text):
    """The names in a setting that takes several, e.g. 'grid, images' → ['grid', 'images']; '' has none."""
    return [name.strip() for name in text.split(',')] if text else []


def literal(text):
    """The value that Python reads in a text, such as 12 or 'roses'; the text itself where Python reads none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # all that literal_eval raises
        return text


def is_unicode(text):
    """Whether UTF-8 has all characters of a text: bytes of a path that are no UTF-8 are read as surrogates."""
    return not any('\ud800' <= character <= '\udfff' for character in text)


def _written(value):
    """A value as the command line takes it: a text is quoted where it would be read as another text."""
    plain = isinstance(value, str) and (literal(value) == value or not isinstance(literal(value), str))
    return value if plain else repr(value)


def _spelling(rule, value):
    """Advice for a number that was written with a comma; '' for anything else."""
    comma = isinstance(value, tuple) or (isinstance(value, str) and re.fullmatch(r'[\d_]+(,\d+)+', value))
    if not comma or int not in rule.types or list in rule.types:
        return ''
    return ' Write it with a point, as 0.5.' if float in rule.types else ' Write it without a comma, as 30_000.'
