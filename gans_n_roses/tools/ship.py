"""Write the model that ships: the weights of a run's two networks in float16, and the beginning of its card."""

import argparse
import os
import sys
from pathlib import Path

from gans_n_roses import __version__
from gans_n_roses.errors import BadInput, RunFailed, Stop, missing_package, shell
from gans_n_roses.machine import streams
from gans_n_roses.machine.quiet import quietly
from gans_n_roses.settings import CHECKPOINTS

ROOT = Path(__file__).resolve().parents[2]
CARD = """# {path.stem}

Both networks of {image_size} pixels, WIDTH {width}, z of {z_dim} numbers, after {iterations} iterations. Weights
are in float16; those of the generator are its moving average where the run kept one.

- Fingerprint (SHA-256 of the file's contents): `{fingerprint}`
{training}
Licence: MIT, as the project.
"""


def main(arguments):
    """Write the file, and its card where there is none yet.

    Args:
      arguments: list of str, the command line without the program's name.
    Returns:
      Exit code: 0 written, 1 the disk failed, 2 bad input.
    """
    parser = argparse.ArgumentParser(prog='python -m gans_n_roses.tools.ship', description=__doc__)
    parser.add_argument('run', metavar='RUN', type=os.path.abspath, help="path of a run's folder")
    parser.add_argument('--checkpoint', choices=CHECKPOINTS, default='latest', help='default: %(default)s')
    parser.add_argument('--out', type=Path, help='default: the file in gans_n_roses/shipped')
    args = parser.parse_args(arguments)
    try:
        with missing_package(ROOT / 'requirements.txt'):
            ship(args.run, args.checkpoint, args.out)
    except Stop as stop:
        print(f'\n{stop}', file=sys.stderr)
        return stop.exit_code
    return 0


def ship(run_path, which, path):
    """Write a run's model to a file that ships.

    Args:
      run_path: absolute path of the run's folder.
      which: 'latest' or 'best', the checkpoint to take.
      path: Path of the file; None for the one that ships with the project.
    Raises:
      BadInput: there is no such run or checkpoint, or its model is too large, or knows kinds (LABELS).
      RunFailed: the file cannot be written.
    """
    from gans_n_roses.machine.files import write_file
    from gans_n_roses.runs.folders import find_run
    from gans_n_roses.runs.options import read_options
    from gans_n_roses.runs.shipped import FILE, write_shipped
    run, path = find_run(os.path.dirname(run_path), '', run_path), path or FILE
    with quietly():  # TensorFlow takes seconds, and is not needed to see that there is no such run
        from gans_n_roses.networks.transfer import model_shape
        from gans_n_roses.runs.checkpoints import read_newest
        from gans_n_roses.sampling.saved_generator import open_generator
    checkpoint, card = read_newest(run.saved_models, run.checkpoint or which), path.with_suffix('.md')
    if checkpoint.kinds.names:
        raise BadInput(f'{checkpoint.path} knows several kinds (LABELS), but the model that ships knows one: '
                       'name a run that was trained without LABELS.')
    shape = model_shape(checkpoint.values, checkpoint.path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        model = write_shipped(path, checkpoint.values, shape.image_size, shape.z_dim)
        with open_generator(model.values, path):  # which keeps its statistics beside it
            pass
        if not card.exists():  # it is finished by hand
            # A run of the article's own code has no options.
            training = describe_training(read_options(run)) if run.options.exists() else ''
            write_file(card, CARD.format(**model._asdict(), width=shape.width, iterations=checkpoint.iteration,
                                         training=training).encode())
    except OSError as problem:
        raise RunFailed(f'{problem.filename} cannot be written: {problem.strerror}.') from None
    print(f'Model        {path}, {path.stat().st_size / 1e6:.1f} MB\nFingerprint  {model.fingerprint}\n'
          f'Card         {card}')


def describe_training(options):
    """The lines of the card on what trained the model: pictures, packages, and the commands.

    Args:
      options: dict, the run's options.json.
    """
    packages = ', '.join(f'{name} {version}' for name, version in options['packages'].items())
    lines = [f'- Pictures: {options["data"].get("pictures")}', f'- Made with gans_n_roses {__version__}; {packages}',
             '- Trained by:', '']
    for entry in options['history']:
        words = [f'{name}={value}' for name, value in entry.get('command_line', {}).items()]
        lines.append(f'      {shell(["python", "main.py", *words])}')
    return '\n'.join([*lines, '']).replace(f'{ROOT}{os.sep}', '')  # paths in the project begin there


if __name__ == '__main__':
    streams.keep_going()
    sys.exit(main(sys.argv[1:]))
