"""Settings: what each constant of mission_control.py may be, and how a user's constants become Settings."""

import dataclasses
import difflib
import os
import re
import runpy
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from gans_n_roses.errors import BadInput, shown
from gans_n_roses.origin import NOWHERE, Origin, literal

PATHS = ('DATASET_PATH', 'RESULTS_PATH', 'RUN', 'START_FROM')
RUNS = ('RUN', 'START_FROM')  # a path, or the name of a run's folder
SAMPLE_KINDS = ('grid', 'images', 'interpolation', 'measures')
AUGMENT_KINDS = ('color', 'translation', 'cutout', 'rotation')
CHECKPOINTS = ('latest', 'best')
STOPS = ('', 'no better')
RECIPES = ('article', 'auto')
PRECISIONS = ('float32', 'bfloat16', 'auto')
IMAGE_SIZES = (16, 32, 64, 128, 256)
MOST = 10**9  # of anything that is counted
NEAREST_TO_ONE = 0.999999  # 1 minus it is above 0 in float32 too, in which Adam and the average compute
UNSET = object()

# What a setting belongs to:
DOOR = 'door'  # what to do and where: that of now, whatever a run was made with
OF_RUN = 'run'  # it makes the networks, the data or the randomness what they are: a resumed run keeps its own
OF_NOW = 'now'  # it can change at any iteration
OF_LOAD = 'load'  # what LOAD makes


class Rule(NamedTuple):
    """What a setting may be, and what it belongs to."""

    of: str  # DOOR, OF_RUN, OF_NOW or OF_LOAD
    types: tuple
    allowed: str  # in words, for the user
    holds: Callable
    before: Any = UNSET  # what older runs had, whose options.json does not name the setting yet
    leaves_open: Any = UNSET  # the value that leaves the choice to the run
    idle: Any = UNSET  # of what LOAD alone reads, or a run that begins: the value that asks for nothing


def _setting(of, types, allowed, holds=lambda value: True, **more):
    return dataclasses.field(metadata={'rule': Rule(of, types, allowed, holds, **more)})


def _whole(of, low, high=MOST, **more):
    return _setting(of, (int,), f'a whole number of at least {low} and at most {high}',
                    lambda value: low <= value <= high, **more)


def _switch(of, **more):
    return _setting(of, (bool,), 'True or False', **more)


def _text(of, **more):
    return _setting(of, (str,), 'text that is not empty, of characters that UTF-8 has, without a null',
                    lambda value: value.strip() != '' and '\0' not in value and _is_unicode(value), **more)


def _share(of, **more):
    return _setting(of, (float, int), f'a number from 0 to below 1 (at most {NEAREST_TO_ONE})',
                    lambda value: 0 <= value <= NEAREST_TO_ONE, **more)


def _one_of(of, values, **more):
    return _setting(of, (type(values[0]),), 'one of ' + ', '.join(map(repr, values)), lambda value: value in values,
                    **more)


