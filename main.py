"""Train a DCGAN, or make roses with one: see mission_control.py."""

import os
import sys
from pathlib import Path

from gans_n_roses.command_line import help_text, read_settings
from gans_n_roses.errors import Interrupted, Stop, missing_package
from gans_n_roses.machine import quiet, stopping, streams
from gans_n_roses.workers.cluster import read_cluster

MISSION_CONTROL = Path(__file__).resolve().with_name('mission_control.py')


def main(arguments):
    """Do what mission_control.py and the command line say; returns the exit code."""
    try:
        if {'-h', '--help'} & set(arguments):
            print(help_text(MISSION_CONTROL))
            return 0
        settings, cluster = read_settings(MISSION_CONTROL, arguments), read_cluster()
        # Imported when needed: TensorFlow takes seconds, and what is wrong without it is told before.
        with missing_package(MISSION_CONTROL.with_name('requirements.txt')):
            from gans_n_roses.plan import make_plan
            plan = make_plan(settings, cluster)
            if cluster.leads:
                print(*plan.remarks, "GANs N' Roses: starting TensorFlow ...", sep='\n', flush=True)
            with quiet.loading_tensorflow(errors=cluster.alone):
                from gans_n_roses.sampling.roses import sample
                from gans_n_roses.training.loop import train
        if settings.load:
            sample(plan)
        else:
            train(plan)
        return 0
    except Stop as stop:
        print(f'\n{stop}', file=sys.stderr)
        saved = isinstance(stop, Interrupted) and 'STOP_IS_NO_ERROR' in os.environ  # as `make train` sets it
        return 0 if saved else stop.exit_code


if __name__ == '__main__':
    streams.keep_going()
    stopping.end_at_once()
    sys.exit(main(sys.argv[1:]))
