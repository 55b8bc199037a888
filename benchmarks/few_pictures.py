"""A DCGAN on few pictures: the article's settings, remedies one by one and together, measured side by side.

    python -m benchmarks.few_pictures roses=Dataset/Roses
    python -m benchmarks.few_pictures roses_67=~/roses_67 photographs=Dataset/flower_photos/roses --seeds 1 2

Trains every setting on every folder with every seed through main.py, then measures each checkpoint (256 roses by the
generator's population statistics, as LOAD makes them) and prints a table. What is there already is not done again: the
same command goes on after an interruption, and several may run at once on different folders.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.shared import REPO, machine
from gans_n_roses.machine.files import write_file
from gans_n_roses.machine.quiet import loading_tensorflow

SETTINGS = {
    'article': [],
    'mirror': ['MIRROR=True'],
    'augment': ['AUGMENT=translation'],
    'r1': ['R1_GAMMA=0.1'],
    'all': ['MIRROR=True', 'AUGMENT=translation', 'R1_GAMMA=0.1', 'EMA_DECAY=0.999'],
    'auto': ['RECIPE=auto'],
}
COLUMNS = {'Quality/Distance': 0, 'Quality/Standard_Error': 1, 'Quality/Copying': 2, 'Quality/Copies': 2}  # digits


def main():
    """Train what is missing, measure what is new, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folders', nargs='+', metavar='NAME=FOLDER', help='a name for the table, and its pictures')
    parser.add_argument('--settings', nargs='+', default=list(SETTINGS), choices=SETTINGS, help='default: all six')
    parser.add_argument('--seeds', nargs='+', type=int, default=[1, 2], help='(%(default)s)')
    parser.add_argument('--every', type=int, default=1000, help='iterations between measurements (%(default)s)')
    parser.add_argument('--times', type=int, default=4, help='measurements of a run (%(default)s)')
    parser.add_argument('--precision', default='auto', help='PRECISION (%(default)s)')
    parser.add_argument('--results', type=Path, default=REPO / 'Results' / 'few_pictures', help='(%(default)s)')
    parser.add_argument('--table-only', action='store_true', help='train nothing: measure and show what there is')
    arguments = parser.parse_args()
    folders = dict(each.split('=', 1) for each in arguments.folders)
    cells = [(name, setting, seed) for seed in arguments.seeds for setting in arguments.settings for name in folders]
    if not arguments.table_only:
        for name, setting, seed in cells:
            train(name, Path(folders[name]).expanduser().resolve(), setting, seed, arguments)
    with loading_tensorflow():
        import gans_n_roses.sampling.saved_generator  # noqa: F401  (its chatter is held back here)
    measured = {name: measure_all(name, Path(folders[name]).expanduser(), cells, arguments) for name in folders}
    print(machine())
    for name, found in measured.items():
        print_table(name, found)


def train(name, folder, setting, seed, arguments):
    """Make one run, or what is missing of it."""
    home = arguments.results / name / f'{setting}-{seed}'
    iterations = arguments.every * arguments.times
    if list(home.glob(f'*/Saved_Models/train-{iterations}.index')):
        return
    begun = ['RESUME=True'] if list(home.glob('*/Saved_Models/*.index')) else []
    print(f'\n{name}, {setting}, seed {seed}', flush=True)
    subprocess.run(
        [sys.executable, REPO / 'main.py', *begun, f'DATASET_PATH={folder}', f'RESULTS_PATH={home.parent}',
         f'DATASET_CHOSEN={home.name}', f'SEED={seed}', f'N_ITERATIONS={iterations}', *SETTINGS[setting],
         f'PRECISION={arguments.precision}', f'CHECKPOINT_EVERY={arguments.every}',
         f'CHECKPOINTS_KEPT={arguments.times + 1}', f'GRID_EVERY={arguments.every}', 'N_SAMPLES=48'],
        check=True, env={**os.environ, 'PYTHONUNBUFFERED': '1'})


def measure_all(name, folder, cells, arguments):
    """The measures of every checkpoint of a folder's runs: (setting, iteration) → list of dicts, one for each seed."""
    from gans_n_roses.pictures.folder import load_dataset
    from gans_n_roses.quality.metrics import describe_real
    pictures = load_dataset(folder, 64)
    real = describe_real(pictures)
    found = {}
    for _, setting, seed in (cell for cell in cells if cell[0] == name):
        for iteration in range(arguments.every, arguments.every * arguments.times + 1, arguments.every):
            home = arguments.results / name / f'{setting}-{seed}'
            for index in home.glob(f'*/Saved_Models/train-{iteration}.index'):
                found.setdefault((setting, iteration), []).append(measure_checkpoint(index.with_suffix(''), real))
    return found


def measure_checkpoint(prefix, real):
    """Measure a checkpoint, or read what was measured before; returns dict of name → float, "Variety" among them."""
    import numpy as np

    from gans_n_roses.networks.noise import fixed_batches
    from gans_n_roses.quality.metrics import measure
    from gans_n_roses.runs.checkpoints import read_checkpoint
    from gans_n_roses.sampling.saved_generator import open_generator
    kept = prefix.with_name(f'{prefix.name}-quality.json')
    if not kept.exists():
        with open_generator(read_checkpoint(prefix).values, prefix) as saved:
            roses = [saved.session.run(saved.pictures, {saved.z: z}) for z in fixed_batches(saved.z_dim)]
        found = measure(real, np.concatenate(roses))
        found['Variety'] = found['Quality/Diversity'] / real.expected['Quality/Diversity']
        write_file(kept, json.dumps(found).encode())
    return json.loads(kept.read_text())


def print_table(name, found):
    """One Markdown row for each setting and iteration; two seeds as a/b."""
    heads = [name, 'iterations', *(column.partition('/')[2] for column in COLUMNS), 'Diversity, of real']
    print(f'\n| {" | ".join(heads)} |\n{"|---" * len(heads)}|')
    for (setting, iteration), runs in found.items():
        cells = ['/'.join(f'{run[column]:.{digits}f}' for run in runs)
                 for column, digits in {**COLUMNS, 'Variety': 2}.items()]
        print(f'| {setting} | {iteration} | {" | ".join(cells)} |')


if __name__ == '__main__':
    main()
