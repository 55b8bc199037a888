"""What a run shows while it trains and when it is done: lines, what TensorBoard says of each curve, the best roses."""

import re
import shlex

import pytest
from launching import copy_run, only_run
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter

from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations
from gans_n_roses.training import monitor
from gans_n_roses.training.monitor import Monitor


@pytest.fixture(scope='module')
def trained(launcher, tiny, tmp_path_factory):
    """(run of 20 iterations, all that it wrote)."""
    results = tmp_path_factory.mktemp('trained')
    ended = launcher.run({**tiny, 'RESULTS_PATH': results, 'N_ITERATIONS': 20})
    assert ended.code == 0, ended.text
    return only_run(results), ended.text


def descriptions(run):
    """What TensorBoard shows with the mouse on a curve or picture: tag → text."""
    events = EventMultiplexer({'run': str(run.tensorboard)}).Reload()
    provider, context = MultiplexerDataProvider(events, str(run.tensorboard)), RequestContext()
    known = {}
    for read, plugin in ((provider.list_scalars, 'scalars'), (provider.list_blob_sequences, 'images'),
                         (provider.list_tensors, 'text')):
        found = read(context, experiment_id='', plugin_name=plugin, run_tag_filter=RunTagFilter())
        known |= {tag: series.description for tag, series in found.get('run', {}).items()}
    return known


def test_tensorboard_says_what_each_curve_and_picture_is(trained, launcher, tiny, tmp_path):
    known = descriptions(trained[0])
    assert len(known) == 21 and known.keys() >= {'D_of_x', 'Quality/Copying', 'Generated_Images', 'Nearest_Pictures'}
    assert all(re.match(r'[A-Z].*\.$', text) for text in known.values())
    assert len(set(known.values())) == len(known)
    assert 'a real picture is real' in known['D_of_x'] and '0 is a copy' in known['Quality/Copying']

    run = copy_run(trained[0], tmp_path)
    ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': 21, 'RESUME': True})
    assert ended.code == 0, ended.text
    assert descriptions(run) == known
    first, *_ = run.tensorboard.glob('events*')
    first.unlink()  # each file says it by itself
    assert known.items() >= descriptions(run).items() > {}.items()


def test_a_sentence_of_advice_is_described(tmp_path, make_settings):
    (tmp_path / 'Tensorboard').mkdir()
    with Monitor(RunFolder(tmp_path), 0, make_settings(n_iterations=1)) as shown:
        shown.advise(1, 'Do this.')
    assert descriptions(RunFolder(tmp_path)) == {'Advice': 'What a lasting pattern in the curves means, and what to '
                                                 'change.'}


def test_without_a_terminal_lines_say_pace_and_time_left(tmp_path, capsys, monkeypatch, make_settings):
    (tmp_path / 'Tensorboard').mkdir()
    now = 1000.0
    monkeypatch.setattr(monitor.time, 'monotonic', lambda: now)
    with Monitor(RunFolder(tmp_path), 100, make_settings(n_iterations=500)) as shown:
        for iteration in range(101, 501):
            now += 0.25
            shown.progress(iteration, 1.25, 0.5)
    assert capsys.readouterr().out.splitlines() == [
        'iteration 101/500: D loss 1.250, G loss 0.500',
        'iteration 221/500: D loss 1.250, G loss 0.500, 4 it/s, 01:09 left',
        'iteration 341/500: D loss 1.250, G loss 0.500, 4 it/s, 00:39 left',
        'iteration 461/500: D loss 1.250, G loss 0.500, 4 it/s, 00:09 left',
        'iteration 500/500: D loss 1.250, G loss 0.500, 4 it/s, 00:00 left']


def test_the_newest_and_the_best_roses_are_named_with_their_commands(trained, launcher):
    run, text = trained
    best, = checkpoint_iterations(run.saved_models, 'best')
    told = text[text.index('Done'):]
    assert [str(path) in told for path in (run.path, run.saved_models / 'train-20', run.saved_models / f'best-{best}')]
    commands = [shlex.split(line.partition('main.py ')[2]) for line in told.splitlines() if 'main.py' in line]
    assert ['CHECKPOINT=best' in words for words in commands] == [False, True]
    for words, checkpoint in zip(commands, ('train-20', f'best-{best}'), strict=True):
        ended = launcher.run(words)
        assert ended.code == 0, ended.text
        assert f'Model  {run.saved_models / checkpoint}\n' in ended.text
