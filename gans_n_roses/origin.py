"""Where settings come from, for the sentences and commands that a user reads, and for a run that goes on."""

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

FILE = 'mission_control.py'


class Origin(NamedTuple):
    """What mission_control.py said, and what the command line changed for this run."""

    control: dict  # constant → value, all that mission_control.py says
    given: dict  # constant → value, what the command line gave
    program: str = 'main.py'  # path of main.py
    of_run: tuple = ()  # names of the constants that a resumed run brought with it

    @property
    def folder(self):
        """The folder of main.py and mission_control.py, which relative paths of older runs began at."""
        return Path(self.program).parent

    def place(self, name):
        """Where a setting was made: 'on the command line', 'in mission_control.py' or 'in the run'."""
        if name in self.of_run:
            return 'in the run'
        return 'on the command line' if name in self.given else f'in {FILE}'

    def words(self, **instead):
        """What the command line gave, as words NAME=value that give the same again.

        Args:
          instead: constant → value that takes the place of what was given, or joins it; None leaves it out.
        """
        return [f'{name}={_text(value)}' for name, value in {**self.given, **instead}.items() if value is not None]

    def command(self, *words):
        """The command that runs main.py with these words NAME=value, to paste into a shell from any folder."""
        return shell([sys.executable, os.path.abspath(self.program), *words])


NOWHERE = Origin({}, {})


def shell(words):
    """Words as one line of the system's shell: each is quoted where it has to be."""
    return subprocess.list2cmdline(words) if os.name == 'nt' else shlex.join(words)


def literal(text):
    """The value that Python would read in a text, such as 12 or 'roses'; the text itself where it would read none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # all that literal_eval raises
        return text


def _text(value):
    if not isinstance(value, str):
        return repr(value)
    return repr(value) if isinstance(literal(value), str) and literal(value) != value else value
