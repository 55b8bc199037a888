"""Train a DCGAN, or make roses with one: see mission_control.py."""

import sys
from pathlib import Path

from gans_n_roses.errors import Stop, missing_package
from gans_n_roses.machine import output, quiet, stopping
from gans_n_roses.settings import read_settings
from gans_n_roses.usage import describe

MISSION_CONTROL = Path(__file__).resolve().with_name('mission_control.py')


def main(arguments):
    """Do what mission_control.py and the command line say; returns the exit code."""
    try:
        if {'-h', '--help'} & set(arguments):
            print(describe(MISSION_CONTROL))
            return 0
        settings = read_settings(MISSION_CONTROL, arguments)
        # Imported when needed: TensorFlow takes seconds, and what is wrong without it is told before.
        with missing_package(MISSION_CONTROL.with_name('requirements.txt')):
            from gans_n_roses.checks import check
            print(*check(settings), "GANs N' Roses: starting TensorFlow ...", sep='\n', flush=True)
            with quiet.quietly():
                from gans_n_roses.sampling.roses import sample
                from gans_n_roses.training.loop import train
        (sample if settings.load else train)(settings)
        return 0
    except Stop as stop:
        print(f'\n{stop}', file=sys.stderr)
        return stop.exit_code


if __name__ == '__main__':
    output.keep_going()
    stopping.end_at_once()
    sys.exit(main(sys.argv[1:]))
