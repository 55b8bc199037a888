"""Train a DCGAN, or make roses with one: see mission_control.py."""

import sys
from pathlib import Path

from gans_n_roses.errors import Stop, missing_package
from gans_n_roses.machine.quiet import quietly
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
            with quietly():
                if settings.load:
                    from gans_n_roses.sampling.roses import sample as run
                else:
                    from gans_n_roses.training.loop import train as run
        run(settings)
        return 0
    except (Stop, KeyboardInterrupt) as end:
        print(f'\n{str(end) or "Stopped; nothing was lost."}', file=sys.stderr)
        return getattr(end, 'exit_code', 130)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