def _several(of, names, none='', **more):
    listed = ', '.join(map(repr, names))
    return _setting(of, (str,), f'{none}{listed}, or several of them with commas between',
                    lambda value: set(names_in(value)) <= set(names) and bool(value or none), **more)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Every constant of mission_control.py, in lower case; checked, and never changed.

    Raises:
      BadInput: a value has the wrong type or is out of range. The sentence names the constant.
    """

    load: bool = _switch(DOOR)
    resume: bool = _switch(DOOR)
    run: str = _text(DOOR, idle='latest')
    checkpoint: str = _one_of(OF_LOAD, CHECKPOINTS, before='latest', idle='latest')
    dataset_path: str = _text(OF_RUN)
    dataset_chosen: str = _setting(
        OF_RUN, (str,), "a name of at most 100 letters, digits, '_', '-' and '.' that makes a folder on any system",
        lambda value: re.fullmatch(r'\w[\w.-]{,99}(?<!\.)', value) is not None and _is_unicode(value))
    image_size: int = _one_of(OF_RUN, IMAGE_SIZES)
    cache: bool = _switch(DOOR, before=True)
    results_path: str = _text(DOOR)
    n_iterations: int = _whole(OF_NOW, 1)
    stop_when: str = _setting(OF_NOW, (str,), "'' for never, or 'no better'", lambda value: value in STOPS, before='')
    batch_size: int = _whole(OF_NOW, 1)
    learning_rate: float = _setting(OF_NOW, (float, int), 'a number above 0 and up to 1',
                                    lambda value: 1e-30 < value <= 1)  # below, it is 0 in float32
    beta_1: float = _share(OF_NOW)
    z_dim: int = _whole(OF_RUN, 1)
    start_from: str = _setting(
        OF_RUN, (str,), "'' for none, 'shipped', 'latest', the name of a run's folder, or its path",
        lambda value: value == '' or (value.strip() != '' and '\0' not in value and _is_unicode(value)),
        before='', leaves_open='', idle='')
    recipe: str = _one_of(OF_RUN, RECIPES, before='article', leaves_open='article', idle='article')
    mirror: bool = _switch(OF_NOW, before=False)
    augment: str = _several(OF_NOW, AUGMENT_KINDS, "'' for none, or ", before='')
    r1_gamma: float = _setting(OF_NOW, (float, int), 'a number from 0 to 1000', lambda value: 0 <= value <= 1000,
                               before=0.0)
    ema_decay: float = _share(OF_RUN)
    smooth: bool = _switch(OF_RUN, before=False)
    precision: str = _one_of(OF_RUN, PRECISIONS, before='float32', leaves_open='auto')
    seed: int | None = _setting(
        OF_RUN, (int, type(None)), 'None or a whole number from 0 to 4294967295',
        lambda value: value is None or 0 <= value < 2**32, leaves_open=None)
    n_samples: int = _whole(OF_RUN, 1)
    sample_as: str = _several(OF_LOAD, SAMPLE_KINDS, idle='grid')
    n_frames: int = _whole(OF_LOAD, 2)
    export: bool = _switch(OF_LOAD, idle=False)
    scalars_every: int = _whole(OF_NOW, 1)
    grid_every: int = _whole(OF_NOW, 1)
    grid_later_from: int = _whole(OF_NOW, 0)
    grid_every_later: int = _whole(OF_NOW, 1)
    checkpoint_every: int = _whole(OF_NOW, 1)
    checkpoints_kept: int = _whole(OF_NOW, 1)
    measure_every: int = _whole(OF_NOW, 1, before=1000)
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


RULES = {field.name.upper(): field.metadata['rule'] for field in dataclasses.fields(Settings)
         if 'rule' in field.metadata}


def names_in(text):
    """The names in a setting that takes several, e.g. 'grid, images' → ['grid', 'images']; '' has none."""
    return [name.strip() for name in text.split(',')] if text else []


def settings_from(values, source, folder='', origin=NOWHERE):
    """Settings from a dict of constants.

    Args:
      values: constant's name, in upper case → value.
      source: where the values come from, for the sentence to the user.
      folder: what relative paths among them begin at; '' is the folder where the user is.
      origin: Origin that the Settings will name.
    Returns:
      Settings; paths are absolute.
    Raises:
      BadInput: an unknown, missing or wrong constant.
    """
    for name in values:
        if name not in RULES:
            raise BadInput(f'{source} sets {name}, which is no setting.{_nearest(name)}')
    missing = [name for name in RULES if name not in values]
    if missing:
        raise BadInput(f'{source} lacks {", ".join(missing)}: put it back.')
    try:
        return Settings(**{name.lower(): _meant(name, value, folder) for name, value in values.items()}, origin=origin)
    except BadInput as problem:
        raise BadInput(f'{source}: {problem}') from None


def read_settings(path, arguments=()):
    """Read mission_control.py, then the command line's NAME=value over it.

    Relative paths in the file begin at the file's own folder, those on the command line at the folder where the user
    is. A DATASET_PATH on the command line without a DATASET_CHOSEN brings the name of its folder, so that each folder
    of pictures has its own runs.

    Args:
      path: Path of mission_control.py; main.py lies beside it.
      arguments: strings 'NAME=value', for this run only.
    Returns:
      Settings.
    Raises:
      BadInput: the file cannot be run, or a name or value is wrong.
    """
    control = settings_from(_constants_in(path), path.name, folder=path.parent)
    given = {name: _meant(name, value) for name, value in map(_parse, arguments)}
    # Either of them on the command line outdoes the other in the file, or printed commands would not run as pasted.
    outdone = {other: False for name, other in (('LOAD', 'RESUME'), ('RESUME', 'LOAD')) if given.get(name) is True}
    origin = Origin(control.constants(), given, str(path.with_name('main.py')))
    settings = settings_from({**control.constants(), **outdone, **given}, 'The command line' if given else path.name,
                             origin=origin)
    if settings.load and settings.resume:
        raise BadInput('LOAD and RESUME are both True, but a run either makes roses or goes on training: '
                       'set one of them to False.')
    if 'DATASET_PATH' in given and 'DATASET_CHOSEN' not in given:
        name = _name_of(settings.dataset_path)
        if not (settings.load or settings.resume) or os.path.isdir(os.path.join(settings.results_path, name)):
            settings = dataclasses.replace(settings, dataset_chosen=name)
    return settings


def _constants_in(path):
    """Every constant of a file of constants: dict of name → value."""
    try:
        values = runpy.run_path(str(path))
    except OSError as problem:
        raise BadInput(f'{path} cannot be read: {problem.strerror}.') from None
    except SyntaxError as problem:
        raise BadInput(f'{path.name}, line {problem.lineno}: {problem.msg}. A constant is NAME = value.') from None
    except (Exception, SystemExit) as problem:  # whatever a hand-edited file does wrong, the user learns where
        frames = traceback.extract_tb(problem.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), '?')
        written = str(getattr(problem, 'name', None)).capitalize()
        spelling = f' Write {written}.' if written in ('True', 'False') else ' A constant is NAME = value.'
        raise BadInput(f'{path.name}, line {line}: {problem!r}.{spelling}') from None
    # Dunder names are Python's own; everything else in the file is meant as a setting.
    return {name: value for name, value in values.items() if not name.startswith('__')}


def _parse(argument):
    """A word NAME=value of the command line → (name, value)."""
    name, equals, text = argument.partition('=')
    if name not in RULES:
        raise BadInput(f'The command line sets {shown(name)}, which is no setting.{_nearest(name)}')
    if not equals:
        raise BadInput(f'The command line has {name} without a value: write {name}=value.')
    types, value = RULES[name].types, literal(text)
    spelled = literal(text.capitalize())
    if type(spelled) in types and spelled in (True, False, None):  # true is True, none is None
        return name, spelled
    # A setting of text takes all as it stands, unless it is in quotes; a pair of numbers is a number with a comma.
    return name, text if (str in types and not isinstance(value, str)) or isinstance(value, tuple) else value


def _meant(name, value, folder=''):
    """The value in the setting's own type, where it can mean one thing only: 1e3 is 1000, ~/roses is at home."""
    types = RULES[name].types
    if int in types and float not in types and isinstance(value, float) and value.is_integer():
        return int(value)
    if name not in PATHS or not isinstance(value, str) or not value.strip():
        return value
    path = os.path.expanduser(value)
    if name in RUNS and os.path.basename(path) == path and path not in ('.', '..'):
        return path
    try:
        return os.path.abspath(os.path.join(folder, path))
    except FileNotFoundError:
        raise BadInput(f'{name} is {shown(value)}, but the folder that you are in is gone: go to another.') from None


def _name_of(path):
    """A DATASET_CHOSEN for a folder of pictures: the folder's name, with '_' for what a name may not hold."""
    name = re.sub(r'[^\w.-]', '_', Path(path).name)[:100].strip('.-') or 'pictures'
    return name if _is_unicode(name) else 'pictures'


def _spelling(rule, value):
    """How to write a number that has a comma."""
    comma = isinstance(value, tuple) or (isinstance(value, str) and re.fullmatch(r'[\d_]+(,\d+)+', value))
    if not comma or int not in rule.types:
        return ''
    return ' Write it with a point, as 0.5.' if float in rule.types else ' Write it without a comma, as 30_000.'


def _is_unicode(text):
    """Whether UTF-8 has all characters of a text: bytes of a path that are no UTF-8 come as surrogates."""
    return not any('\ud800' <= character <= '\udfff' for character in text)


def _nearest(name):
    near = difflib.get_close_matches(name.upper()[:99], RULES, n=1, cutoff=0.5)
    return f' Did you mean {near[0]}?' if near else ' `python main.py --help` lists them all.'
