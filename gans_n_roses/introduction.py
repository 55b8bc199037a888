"""What a user is told before training begins."""

import sys

import tensorflow.compat.v1 as tf

from gans_n_roses.advice import remedy_for
from gans_n_roses.results import command
from gans_n_roses.session import device_name

FEW_PICTURES = 1000
SKIPPED_NAMED = 10  # files that cannot be read are named up to this many, then counted


def introduce(run, settings, dataset, graph, iteration):
    """Print the networks, what they run on and are shown, and where everything goes.

    Args:
      run: RunFolder.
      settings: Settings of the run.
      dataset: Dataset.
      graph: tf.Graph that holds both networks.
      iteration: how many iterations were made before.
    """
    first, *others = summary(dataset)
    print(f'\n{network_table(graph)}\n')
    print(f'Runs on      {device_name()}')
    print(f'Pictures     {first}', *(f'\n             {line}' for line in others), sep='')
    if len(dataset.images) < FEW_PICTURES:
        print('             so few are soon learnt by heart' + _remedy(settings, len(dataset.images)))
    print(f'Run          {run.path} (SEED {settings.seed})' + (f', from iteration {iteration}' if iteration else ''))
    print(f'TensorBoard  {tensorboard_command(run.path.parent)}', flush=True)


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


def _remedy(settings, count):
    """The command that switches on what helps for so many pictures, where nothing is on yet."""
    if settings.mirror or settings.augment or settings.r1_gamma or settings.ema_decay:
        return ': README.md, "Few pictures"'
    name, value = remedy_for(count)
    return f'. What helps: {command([], ["MIRROR=True", "EMA_DECAY=0.999", f"{name}={value}"])}'


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
    return f'{sys.executable} -m tensorboard.main --logdir "{folder}"'
