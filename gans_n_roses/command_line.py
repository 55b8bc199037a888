"""mission_control.py and the command line's NAME=value → Settings."""

import os
import re
import runpy
import traceback
from pathlib import Path

from gans_n_roses.errors import LONGEST, BadInput, shown
from gans_n_roses.settings import PATHS, RULES, Origin, in_own_type, is_unicode, literal, require_known, settings_from

LARGEST_FILE = 10**6  # bytes of mission_control.py
QUOTES = '\'"`´‘’‚‛“”„‟«»'  # those that editors and web pages write, too
# A line of mission_control.py that means to set a setting: (all but the comment, name, value); no call of a function.
LINE = re.compile(rf'(\s*({"|".join(RULES)})\b[\s=:]*((?!.*\w\().*?))(?:\s*(?<=\s)#.*)?\s*')


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
    return ('usage: python main.py [NAME=value ...]\n\n'
            f'{path.name}; NAME=value changes a setting for this run:\n\n{_text_of(path)}')


def _text_of(path):
    """The text of mission_control.py. Raises BadInput: it is no file, or no text in UTF-8."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_FILE:  # a pipe would keep us waiting
            raise BadInput(f'{path} is missing, or no file of at most a megabyte: '
                           'put the one back that comes with the project.')
        text = path.read_text(encoding='utf-8-sig', errors='replace')
    except OSError as problem:
        raise BadInput(f'{path} cannot be read: {problem.strerror}.') from None
    if wrong := re.search('[\0\ufffd]', text):  # what stands in for a byte that is no UTF-8; UTF-16 is full of nulls
        line = text.count('\n', 0, wrong.start()) + 1
        raise BadInput(f'{path.name}, line {line}, is no text in UTF-8: save the file in that encoding.')
    return text


def _constants_in(path):
    """Every constant of mission_control.py: dict of name → value. Raises BadInput, which shows how to mend a line."""
    lines = enumerate(_text_of(path).split('\n'), 1)  # as Python counts them
    meant = {number: found for number, line in lines if (found := LINE.fullmatch(line))}
    try:
        values = runpy.run_path(str(path))
    except (Exception, SystemExit) as problem:  # whatever a hand-edited file does wrong, the user learns where
        frames = traceback.extract_tb(problem.__traceback__)
        number = getattr(problem, 'lineno', None) or next(
            (frame.lineno for frame in reversed(frames) if frame.filename == str(path)), 1)
        # A quote or bracket that is forgotten may show in a later line only.
        broken = [each for each, found in meant.items() if literal(found[3]) == found[3] and _mended(found)]
        number = number if number in broken or not broken else broken[0]
        raise _wrong_line(path, number, meant.get(number), getattr(problem, 'msg', None) or shown(problem)) from None
    for number, found in meant.items():
        if found[2] in PATHS and re.search(r'[\x00-\x1f\x7f-\x9f]', str(values.get(found[2]))):
            raise _wrong_line(path, number, found, 'a backslash begins a special character')
    # Dunder names are Python's own; everything else in the file is meant as a setting.
    return {name: value for name, value in values.items() if not name.startswith('__')}


def _wrong_line(path, number, found, reason):
    """BadInput for a line that `found` matches, or None: how it should be, or why it cannot be read."""
    place, mended = f'{path.name}, line {number}', found and _mended(found)
    if mended and mended.split() != found[1].split():
        return BadInput(f'{place}, says `{found[1].strip()[:LONGEST]}`, but should say `{mended}`.')
    allowed = f'{found[2]} must be {RULES[found[2]].allowed}' if found else 'A setting is NAME = value'
    return BadInput(f'{place}: {reason}. {allowed}.')


def _mended(found):
    """A line as it should be, 'NAME = value', by what `LINE` finds in it; None where that cannot be told."""
    name, text = found.group(2, 3)
    types, holds = RULES[name].types, RULES[name].holds
    text = re.sub(rf'^[([{{]*[rRuU]?(?=[{QUOTES}])|(?<=[{QUOTES}])[])}},;]*$', '', text).strip(QUOTES)
    if name in PATHS:
        text = text.replace('\\', '/')
    elif str not in types and list not in types:
        text = text.replace(',', '.' if float in types else '')
    value = _value(text, types)
    return f'{name} = {value!r}' if type(value) in types and holds(value) else None


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
    if str in types:  # taken as it stands, unless it is in quotes, or a number where one is allowed
        return value if type(value) in types else text
    # "0,5" is a number with a comma, not a pair.
    return text if isinstance(value, tuple) and list not in types else value


def _name_of(path):
    """A DATASET_CHOSEN for a folder of pictures: the folder's name, with '_' for what a name may not hold."""
    name = re.sub(r'[^\w.-]', '_', Path(path).name)[:100].strip('.-') or 'pictures'
    return name if is_unicode(name) else 'pictures'
