"""Everything that a user is told before training begins, and when it is done."""

import sys

from gans_n_roses.errors import shell
from gans_n_roses.machine.session import device_name
from gans_n_roses.pictures.folder import by_reason
from gans_n_roses.runs.folders import checkpoint_iterations
from gans_n_roses.runs.recipe import FEW_PICTURES, missing_remedies

REASONS_TOLD = 10  # why files were skipped; the rest are counted
SKIPPED_NAMED = 3  # files for each reason


def introduce(training, dataset, iteration, recipe=(), weights=None):
    """Print the networks, the machine, the pictures, and where everything goes.

    Args:
      training: Training.
      dataset: Dataset.
      iteration: number of iterations made before.
      recipe: lines on what RECIPE took.
      weights: FirstWeights that the run begins with.
    """
    run, settings = training.run, training.settings
    print(f'\n{network_table(training.session.graph)}\n')
    _print('Runs on', [device_name()])
    ground = 'transparency' if settings.channels == 4 else 'the mean colour of their border'
    shown = {'crop': [], 'pad': [f'shown whole, on {ground}'], 'stretch': ['stretched to squares']}
    _print('Pictures', [*summary(dataset), *shown[settings.fit]])
    if dataset.kinds.names:
        _print('Kinds', [f'{len(dataset.kinds.names):,}: {dataset.kinds}'])
    if remedy := _remedy(run, settings, len(dataset.images)):
        _print('', [f'so few are soon memorised. What helps: {remedy}'])
    if recipe:
        _print('Recipe', recipe)
    if weights:
        anew = f', but for {", ".join(weights.anew)}, which begin anew' if weights.anew else ''
        grown = f', grown from {weights.grown} to {settings.image_size} pixels' if weights.grown else ''
        _print('Starts from', [f'the weights of {weights.source}{grown}{anew}'])
        if weights.smoothed and not settings.smooth:
            _print('', [f'it was trained with SMOOTH={weights.smoothed}, this run is not'])
    _print('Run', [f'{run.path} (SEED {settings.seed})' + (f', from iteration {iteration}' if iteration else '')])
    _print('TensorBoard', [shell([sys.executable, '-m', 'tensorboard.main', '--logdir', str(run.path.parent)])])


def _print(title, lines):
    print(f'{title:<13}' + f'\n{"":<13}'.join(lines), flush=True)


def summary(dataset):
    """The pictures that were found, in lines for the user."""
    counts = [f'{len(dataset.images)} picture{_s(len(dataset.images))}']
    for count, what in ((len(dataset.skipped), 'skipped'),
                        (dataset.duplicates, f'exact duplicate{_s(dataset.duplicates)}'),
                        (dataset.enlarged, f'enlarged to {dataset.images.shape[1]} pixels'),
                        (dataset.blank, 'nearly of one shade')):
        counts += [f'{count} {what}'] if count else []
    lines = [', '.join(counts)]
    if dataset.blank > 0.9 * len(dataset.images):
        lines.append('there is next to nothing on them to be learned: look at one of the files')
    groups = by_reason(dataset.skipped)
    for reason, names in groups[:REASONS_TOLD]:
        more = ', …' if len(names) > SKIPPED_NAMED else ''
        lines.append(f'{len(names)} skipped ({", ".join(names[:SKIPPED_NAMED])}{more}): {reason}')
    more = sum(len(names) for _, names in groups[REASONS_TOLD:])
    return [*lines, f'and {more} more'] if more else lines


def _s(count):
    return '' if count == 1 else 's'


def _remedy(run, settings, count):
    """The command that switches on what is missing for so few pictures; '' where nothing is, or RECIPE has looked."""
    missing = missing_remedies(settings, settings.resume)
    if not missing or count >= FEW_PICTURES or settings.recipe == 'auto':
        return ''
    origin = settings.origin
    if settings.resume:  # a run that has begun takes no recipe any more
        return origin.command('RESUME=True', f'RUN={run.path}', *(f'{name}={value}' for name, value in missing.items()))
    start = {'START_FROM': settings.start_from} if settings.start_from else {}
    return origin.command(*origin.words(**dict.fromkeys(missing), **start, RECIPE='auto'))


def network_table(graph):
    """A table of both networks: layer, output shape, parameters.

    Args:
      graph: tf.Graph with the trainable variables "g_…" and "d_…".
    Returns:
      str of several lines.
    """
    variables = graph.get_collection('trainable_variables')
    lines = []
    for title, prefix in (('Generator', 'g_'), ('Discriminator', 'd_')):
        counts = {}
        for variable in variables:
            scope = variable.op.name.split('/')[0]
            if scope.startswith(prefix):
                counts[scope] = counts.get(scope, 0) + variable.shape.num_elements()
        lines.append(f'{title:<16}{"output":<20}{"parameters":>12}')
        lines += [f'  {scope:<14}{_output_shape(graph, scope):<20}{count:>12,}' for scope, count in counts.items()]
        lines.append(f'  {"":<34}{sum(counts.values()):>12,}')
    return '\n'.join(lines)


def _output_shape(graph, scope):
    # A layer's last op that is directly in its scope makes its output; deeper ones belong to its variables.
    last = [op for op in graph.get_operations() if op.name.rpartition('/')[0] == scope and op.outputs][-1]
    return ' × '.join(str(length) for length in last.outputs[0].shape.as_list()[1:])


def what_to_load(run, origin):
    """The checkpoints of a complete run, the newest and the best, with the commands that make roses with them."""
    words = ['LOAD=True', f'RUN={run.path}']
    the_newest = ['CHECKPOINT=latest'] if origin.control.get('CHECKPOINT', 'latest') != 'latest' else []
    newest = checkpoint_iterations(run.saved_models)[-1]
    lines = [f'Done         {run.path}',
             *_load('Newest', run.saved_models / f'train-{newest}', origin.command(*words, *the_newest))]
    for best in checkpoint_iterations(run.saved_models, 'best')[-1:]:
        lines += _load('Best', f'{run.saved_models / f"best-{best}"}, measured nearest to your pictures',
                       origin.command(*words, 'CHECKPOINT=best'))
    return '\n'.join(lines)


def best_to_load(run, origin):
    """The name of a run's best checkpoint and the command that makes roses with it; '' where it has none."""
    best = checkpoint_iterations(run.saved_models, 'best')[-1:]
    return f'best-{best[0]}: {origin.command("LOAD=True", f"RUN={run.path}", "CHECKPOINT=best")}' if best else ''


def _load(which, checkpoint, roses):
    return f'{which:<13}{checkpoint}', f'{"":<13}Make roses with it: {roses}'
