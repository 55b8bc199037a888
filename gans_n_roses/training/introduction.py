"""What a user is told before training begins, and when it is done."""

import sys

import tensorflow.compat.v1 as tf

from gans_n_roses.machine.session import device_name
from gans_n_roses.origin import shell
from gans_n_roses.quality.recipe import FEW_PICTURES, missing_remedies
from gans_n_roses.runs.folders import checkpoint_iterations

SKIPPED_NAMED = 10  # files that cannot be read are named up to this many, then counted


def introduce(run, settings, dataset, graph, iteration, recipe=(), weights=None):
    """Print the networks, what they run on and are shown, and where everything goes.

    Args:
      run: RunFolder.
      settings: Settings of the run.
      dataset: Dataset.
      graph: tf.Graph that holds both networks.
      iteration: how many iterations were made before.
      recipe: lines on what RECIPE took.
      weights: FirstWeights, what the run begins from.
    """
    print(f'\n{network_table(graph)}\n')
    print(f'Runs on      {device_name()}')
    _print('Pictures', summary(dataset))
    if remedy := _remedy(run, settings, len(dataset.images)):
        print(f'             so few are soon learnt by heart. What helps: {remedy}')
    if recipe:
        _print('Recipe', recipe)
    if weights:
        anew = f', but for {", ".join(weights.anew)}, which begin anew' if weights.anew else ''
        lines = [f'the weights of {weights.source}{anew}']
        if weights.smoothed and not settings.smooth:
            lines.append('it was trained with SMOOTH=True, this run is not')
        _print('Starts from', lines)
    print(f'Run          {run.path} (SEED {settings.seed})' + (f', from iteration {iteration}' if iteration else ''))
    print(f'TensorBoard  {tensorboard_command(run.path.parent)}', flush=True)


def _print(title, lines):
    print(f'{title:<13}' + f'\n{"":<13}'.join(lines))


def summary(dataset):
    """What was found, in lines for the user."""
    def several(count, what):
        return what if count == 1 else f'{what}s'
    counts = [f'{len(dataset.images)} {several(len(dataset.images), "picture")}']
    for count, what in ((len(dataset.skipped), 'skipped'),
                        (dataset.duplicates, several(dataset.duplicates, 'exact duplicate')),
                        (dataset.enlarged, f'enlarged to {dataset.images.shape[1]} pixels')):
        counts += [f'{count} {what}'] if count else []
    lines = [', '.join(counts)]
    lines += [f'skipped {name}: {reason}' for name, reason in dataset.skipped[:SKIPPED_NAMED]]
    more = len(dataset.skipped) - SKIPPED_NAMED
    return [*lines, f'and {more} more'] if more > 0 else lines


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
    variables = graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)
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


def tensorboard_command(folder):
    """The command that shows a folder's runs in TensorBoard."""
    return shell([sys.executable, '-m', 'tensorboard.main', '--logdir', str(folder)])


def what_to_load(run, origin):
    """What a complete run has saved, in lines for the user: the newest checkpoint, the best one, and their commands."""
    words = ['LOAD=True', f'RUN={run.path}']
    not_the_best = ['CHECKPOINT=latest'] if origin.control.get('CHECKPOINT') == 'best' else []
    newest = checkpoint_iterations(run.saved_models)[-1]
    lines = [f'Done         {run.path}',
             *_load('Newest', run.saved_models / f'train-{newest}', origin.command(*words, *not_the_best))]
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
