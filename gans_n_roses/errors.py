"""The ends of a run that a user is told about in one sentence, without a traceback."""

import contextlib
import os
import re
import shlex
import subprocess
import sys

LONGEST = 240  # characters of a value in a sentence


class Stop(Exception):
    """Ends the program with one sentence and `exit_code`."""

    exit_code = 1


class BadInput(Stop):
    """A setting, file or folder is wrong: the sentence says what was found, what is allowed and where to mend it."""

    exit_code = 2


class RunFailed(Stop):
    """A run cannot go on (full disk, loss not finite): the sentence says why.

    Attributes:
      changes: words NAME=value that may help when the run is resumed.
    """

    def __init__(self, sentence, *changes):
        super().__init__(sentence)
        self.changes = changes


class Interrupted(Stop):
    """The user or the system asked the run to end; `exit_code` is 128 + the signal's number."""

    def __init__(self, sentence, signal_number):
        super().__init__(sentence)
        self.exit_code = 128 + signal_number


def reason(problem):
    """The reason in an error: an OSError's own, or what follows ';' in a TensorFlow error ("path; reason")."""
    said = re.search(r'; (.+)', str(problem))
    told = said[1] if said else str(problem).partition('\n')[0]
    return getattr(problem, 'strerror', None) or told or type(problem).__name__


def shown(value):
    """A value as Python writes it, shortened in the middle where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write whole numbers of more than some thousand digits
        return 'a number of thousands of digits'
    return text if len(text) <= LONGEST else f'{text[:LONGEST // 2]} … {text[-LONGEST // 4:]}'


def printable(text):
    """Text with escapes for what breaks a line or a terminal's encoding, as file names may."""
    return ''.join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def shell(words):
    """Words as one line of the system's shell: each is quoted where it has to be."""
    return subprocess.list2cmdline(words) if os.name == 'nt' else shlex.join(words)


@contextlib.contextmanager
def missing_package(requirements):
    """Tell a package that is not installed in one sentence, with the Python to use or the command that installs it.

    Args:
      requirements: Path of requirements.txt; beside it may stand .venv, which `make` makes.
    Raises:
      BadInput: an import within the block found no such package.
    """
    try:
        yield
    except ModuleNotFoundError as problem:
        name = (problem.name or '').partition('.')[0]
        if name == __name__.partition('.')[0]:  # a fault of our own
            raise
        environment = requirements.with_name('.venv')
        python = environment / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
        if python.exists() and not environment.samefile(sys.prefix):
            mend = f'The one in .venv is meant to have it; start with {shell([str(python)])} instead.'
        else:
            install = shell([sys.executable, '-m', 'pip', 'install', '-r', str(requirements)])
            mend = f'This installs all that is needed: {install}'
        raise BadInput(f'The package {name!r} is not installed for this Python ({sys.executable}). {mend}') from None
