"""benchmarks/loss_curves.py: a picture of what event files say."""

import numpy as np
import pytest
from PIL import Image, ImageColor

from benchmarks.loss_curves import AVERAGED, CURVES, HEIGHT, WIDTH, average, main, read_curves, ticks
from gans_n_roses.runs.folders import RunFolder
from gans_n_roses.training.events import Events

D_LOSS, G_LOSS = CURVES


@pytest.fixture
def run(tmp_path):
    """A run whose losses are 1 and 3, which was stopped at iteration 60, and resumed from its checkpoint of 40."""
    run = RunFolder(tmp_path / 'run')
    run.tensorboard.mkdir(parents=True)
    for start, stop in ((0, 60), (40, 100)):
        events = Events(run.tensorboard, start)
        for iteration in range(start + 10, stop + 1, 10):
            events.scalars(iteration, {D_LOSS: 1, G_LOSS: 3, 'D_of_x': 7})
        events.close()
    return run


def drawn(run, tmp_path, *more):
    out = tmp_path / 'losses.png'
    assert main([str(run.path), '--out', str(out), *more]) == 0
    return np.asarray(Image.open(out)).astype(int)


def where(picture, tag):
    """(rows, columns) of the pixels of a strong curve, left of its name."""
    colour = np.array(ImageColor.getrgb(CURVES[tag][1]))
    rows, columns = np.nonzero(np.abs(picture - colour).max(2) < 80)
    inside = columns < WIDTH - 120
    return rows[inside], columns[inside]


def test_several_event_files_are_one_curve(run):
    assert len(list(run.tensorboard.glob('*tfevents*'))) == 2
    for iterations, _ in read_curves(run).values():
        assert iterations.tolist() == list(range(10, 101, 10))


def test_curves_lie_where_their_values_say(run, tmp_path):
    picture = drawn(run, tmp_path)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    lowest = np.nonzero(picture[:, 200].max(1) < 128)[0]  # between two numbers only the axis is dark
    (d_rows, d_columns), (g_rows, g_columns) = (where(picture, tag) for tag in (D_LOSS, G_LOSS))
    zero, one, three = (np.mean(rows) for rows in (lowest, d_rows, g_rows))
    assert (zero - three) / (zero - one) == pytest.approx(3, abs=0.05)
    for columns in (d_columns, g_columns):  # from iteration 10 to 100 of 100, so 9 tenths of the plot
        assert len(set(columns)) == pytest.approx(0.9 * (WIDTH - 50 - 120), abs=4)


def test_until_ends_both_curves(run, tmp_path):
    iterations, losses = read_curves(run, 35)[G_LOSS]
    assert (iterations.tolist(), losses.tolist()) == ([10, 20, 30], [3, 3, 3])
    whole, part = (where(drawn(run, tmp_path, *more), G_LOSS)[1] for more in ([], ['--until', '30']))
    assert part.max() == whole.max() and part.min() > whole.min()  # iteration 10 is a third of the way


def test_the_average_keeps_a_steady_value_and_spreads_a_peak():
    steady = np.full(500, 2.5)
    assert average(steady) == pytest.approx(steady)
    peak = np.zeros(500)
    peak[250] = 1
    spread = average(peak)
    assert spread.max() == pytest.approx(1 / (AVERAGED * 500)) and spread.sum() == pytest.approx(1)
    assert average(np.array([4.0])).tolist() == [4]


@pytest.mark.parametrize(('highest', 'most', 'least', 'expected'), [
    (3, 6, 0, [0, 0.5, 1, 1.5, 2, 2.5, 3]), (14.2, 6, 0, [0, 5, 10, 15]), (30000, 8, 1, range(0, 30001, 5000)),
    (3, 8, 1, [0, 1, 2, 3])])
def test_numbers_at_the_axes_are_round(highest, most, least, expected):
    assert ticks(highest, most, least) == pytest.approx(list(expected))
    assert len(ticks(0, most)) >= 2


def test_wrong_inputs_are_told_in_one_sentence(run, tmp_path, capfd):
    empty, other = tmp_path / 'empty', RunFolder(tmp_path / 'other')
    empty.mkdir()
    other.tensorboard.mkdir(parents=True)
    events = Events(other.tensorboard, 0)
    events.scalars(10, {'D_of_x': 1})
    events.close()
    for path, out, more, told in [
            (tmp_path / 'nosuch', 'a.png', [], f'{tmp_path / "nosuch"} is no folder'),
            (empty, 'a.png', [], 'holds no event files'),
            (other.path, 'a.png', [], f'has recorded no {D_LOSS}'),
            (run.path, 'a.png', ['--until', '5'], '--until is 5, but the first Discriminator_Loss'),
            (run.path, 'nosuch/a.png', [], 'cannot be written')]:
        assert main([str(path), '--out', str(tmp_path / out), *more]) == 2
        printed, sentence = capfd.readouterr()
        assert printed == '' and told in sentence and sentence.strip().count('\n') == 0
    assert not (tmp_path / 'a.png').exists()
