"""The settings that a resumed run goes on with: the run's own, or those of now (for which run: `find_run`)."""

import os

from gans_n_roses.errors import BadInput, shown
from gans_n_roses.settings import DOOR, MISSING, OF_LOAD, OF_RUN, RETIRED, RULES, settings_from

# Retired cadences as they were shipped, until version 1.5.0. A run that had others is told so when it is resumed.
OLD_CADENCES = {'GRID_LATER_FROM': 2000, 'GRID_EVERY_LATER': 200, 'MEASURE_EVERY': 1000, 'SCALARS_EVERY': 10}
BEFORE = {name: rule.before for name, rule in RULES.items() if rule.before is not MISSING}


def recorded(options):
    """The settings in options.json, retired ones left out, those of before a setting existed filled in.

    Args:
      options: dict, a run's options.json.
    Returns:
      dict, constant → value.
    """
    return {**BEFORE, **{name: value for name, value in options['settings'].items() if name not in RETIRED}}


def merge_settings(settings, options, source):
    """Merge the settings of now with those that a run was made with.

    Settings that make the run what it is (OF_RUN) stay the run's; only pictures that are gone may be replaced. Any
    other comes from the command line of now; else from mission_control.py, if it was changed there since the run was
    last trained; else from the run. A run that does not record what mission_control.py said (before version 1.0.0)
    takes all that may change from the settings of now.

    Args:
      settings: Settings of now.
      options: dict, the run's options.json.
      source: that file's Path, for the sentence to the user.
    Returns:
      (Settings to go on with, list of lines: one for each constant that was asked for otherwise, with both values and
      which one is used).
    Raises:
      BadInput: options.json holds an unknown, missing or wrong setting; or other pictures than the run's are asked for.
    """
    origin, now = settings.origin, settings.of_training()
    values = {**settings.constants(DOOR, OF_LOAD), **recorded(options)}
    before = settings_from(values, source, origin.folder).constants()
    last = options['history'][-1] if options['history'] else {}
    said = dict(last.get('mission_control', {})) or None
    for values in (before, said or {}):
        values['DATASET_PATH'] = _where_it_lies(values.get('DATASET_PATH'), last.get('folder'), origin.folder)
    chosen, remarks = {}, _old_cadences(options['settings'])
    for name, value in now.items():
        asked = said is None or name in origin.given or origin.control.get(name) != said.get(name)
        stays = RULES[name].of == OF_RUN and (name != 'DATASET_PATH' or os.path.isdir(before[name]))
        if name == 'DATASET_PATH' and name in origin.given and stays and value != before[name]:
            raise BadInput(f'DATASET_PATH is {shown(value)} on the command line, but the run {source.parent} is '
                           f'trained on {shown(before[name])}: leave DATASET_PATH out, or name another run with RUN=….')
        chosen[name] = before[name] if stays or not asked else value
        if asked and value not in (before[name], RULES[name].unset):
            remarks.append(f'{name}: the run has {shown(before[name])}, you set {shown(value)}; '
                           + ("the run's is used" if stays else 'the new one is used from here on'))
    origin = origin._replace(of_run=tuple(name for name, value in now.items() if chosen[name] != value))
    return settings.changed(chosen, origin=origin), remarks


def _old_cadences(recorded_then):
    """A line for each retired cadence that the run had otherwise than as shipped."""
    return [f'{name}: the run has {shown(recorded_then[name])}; from here on {RETIRED[name]}'
            for name, shipped in OLD_CADENCES.items() if recorded_then.get(name, shipped) != shipped]


def _where_it_lies(path, project_then, project_now):
    """A recorded path; where it lay in the project's folder and that was moved since, where it lies now."""
    if not isinstance(path, str) or not isinstance(project_then, str) or os.path.isdir(path):
        return path
    inside = os.path.relpath(path, project_then)
    return path if inside.startswith(os.pardir) else os.path.join(os.path.abspath(project_now), inside)
