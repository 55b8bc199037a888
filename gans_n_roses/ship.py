"""Write the model that ships: the weights of a run's two networks in float16, and the beginning of its card."""

import argparse
import os
import sys
from pathlib import Path

from gans_n_roses import __version__
from gans_n_roses.errors import RunFailed, Stop, missing_package
from gans_n_roses.machine import output
from gans_n_roses.machine.quiet import quietly
from gans_n_roses.origin import shell
from gans_n_roses.settings import CHECKPOINTS

ROOT = Path(__file__).resolve().parent.parent


def main(arguments):
    """Write the file, and its card where there is none yet.

    Args:
      arguments: list of str, the command line without the program's name.
    Returns:
      Exit code: 0 written, 1 the disk failed, 2 bad input.
    """
    parser = argparse.ArgumentParser(prog='python -m gans_n_roses.ship', description=__doc__)
    parser.add_argument('run', metavar='RUN', help="path of a run's folder")
    parser.add_argument('--checkpoint', choices=CHECKPOINTS, default='latest', help='default: %(default)s')
    parser.add_argument('--out', type=Path, help='default: the file in gans_n_roses/shipped')
    args = parser.parse_args(arguments)
    try:
        with missing_package(ROOT / 'requirements.txt'):
            from gans_n_roses.runs.folders import find_run
            from gans_n_roses.runs.shipped import FILE
            run = os.path.abspath(args.run)
            ship(find_run(os.path.dirname(run), '', run), args.checkpoint, args.out or FILE)
        return 0
    except Stop as stop:
        print(f'\n{stop}', file=sys.stderr)
        return stop.exit_code


def ship(run, which, path):
    """Write a run's model to a file that ships.

    Args:
      run: RunFolder.
      which: 'latest' or 'best', the checkpoint to take.
      path: Path of the file.
    Raises:
      BadInput: the run has no such checkpoint, or its model is too large.
      RunFailed: the file cannot be written.
    """
    with quietly():  # TensorFlow takes seconds, and is not needed to see what is wrong with the command
        from gans_n_roses.machine.files import write_file
        from gans_n_roses.networks.transfer import model_size
        from gans_n_roses.runs.checkpoints import read_newest
        from gans_n_roses.runs.options import read_options
        from gans_n_roses.runs.shipped import write_shipped
    checkpoint, card = read_newest(run.saved_models, which), path.with_suffix('.md')
    z_dim, image_size = model_size(checkpoint.values, checkpoint.path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        model = write_shipped(path, checkpoint.values, image_size, z_dim)
        if not card.exists():  # it is finished by hand
            options = read_options(run) if run.options.exists() else None  # a run of the article's own code has none
            write_file(card, _card(model, checkpoint.iteration, options).encode())
    except OSError as problem:
        raise RunFailed(f'{problem.filename} cannot be written: {problem.strerror}.') from None
    print(f'Model        {path}, {path.stat().st_size / 1e6:.1f} MB', f'Fingerprint  {model.fingerprint}',
          f'Card         {card}', sep='\n')


def _card(model, iterations, options):
    """What the card can know by itself: what the model is, and the commands that trained it."""
    lines = [f'# {model.path.stem}', '',
             f'Both networks of {model.image_size} pixels, z of {model.z_dim} numbers, after {iterations} iterations. '
             'Weights are in float16; those of the generator are its moving average where the run kept one.', '',
             f'- Fingerprint (SHA-256 of the weights): `{model.fingerprint}`']
    if options:
        packages = ', '.join(f'{name} {version}' for name, version in options['packages'].items())
        lines += [f'- Pictures: {options["data"].get("pictures")}',
                  f'- Made with gans_n_roses {__version__}; {packages}', '- Trained by:', '',
                  *(f'      {_command(entry)}' for entry in options['history'])]
    return '\n'.join([*lines, '', 'Licence: MIT, as the project.', ''])


def _command(entry):
    """The command of an entry of a run's history; paths in the project begin there."""
    words = [f'{name}={_short(value)}' for name, value in entry.get('command_line', {}).items()]
    return shell(['python', 'main.py', *words])


def _short(value):
    inside = isinstance(value, str) and value.startswith(f'{ROOT}{os.sep}')
    return os.path.relpath(value, ROOT) if inside else value


if __name__ == '__main__':
    output.keep_going()
    sys.exit(main(sys.argv[1:]))
