"""What a run shows while it trains and when it is done: lines, what TensorBoard says of each curve, the best roses."""

import contextlib
import io
import re
import shlex

import pytest
from conftest import REPO
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter

from gans_n_roses.command_line import read_settings
from gans_n_roses.plan import make_plan
from gans_n_roses.runs.folders import RunFolder, checkpoint_iterations
from gans_n_roses.sampling.roses import sample
from gans_n_roses.settings import Origin
from gans_n_roses.training import monitor
from gans_n_roses.training.introduction import what_to_load
from gans_n_roses.training.loop import train
from gans_n_roses.training.monitor import Monitor


def planned(*words):
    return make_plan(read_settings(REPO / 'mission_control.py', words))


@pytest.fixture(scope='module')
def trained(tiny, tmp_path_factory):
    """(run of 4 iterations, all that it wrote)."""
    settings = {**tiny, 'AUGMENT': '', 'R1_GAMMA': 0, 'CHECKPOINT_EVERY': 3, 'N_ITERATIONS': 4,
                'RESULTS_PATH': tmp_path_factory.mktemp('trained')}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        run = train(planned(*(f'{name}={value}' for name, value in settings.items())))
    return run, said.getvalue()


@pytest.fixture
def shown(make_settings, tmp_path):
    """Function: a Monitor of a run in tmp_path."""
    (tmp_path / 'Tensorboard').mkdir()
    return lambda start, last: Monitor(RunFolder(tmp_path), start, make_settings(n_iterations=last))


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


def test_what_takes_time_is_said_before_it_begins(trained):
    order = ('Reading ', 'Building the networks\n', 'Generator  ', 'iteration 4/4', 'Measuring ...\n',
             'Making the film ...\n', 'Done  ')
    places = [trained[1].rindex(text) for text in order]
    assert places == sorted(places)


def test_tensorboard_says_what_each_curve_and_picture_is(trained):
    known = descriptions(trained[0])
    assert len(known) == 21 and known.keys() >= {'D_of_x', 'Quality/Copying', 'Generated_Images', 'Nearest_Pictures'}
    assert all(re.match(r'[A-Z].*\.$', text) for text in known.values())
    assert len(set(known.values())) == len(known)
    assert 'a real picture is real' in known['D_of_x'] and '0 is a copy' in known['Quality/Copying']


def test_each_event_file_says_by_itself_what_is_in_it(shown, tmp_path):
    for start, last in ((0, 1), (1, 2)):
        with shown(start, last) as monitor_of_part:
            monitor_of_part.advise(last, 'Do this.')
    first, _ = sorted((tmp_path / 'Tensorboard').glob('events*'))
    first.unlink()
    assert descriptions(RunFolder(tmp_path)) == {'Advice': 'What a lasting pattern in the curves means, and what to '
                                                 'change.'}


def test_without_a_terminal_lines_say_pace_and_time_left(shown, capsys, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(monitor.time, 'monotonic', lambda: now)
    with shown(100, 500) as part:
        for iteration in range(101, 501):
            now += 0.25
            part.progress(iteration, 1.25, 0.5)
    assert capsys.readouterr().out.splitlines() == [
        'iteration 101/500: D loss 1.250, G loss 0.500',
        'iteration 221/500: D loss 1.250, G loss 0.500, 4 it/s, 01:09 left',
        'iteration 341/500: D loss 1.250, G loss 0.500, 4 it/s, 00:39 left',
        'iteration 461/500: D loss 1.250, G loss 0.500, 4 it/s, 00:09 left',
        'iteration 500/500: D loss 1.250, G loss 0.500, 4 it/s, 00:00 left']


def test_the_time_of_measuring_is_not_that_of_an_iteration(shown, capsys, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(monitor.time, 'monotonic', lambda: now)
    with shown(0, 400) as part:
        for iteration in range(1, 241):
            now += 0.25
            part.progress(iteration, 1.25, 0.5)
            if iteration == 123:
                with part.busy('Measuring'):
                    now += 600
    assert capsys.readouterr().out.splitlines() == [
        'iteration 1/400: D loss 1.250, G loss 0.500',
        'iteration 121/400: D loss 1.250, G loss 0.500, 4 it/s, 01:09 left',
        'Measuring ...']


def test_the_newest_and_the_best_roses_are_named_with_their_commands(trained, capsys):
    run, text = trained
    best, = checkpoint_iterations(run.saved_models, 'best')
    told = text[text.index('Done'):]
    for path in (run.path, run.saved_models / 'train-4', run.saved_models / f'best-{best}'):
        assert str(path) in told
    commands = [shlex.split(line.partition('main.py ')[2]) for line in told.splitlines() if 'main.py' in line]
    assert ['CHECKPOINT=best' in words for words in commands] == [False, True]
    for words, checkpoint in zip(commands, ('train-4', f'best-{best}'), strict=True):
        sample(planned(*words))
        assert f'Model  {run.saved_models / checkpoint}\n' in capsys.readouterr().out


@pytest.mark.parametrize(('checkpoint', 'named'), [('latest', False), ('best', True), (3000, True)])
def test_the_newest_is_asked_for_where_the_file_names_another(trained, checkpoint, named):
    said = what_to_load(trained[0], Origin({'CHECKPOINT': checkpoint}, {}))
    assert ('CHECKPOINT=latest' in said) == named
