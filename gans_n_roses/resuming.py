"""Which settings a resumed run goes on with: the run's own, or those of now."""

import dataclasses
from pathlib import Path

from gans_n_roses.settings import settings_from

# They make the networks, the data or the randomness what they are: changed, it would be another run.
OF_THE_RUN = ('DATASET_PATH', 'DATASET_CHOSEN', 'IMAGE_SIZE', 'Z_DIM', 'EMA_DECAY', 'PRECISION', 'SEED', 'N_SAMPLES')
# What older runs had, whose options.json does not name it yet.
BEFORE = {'PRECISION': 'float32', 'MIRROR': False, 'AUGMENT': '', 'R1_GAMMA': 0.0, 'CHECKPOINT': 'latest',
          'MEASURE_EVERY': 1000}
# They leave the choice open: whatever the run has is no disagreement.
OPEN = {'PRECISION': 'auto', 'SEED': None}
# They can change at any iteration.
OF_NOW = ('N_ITERATIONS', 'BATCH_SIZE', 'LEARNING_RATE', 'BETA_1', 'MIRROR', 'AUGMENT', 'R1_GAMMA', 'SCALARS_EVERY',
          'GRID_EVERY', 'GRID_LATER_FROM', 'GRID_EVERY_LATER', 'CHECKPOINT_EVERY', 'CHECKPOINTS_KEPT', 'MEASURE_EVERY')


def settle(settings, saved, source):
    """Merge the settings of now with those that a run was made with.

    Args:
      settings: Settings of now.
      saved: constant → value, from the run's options.json.
      source: that file's Path, for the sentence to the user.
    Returns:
      (Settings to go on with, list of lines: one for each constant that differs, with both values and who wins).
    Raises:
      BadInput: options.json holds an unknown, missing or wrong setting.
    """
    now, before = settings.constants(), settings_from({**BEFORE, **saved}, source).constants()
    remarks = []
    for name in (*OF_THE_RUN, *OF_NOW):
        if now[name] in (before[name], OPEN.get(name, before[name])):
            continue
        wins = name in OF_THE_RUN
        if name == 'DATASET_PATH' and not Path(before[name]).is_dir():
            wins = False
        remarks.append(f'{name}: the run has {before[name]!r}, you set {now[name]!r}; '
                       + ("the run's is used" if wins else 'the new one is used from here on'))
    kept = [name for name in OF_THE_RUN if name != 'DATASET_PATH' or Path(before[name]).is_dir()]
    return dataclasses.replace(settings, **{name.lower(): before[name] for name in kept}), remarks


def what_makes_it(settings):
    """What makes one run unlike another, not what to do, nor what LOAD makes: constant → value."""
    return {name: value for name, value in settings.constants().items() if name in (*OF_THE_RUN, *OF_NOW)}
