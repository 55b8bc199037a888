"""Both losses of a run as one picture, out of what the run has recorded for TensorBoard.

    python -m benchmarks.loss_curves RUN --out losses.png
    python -m benchmarks.loss_curves RUN --out losses.png --until 2000

The pale lines are what was recorded, the strong ones are its moving averages. The highest of the averages makes the
scale, so that single values above it are cut off.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from gans_n_roses.errors import BadInput, Stop, reason
from gans_n_roses.machine.quiet import quietly
from gans_n_roses.pictures.grids import save_image
from gans_n_roses.runs.folders import RunFolder

CURVES = {  # tag in TensorBoard → name in the picture, colour: Okabe and Ito's blue and vermilion, apart for every eye
    'Discriminator_Loss': ('discriminator', '#0072b2'),
    'Generator_Loss': ('generator', '#d55e00'),
}
WIDTH, HEIGHT = 1000, 400  # pixels
LEFT, TOP, RIGHT, BOTTOM = 50, 32, 120, 48  # margins around the plot, for numbers, labels and names
DRAWN = 3  # times as large, and made smaller then: Pillow draws lines with steps
TEXT, LINE_APART = 15, 20  # pixels
INK, GRID, PALE = '#404040', '#e0e0e0', 0.3  # PALE: the share of a curve's colour in white
AVERAGED = 0.02  # of what is shown, at a time


class Axes(NamedTuple):
    """What the edges of the plot stand for."""

    last: int  # iteration at the right edge; 0 is at the left one
    top: float  # loss at the upper edge; 0 is at the lower one

    def place(self, iterations, losses):
        """Where values lie in the picture: two arrays [n] → pixels [n, 2]. What is above the top is put there."""
        x = LEFT + (WIDTH - LEFT - RIGHT) * np.asarray(iterations) / self.last
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * np.minimum(losses, self.top) / self.top
        return np.stack([x, y], axis=1)


def main(arguments):
    """Read, draw, save.

    Args:
      arguments: list of str, the command line without the program's name.
    Returns:
      Exit code: 0 drawn, 2 bad input.
    """
    parser = argparse.ArgumentParser(prog='python -m benchmarks.loss_curves', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('run', metavar='RUN', type=Path, help="path of a run's folder")
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.png', help='the picture')
    parser.add_argument('--until', type=int, metavar='N', help='the last iteration to show; default: the last recorded')
    args = parser.parse_args(arguments)
    try:
        picture = draw(read_curves(RunFolder(args.run), args.until))
        try:
            save_image(args.out, np.asarray(picture))
        except OSError as problem:
            raise BadInput(f'{args.out} cannot be written: {reason(problem)}. Name another file with --out.') from None
    except Stop as stop:
        print(f'\n{stop}', file=sys.stderr)
        return stop.exit_code
    print(f'Drawn  {args.out}')
    return 0


def read_curves(run, until=None):
    """The losses of a run, as TensorBoard shows them: what a resumed run made anew counts once.

    Args:
      run: RunFolder.
      until: the last iteration to read; None reads all.
    Returns:
      dict of tag → (int [n], iterations; float [n], losses).
    Raises:
      BadInput: there is no such run, or it has recorded no losses, or none until there.
    """
    if not run.path.is_dir():
        raise BadInput(f'{run.path} is no folder: name the folder of a run, such as `python main.py` tells.')
    if not any(run.tensorboard.glob('*tfevents*')):
        raise BadInput(f'{run.tensorboard} holds no event files, which a run records for TensorBoard: name the folder '
                       'of a run that was trained.')
    with quietly():  # TensorBoard imports TensorFlow, and wonders at tags of other kinds
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        events = EventAccumulator(str(run.tensorboard), {'scalars': 0, 'images': 1})  # 0 keeps all of them
        events.Reload()
    curves = {}
    for tag in CURVES:
        if tag not in events.Tags()['scalars']:
            raise BadInput(f'{run.tensorboard} has recorded no {tag}: name the folder of a run that was trained for '
                           'at least 10 iterations.')
        found = np.array([(event.step, event.value) for event in events.Scalars(tag)])
        shown = found[found[:, 0] <= (math.inf if until is None else until)]
        if not len(shown):
            raise BadInput(f'--until is {until}, but the first {tag} in {run.tensorboard} is of iteration '
                           f'{found[0, 0]:.0f}: give at least that.')
        curves[tag] = shown[:, 0].astype(int), shown[:, 1]
    return curves


def draw(curves):
    """Draw what `read_curves` returns: Image, RGB, WIDTH × HEIGHT."""
    averages = {tag: average(losses) for tag, (_, losses) in curves.items()}
    heights = ticks(max(each.max() for each in averages.values()), most=6)
    axes = Axes(max(iterations[-1] for iterations, _ in curves.values()), heights[-1])
    image = Image.new('RGB', (DRAWN * WIDTH, DRAWN * HEIGHT), 'white')
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(DRAWN * TEXT)

    def line(places, colour, width):
        pen.line([tuple(place) for place in DRAWN * places], colour, round(DRAWN * width), joint='curve')

    def write(place, text, anchor, colour=INK):
        pen.text(tuple(DRAWN * np.asarray(place)), text, colour, font, anchor)

    # Grid, numbers, and what they are
    for height in heights:
        places = axes.place([0, axes.last], [height, height])
        line(places, GRID if height else INK, 1)
        write(places[0] - [8, 0], f'{height:g}', 'rm')
    for iteration in ticks(axes.last, most=8, least=1):
        if iteration <= axes.last:
            places = axes.place([iteration, iteration], [0, axes.top])
            line(places, GRID if iteration else INK, 1)
            write(places[0] + [0, 7], f'{iteration:,.0f}', 'mt')
    write([8, 6], 'loss', 'lt')
    write([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6], 'iteration', 'mb')

    # Curves, and their names at their ends
    for tag, (iterations, losses) in curves.items():
        line(axes.place(iterations, losses), mixed_with_white(CURVES[tag][1]), 1)
    ends = {}
    for tag, (iterations, _) in curves.items():
        places = axes.place(iterations, averages[tag])
        line(places, CURVES[tag][1], 2)
        ends[tag] = places[-1, 1]
    upper, lower = sorted(ends, key=ends.get)
    missing = max(LINE_APART - (ends[lower] - ends[upper]), 0) / 2  # the names do not overlap where the curves meet
    for tag, y in ((upper, ends[upper] - missing), (lower, ends[lower] + missing)):
        name, colour = CURVES[tag]
        write([WIDTH - RIGHT + 10, y], name, 'lm', colour)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def average(losses):
    """The mean of some values around each: float [n] → float [n]; near the ends of those that there are."""
    window = np.ones(max(round(AVERAGED * len(losses)), 1))
    return np.convolve(losses, window, 'same') / np.convolve(np.ones(len(losses)), window, 'same')


def ticks(highest, most, least=0.0):
    """Round numbers from 0 to the first that is not below `highest`, in at most so many steps of at least so much."""
    highest = max(highest, 1e-9)
    power = 10.0**math.floor(math.log10(highest / most))
    step = max(next(power * factor for factor in (1, 2, 5, 10) if highest <= power * factor * most), least)
    return step * np.arange(math.ceil(highest / step) + 1)


def mixed_with_white(colour):
    """A pale colour: (red, green, blue)."""
    return tuple(round(255 - PALE * (255 - level)) for level in ImageColor.getrgb(colour))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
