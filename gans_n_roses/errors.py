"""The ends of a run that a user is told about in one sentence, without a traceback."""

import re


def reason(problem):
    """What the system said, in an OSError or in the report of TensorFlow's that it stands in ("path; reason")."""
    said = re.search(r'; (.+)', str(problem))
    return getattr(problem, 'strerror', None) or (said[1] if said else str(problem).splitlines()[0])


class Stop(Exception):
    """Ends the program with one sentence and `exit_code`."""

    exit_code = 1


class BadInput(Stop):
    """A setting, file or folder is wrong: the sentence says what was found, what is allowed and where to mend it."""

    exit_code = 2


class RunFailed(Stop):
    """A run cannot go on (full disk, loss not finite): the sentence says what was saved last."""


class Interrupted(Stop):
    """The user or the system asked the run to end; `exit_code` is 128 + the signal's number."""

    def __init__(self, sentence, signal_number):
        super().__init__(sentence)
        self.exit_code = 128 + signal_number
