"""Settings: reads and checks the constants of mission_control.py and of the command line."""

import ast
import dataclasses
import difflib
import os
import re
import runpy
import traceback
from collections.abc import Callable
from typing import NamedTuple

from gans_n_roses.errors import BadInput

PATHS = ('DATASET_PATH', 'RESULTS_PATH', 'RUN')
SAMPLE_KINDS = ('grid', 'images', 'interpolation', 'measures')
AUGMENT_KINDS = ('color', 'translation', 'cutout')
CHECKPOINTS = ('latest', 'best')
PRECISIONS = ('float32', 'bfloat16', 'auto')
IMAGE_SIZES = (16, 32, 64, 128, 256)


class Rule(NamedTuple):
    """What a setting may be."""

    types: tuple
    allowed: str  # in words, for the user
    holds: Callable


def _setting(types, allowed, holds=lambda value: True):
    return dataclasses.field(metadata={'rule': Rule(types, allowed, holds)})


def _whole(low, high=None):
    allowed = f'a whole number of at least {low}' if high is None else f'a whole number from {low} to {high}'
    return _setting((int,), allowed, lambda value: low <= value and (high is None or value <= high))


def _switch():
    return _setting((bool,), 'True or False')


def _text():
    return _setting((str,), 'text that is not empty', lambda value: value.strip() != '')


def _one_of(values):
    return _setting((type(values[0]),), 'one of ' + ', '.join(map(repr, values)), lambda value: value in values)


def _several(names, none=''):
    listed = ', '.join(map(repr, names))
    return _setting((str,), f'{none}{listed}, or several of them with commas between',
                    lambda value: set(names_in(value)) <= set(names) and bool(value or none))


@dataclasses.dataclass(frozen=True)
class Settings:
    """Every constant of mission_control.py, in lower case; checked, and never changed.

    Raises:
      BadInput: a value has the wrong type or is out of range. The sentence names the constant.
    """

    load: bool = _switch()
    resume: bool = _switch()
    run: str = _text()
    checkpoint: str = _one_of(CHECKPOINTS)
    dataset_path: str = _text()
    dataset_chosen: str = _setting(
        (str,), "a name of letters, digits, '_', '-' and '.' that makes a folder on any system",
        lambda value: re.fullmatch(r'\w[\w.-]*(?<!\.)', value) is not None)
    image_size: int = _one_of(IMAGE_SIZES)
    results_path: str = _text()
    n_iterations: int = _whole(1)
    batch_size: int = _whole(1)
    learning_rate: float = _setting((float, int), 'a number above 0 and up to 1', lambda value: 0 < value <= 1)
    beta_1: float = _setting((float, int), 'a number from 0 to below 1', lambda value: 0 <= value < 1)
    z_dim: int = _whole(1)
    mirror: bool = _switch()
    augment: str = _several(AUGMENT_KINDS, "'' for none, or ")
    r1_gamma: float = _setting((float, int), 'a number from 0 to 1000', lambda value: 0 <= value <= 1000)
    ema_decay: float = _setting((float, int), 'a number from 0 to below 1', lambda value: 0 <= value < 1)
    precision: str = _one_of(PRECISIONS)
    seed: int | None = _setting(
        (int, type(None)), 'None or a whole number from 0 to 4294967295',
        lambda value: value is None or 0 <= value < 2**32)
    n_samples: int = _whole(1)
    sample_as: str = _several(SAMPLE_KINDS)
    n_frames: int = _whole(2)
    export: bool = _switch()
    scalars_every: int = _whole(1)
    grid_every: int = _whole(1)
    grid_later_from: int = _whole(0)
    grid_every_later: int = _whole(1)
    checkpoint_every: int = _whole(1)
    checkpoints_kept: int = _whole(1)
    measure_every: int = _whole(1)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, rule = getattr(self, field.name), field.metadata['rule']
            # bool is a subclass of int: True is no whole number to a user.
            fits = isinstance(value, rule.types) and (not isinstance(value, bool) or bool in rule.types)
            if not (fits and rule.holds(value)):
                raise BadInput(f'{field.name.upper()} is {value!r}, but must be {rule.allowed}.')

    def constants(self):
        """The settings as a dict with the names of mission_control.py."""
        return {name.upper(): value for name, value in dataclasses.asdict(self).items()}


def names_in(text):
    """The names in a setting that takes several, e.g. 'grid, images' → ['grid', 'images']; '' has none."""
    return [name.strip() for name in text.split(',')] if text else []


def settings_from(values, source):
    """Settings from a dict of constants.

    Args:
      values: constant's name, in upper case → value.
      source: where the values come from, for the sentence to the user.
    Returns:
      Settings.
    Raises:
      BadInput: an unknown, missing or wrong constant.
    """
    names = [field.name.upper() for field in dataclasses.fields(Settings)]
    for name in values:
        if name not in names:
            raise BadInput(f'{source} sets {name}, which is no setting.{_nearest(name, names)}')
    missing = [name for name in names if name not in values]
    if missing:
        raise BadInput(f'{source} lacks {", ".join(missing)}: put it back.')
    at_home = {name: os.path.expanduser(values[name]) for name in PATHS if isinstance(values[name], str)}
    try:
        return Settings(**{name.lower(): value for name, value in {**values, **at_home}.items()})
    except BadInput as problem:
        raise BadInput(f'{source}: {problem}') from None


def read_settings(path, arguments=()):
    """Read mission_control.py, then the command line's NAME=value over it.

    Args:
      path: Path of mission_control.py.
      arguments: strings 'NAME=value', for this run only.
    Returns:
      Settings.
    Raises:
      BadInput: the file cannot be run, or a name or value is wrong.
    """
    try:
        values = runpy.run_path(str(path))
    except OSError as problem:
        raise BadInput(f'{path} cannot be read: {problem.strerror}.') from None
    except SyntaxError as problem:
        raise BadInput(f'{path.name}, line {problem.lineno}: {problem.msg}. A constant is NAME = value.') from None
    except (Exception, SystemExit) as problem:  # whatever a hand-edited file does wrong, the user learns where
        frames = traceback.extract_tb(problem.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), '?')
        raise BadInput(f'{path.name}, line {line}: {problem!r}. A constant is NAME = value.') from None
    # Dunder names are Python's own; everything else in the file is meant as a setting.
    values = {name: value for name, value in values.items() if not name.startswith('__')}
    settings = settings_from(values, path.name)
    if arguments:
        overrides = dict(_parse(argument, values) for argument in arguments)
        settings = settings_from({**settings.constants(), **overrides}, 'The command line')
    if settings.load and settings.resume:
        raise BadInput('LOAD and RESUME are both True, but a run either makes roses or goes on training: '
                       'set one of them to False.')
    return settings


def _parse(argument, known):
    name, equals, text = argument.partition('=')
    if name not in known:
        raise BadInput(f'The command line sets {name!r}, which is no setting.{_nearest(name, known)}')
    if not equals:
        raise BadInput(f'The command line has {name} without a value: write {name}=value.')
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # all that literal_eval raises
        value = text
    return name, text if isinstance(known[name], str) and not isinstance(value, str) else value


def _nearest(name, names):
    near = difflib.get_close_matches(name.upper(), names, n=1, cutoff=0.5)
    return f' Did you mean {near[0]}?' if near else ' `python main.py --help` lists them all.'
