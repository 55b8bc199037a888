"""Which settings a resumed run goes on with: the run's own, or those of now."""

import dataclasses
from pathlib import Path

from gans_n_roses.errors import shown
from gans_n_roses.settings import OF_NOW, OF_RUN, RULES, UNSET, settings_from

BEFORE = {name: rule.before for name, rule in RULES.items() if rule.before is not UNSET}


def merge_settings(settings, options, source):
    """Merge the settings of now with those that a run was made with.

    A setting comes from the command line of now; else from mission_control.py, if it was changed there since the run
    was last trained; else from the run. What makes the run what it is stays the run's in any case. A run that does not
    record what mission_control.py said (before 2026-11) takes all that may change from the settings of now.

    Args:
      settings: Settings of now.
      options: dict, the run's options.json.
      source: that file's Path, for the sentence to the user.
    Returns:
      (Settings to go on with, list of lines: one for each constant that was asked for otherwise, with both values and
      who wins).
    Raises:
      BadInput: options.json holds an unknown, missing or wrong setting.
    """
    now = settings.constants(OF_RUN, OF_NOW)
    before = settings_from({**BEFORE, **options['settings']}, source, settings.origin.folder).constants()
    said = options['history'][-1].get('mission_control') if options['history'] else None
    chosen, remarks = {}, []
    for name, value in now.items():
        asked = said is None or name in settings.origin.given or settings.origin.control.get(name) != said.get(name)
        stays = RULES[name].of == OF_RUN and (name != 'DATASET_PATH' or Path(before[name]).is_dir())
        chosen[name] = before[name] if stays or not asked else value
        if asked and value not in (before[name], RULES[name].leaves_open):
            remarks.append(f'{name}: the run has {shown(before[name])}, you set {shown(value)}; '
                           + ("the run's is used" if stays else 'the new one is used from here on'))
    return dataclasses.replace(settings, **{name.lower(): value for name, value in chosen.items()}), remarks


def what_makes_it(settings):
    """What makes one run unlike another, not what to do, nor what LOAD makes: constant → value."""
    return settings.constants(OF_RUN, OF_NOW)
