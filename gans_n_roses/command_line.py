"""mission_control.py and the command line's NAME=value → Settings."""

import os
import re
import runpy
import traceback
from pathlib import Path

from gans_n_roses.errors import BadInput
from gans_n_roses.settings import RULES, Origin, in_own_type, is_unicode, literal, require_known, settings_from


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
    require_known([word.partition('=')[0] for word in arguments], 'The command line')
    given = dict(map(_parse, arguments))
    # LOAD or RESUME on the command line outdoes the other one in the file, so that printed commands run as pasted.
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
            settings = settings.changed({'DATASET_CHOSEN': name})
    return settings


def help_text(path):
    """The answer to --help: how to give a setting, and mission_control.py itself. Raises BadInput: it is unreadable."""
    try:
        control = path.read_text(encoding='utf-8-sig')
    except (OSError, ValueError) as problem:
        raise BadInput(f'{path} cannot be read: {problem}.') from None
    return ('usage: python main.py [NAME=value ...]\n\n'
            f'{path.name}; NAME=value changes a setting for this run:\n\n{control}')


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


def _parse(word):
    """A word NAME=value of the command line → (name, value)."""
    name, equals, text = word.partition('=')
    if not equals:
        raise BadInput(f'The command line has {name} without a value: write {name}=value.')
    return name, in_own_type(name, _value(text, RULES[name].types))


def _value(text, types):
    """The value of a text, for a setting of these types; the text itself where it is none of them."""
    value, constant = literal(text), literal(text.capitalize())
    if isinstance(constant, bool | None) and type(constant) in types:  # true is True, none is None
        return constant
    if str in types:  # taken as it stands, unless it is in quotes
        return value if isinstance(value, str) else text
    return text if isinstance(value, tuple) else value  # "0,5" is a number with a comma, not a pair


def _name_of(path):
    """A DATASET_CHOSEN for a folder of pictures: the folder's name, with '_' for what a name may not hold."""
    name = re.sub(r'[^\w.-]', '_', Path(path).name)[:100].strip('.-') or 'pictures'
    return name if is_unicode(name) else 'pictures'
