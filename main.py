"""Train a DCGAN, or make roses with one: see mission_control.py."""

import sys
from pathlib import Path

from gans_n_roses.errors import Stop, missing_package
from gans_n_roses.machine import cluster, loading, output, stopping
from gans_n_roses.settings import read_settings
from gans_n_roses.usage import describe

MISSION_CONTROL = Path(__file__).resolve().with_name('mission_control.py')


def main(arguments):
    """Do what mission_control.py and the command line say; returns the exit code."""
    try:
        if {'-h', '--help'} & set(arguments):
            print(describe(MISSION_CONTROL))
            return 0
        settings, workers = read_settings(MISSION_CONTROL, arguments), cluster.read_cluster()
        # Imported when needed: TensorFlow takes seconds, and what is wrong without it is told before.
        with missing_package(MISSION_CONTROL.with_name('requirements.txt')):
            from gans_n_roses.checks import check
            remarks = [*check(settings, workers), "GANs N' Roses: starting TensorFlow ...\n"]
            print(*(remarks if workers.leads else ''), sep='\n', end='', flush=True)
            with loading.loading_tensorflow(errors=workers.count == 1):
                from gans_n_roses.sampling.roses import sample
                from gans_n_roses.training.loop import train
        sample(settings) if settings.load else train(settings, workers)
        return 0
    except Stop as stop:
        print(f'\n{stop}', file=sys.stderr)
        return stop.exit_code


if __name__ == '__main__':
    output.keep_going()
    stopping.end_at_once()
    sys.exit(main(sys.argv[1:]))
