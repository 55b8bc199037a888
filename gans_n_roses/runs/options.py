"""options.json: how a run was made, and when it was trained with which settings."""

import json
import os
import platform
from datetime import datetime
from importlib import metadata

from gans_n_roses import __version__
from gans_n_roses.errors import BadInput, reason, shown
from gans_n_roses.machine.files import read_file, write_file
from gans_n_roses.runs.resuming import recorded

# Of a run folder: a new one where an old reader would misread the folder. Versions before 1.3.0 would leave out the
# filter of SMOOTH, those before 1.7.0 all filters but that of the last layer. Those before 1.8.0 would take the
# kinds of LABELS for a part of z.
PLAIN, FILTERED, FILTERED_INSIDE, LABELLED = FORMATS = (1, 2, 3, 4)
PACKAGES = ('tensorflow', 'numpy', 'pillow', 'tensorboard')


def record_options(run, options, settings, dataset, iteration, weights=None, workers=1):
    """Write options.json anew: the settings of now, and an entry of history for each time that the run was trained.

    An entry also holds what mission_control.py said and what the command line gave: by that a resumed run tells what
    the user has changed since.

    Args:
      run: RunFolder.
      options: dict, what was there; None for a new run.
      settings: Settings, merged with the run's.
      dataset: Dataset.
      iteration: number of iterations made before.
      weights: FirstWeights of a new run that begins with another model's.
      workers: number of workers, each with a batch of BATCH_SIZE.
    Raises:
      OSError: as `write_file`.
    """
    changes = {}
    if options:
        before = recorded(options)
        changes = {name: [before.get(name), value] for name, value in settings.of_training().items()
                   if before.get(name) != value}
        if options['data'].get('fingerprint') != dataset.fingerprint:
            changes['data'] = [options['data'].get('fingerprint'), dataset.fingerprint]
    entry = {'time': datetime.now().isoformat(timespec='seconds'), 'iteration': iteration, 'changes': changes,
             'workers': workers, 'command_line': settings.origin.given, 'mission_control': settings.origin.control,
             'folder': os.path.abspath(settings.origin.folder)}
    kinds = {'kinds': dict(zip(dataset.kinds.names, dataset.kinds.counts, strict=True))} if settings.labels else {}
    content = {
        'format': LABELLED if settings.labels else FORMATS[min(settings.smooth, 2)],
        'version': __version__, 'settings': settings.constants(),
        'packages': {'python': platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        'data': {'pictures': len(dataset.images), 'duplicates': dataset.duplicates, 'enlarged': dataset.enlarged,
                 'skipped': dict(dataset.skipped), 'fingerprint': dataset.fingerprint, **kinds},
        'history': [*(options['history'] if options else []), entry]}
    if weights:
        content['started_from'] = {'weights': weights.source, 'fingerprint': weights.fingerprint, 'anew': weights.anew}
    elif options and 'started_from' in options:
        content['started_from'] = options['started_from']
    write_file(run.options, (json.dumps(content, indent=2) + '\n').encode())


def version_remarks(options):
    """A sentence, in a list, if another version of this package has made a run; else an empty list."""
    version = options.get('version', 'before 1.0.0')
    if version == __version__:
        return []
    return [f'The run was last trained by version {shown(version)} of gans_n_roses; this is version {__version__}.']


def read_options(run):
    """Read options.json.

    Returns:
      dict with "format", "settings" (constant → value), "data", "packages" and "history".
    Raises:
      BadInput: it is missing, not JSON, or of a format that this version does not know.
    """
    try:
        options = json.loads(read_file(run.options).decode())
    except (OSError, ValueError, RecursionError) as problem:  # the last one where brackets are nested without end
        raise BadInput(f'{run.options} cannot be read ({reason(problem)}): put it back as the run wrote it.') from None
    if not isinstance(options, dict) or not isinstance(options.get('settings'), dict):
        raise BadInput(f'{run.options} has no "settings": put it back as the run wrote it.')
    if options.get('format') not in FORMATS:
        raise BadInput(f'{run.options} is of format {shown(options.get("format"))}, but this version reads formats '
                       f'{", ".join(map(str, FORMATS))}: use the version of gans_n_roses that made the run.')
    history = options.get('history')
    if not isinstance(options.get('data'), dict) or not isinstance(history, list) or not all(
            isinstance(entry, dict) and isinstance(entry.get('mission_control', {}), dict) for entry in history):
        raise BadInput(f'{run.options} has no "data" or no "history": put it back as the run wrote it.')
    return options


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # TensorFlow's other packages, tensorflow-cpu among them, have other names
        return None
