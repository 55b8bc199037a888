"""Train a DCGAN, or make roses with one: see mission_control.py."""

import sys
from pathlib import Path

from gans_n_roses import output, stopping
from gans_n_roses.errors import Stop
from gans_n_roses.quiet import quietly
from gans_n_roses.settings import read_settings
from gans_n_roses.usage import describe

MISSION_CONTROL = Path(__file__).with_name('mission_control.py')


def main(arguments):
    """Do what mission_control.py and the command line say; returns the exit code."""
    try:
        if {'-h', '--help'} & set(arguments):
            print(describe(MISSION_CONTROL))
            return 0
        settings = read_settings(MISSION_CONTROL, arguments)
        print("GANs N' Roses: starting TensorFlow ...", flush=True)
        # Imported here: TensorFlow takes seconds, and wrong settings are told before.
        with quietly():
            if settings.load:
                from gans_n_roses.sampling import sample as run
            else:
                from gans_n_roses.training import train as run
        run(settings)
        return 0
    except Stop as stop:
        print(f'\n{stop}', file=sys.stderr)
        return stop.exit_code


if __name__ == '__main__':
    output.keep_going()
    stopping.end_at_once()
    sys.exit(main(sys.argv[1:]))
