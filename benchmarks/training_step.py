"""How long one training step takes: the article's, ours and PyTorch's, in turn, on the processor alone.

    python -m benchmarks.training_step                   the article's settings: batch 12, 64×64
    python -m benchmarks.training_step --batch 64        a larger batch
    python -m benchmarks.training_step --memory          also each one's peak resident memory

Each variant waits in a process of its own until it is asked for one step; a round asks each once, in an order drawn
anew. A step right after another of its kind, as in training, was 1 to 4 % faster, in every variant. bfloat16 is left
out where PRECISION 'auto' would not take it: without the processor's help a step takes up to a minute.
"""

import argparse
import importlib.util
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from typing import NamedTuple

from benchmarks.shared import REPO, machine, peak_mb
from gans_n_roses.command_line import read_settings
from gans_n_roses.machine.quiet import loading_tensorflow, quietly, use_onednn
from gans_n_roses.settings import IMAGE_SIZES

WARM_UP = 3  # rounds that do not count
REST = 0.05  # seconds before a step, in which the threads of the one before fall asleep
Z_DIM = 100
NO_TORCH = 'PyTorch is not installed: pip install -r benchmarks/requirements.txt'
PRODUCT = 2048  # rows and columns of the matrices whose product gives the machine's peak


class Variant(NamedTuple):
    """One line of the table: `make(batch, size, precision)` gives f(images, z), which makes one iteration."""

    name: str
    make: Callable
    precision: str
    missing: str = ''  # why it cannot be measured here


def article(batch, size, _precision):
    """The article's step."""
    from benchmarks.article import make_step
    return make_step(batch, size, channels_at(size), Z_DIM)


def ours(batch, size, precision):
    """Our step with mission_control.py's settings, fetching what the training loop fetches."""
    use_onednn()  # as main.py does: the others take TensorFlow as it is
    import tensorflow.compat.v1 as tf

    from gans_n_roses.machine.session import open_session
    from gans_n_roses.networks.graph import build_graph
    tf.disable_eager_execution()
    gan = build_graph(read_settings(REPO / 'mission_control.py').changed({
        'SEED': 1, 'BATCH_SIZE': batch, 'IMAGE_SIZE': size, 'Z_DIM': Z_DIM, 'PRECISION': precision}))
    session = open_session()
    session.run(tf.global_variables_initializer())
    return lambda images, z: session.run([gan.train_step, gan.scalars], {gan.images: images, gan.z: z})


def pytorch(_batch, size, precision):
    """PyTorch's step."""
    from benchmarks.peer import make_step
    return make_step(channels_at(size), Z_DIM, precision == 'bfloat16')


def matrix_product(_batch, _size, precision):
    """The product of two square matrices, for the machine's peak."""
    from benchmarks.article import make_product
    return make_product(PRODUCT, precision)


def main():
    """Measure every variant that can be measured here, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batch', type=int, default=12, help='pictures in a batch (%(default)s)')
    parser.add_argument('--size', type=int, default=64, choices=IMAGE_SIZES, help='height and width (%(default)s)')
    parser.add_argument('--rounds', type=int, default=15, help='at least 2, after 3 to warm up (%(default)s)')
    parser.add_argument('--memory', action='store_true', help='also print peak resident memory')
    arguments = parser.parse_args()
    os.environ['CUDA_VISIBLE_DEVICES'] = '-1'  # before any framework loads
    print(machine(), flush=True)
    no_torch = '' if importlib.util.find_spec('torch') else NO_TORCH
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as process:  # TensorFlow stays out of this one
        no_bfloat16 = process.submit(why_no_bfloat16).result()
    variants, products = variants_here(no_torch, no_bfloat16)
    start = os.getloadavg()[0]
    times, memory = measure([variant for variant in (*variants, *products) if not variant.missing], arguments)
    end = os.getloadavg()[0]
    print(f'load average {start:.1f} at the start, {end:.1f} at the end, when up to {os.cpu_count()} are this benchmark'
          + ': other work ran, which slows PyTorch most; repeat it' * (max(start, end) > os.cpu_count()))
    print_table(variants, times, memory, arguments)


def why_no_bfloat16():
    """'' where PRECISION 'auto' takes bfloat16, else why not."""
    with loading_tensorflow():
        from gans_n_roses.machine.precision import WHY, choose_precision
        chosen = choose_precision()
    return '' if chosen == 'bfloat16' else f'left out: {WHY[chosen]}'


def variants_here(no_torch, no_bfloat16):
    """What there is to measure: (lines of the table, matrix products); each argument is '' or why it is missing."""
    return [Variant("the article's two runs", article, 'float32'),
            Variant('ours, float32', ours, 'float32'),
            Variant('ours, bfloat16', ours, 'bfloat16', no_bfloat16),
            Variant('PyTorch, float32', pytorch, 'float32', no_torch),
            Variant('PyTorch, bfloat16', pytorch, 'bfloat16', no_torch or no_bfloat16)
            ], [Variant('float32', matrix_product, 'float32'),
                Variant('bfloat16', matrix_product, 'bfloat16', no_bfloat16)]


def measure(variants, arguments):
    """Ask every variant for one step a round; returns (name → its milliseconds, name → its peak memory in MB)."""
    context = multiprocessing.get_context('spawn')  # a fork would take this process's state along
    pipes = {}
    for variant in variants:
        pipes[variant.name], its_end = context.Pipe()
        context.Process(target=work, args=(its_end, variant, arguments.batch, arguments.size), daemon=True).start()
        its_end.close()
        hear(pipes, variant.name)
    times, order, rng = {name: [] for name in pipes}, list(pipes), random.Random(0)
    for _ in range(WARM_UP + arguments.rounds):
        rng.shuffle(order)
        for name in order:
            time.sleep(REST)
            times[name].append(hear(pipes, name, 'go'))
    memory = {name: hear(pipes, name, 'end') for name in pipes}
    return {name: each[WARM_UP:] for name, each in times.items()}, memory


def hear(pipes, name, order=None):
    """A worker's answer, to an order if there is one; ends the benchmark if the worker has died."""
    try:
        if order:
            pipes[name].send(order)
        return pipes[name].recv()
    except (EOFError, OSError):
        sys.exit(f'"{name}" ended early: its error stands above; if none does, memory may have run out.')


def work(pipe, variant, batch, size):
    """Be one variant: answer each 'go' with the milliseconds of one step, and 'end' with the peak memory in MB."""
    with quietly():
        import numpy as np
        step, rng = variant.make(batch, size, variant.precision), np.random.RandomState(0)

        def milliseconds():
            images, z = (rng.uniform(-1, 1, [batch, *shape]).astype(np.float32) for shape in ([size, size, 3], [Z_DIM]))
            start = time.perf_counter()
            step(images, z)
            return 1000 * (time.perf_counter() - start)

        milliseconds()
    pipe.send('ready')
    while pipe.recv() == 'go':
        pipe.send(milliseconds())
    pipe.send(peak_mb())


def print_table(variants, times, memory, arguments):
    """Print medians, and what they are of the article's step, of PyTorch's best and of the machine's peak."""
    gflop = step_flops(arguments.batch, arguments.size) / 1e9
    peaks = {name: 2 * PRODUCT**3 / 1e6 / min(times[name]) for name in ('float32', 'bfloat16') if name in times}
    best = min((variant.name for variant in variants if variant.make is pytorch and not variant.missing),
               key=lambda name: statistics.median(times[name]), default=None)
    print(f'batch {arguments.batch}, {arguments.size}×{arguments.size}, {arguments.rounds} rounds: '
          f'{gflop:.1f} GFLOP an iteration; the best matrix product reached '
          f'{" and ".join(f"{peak:.0f} GFLOP/s in {name}" for name, peak in peaks.items())}\n\n'
          f'{"":<24}{"median ms":>10}{"middle half":>14}{"of article":>12}{"of PyTorch":>12}{"of peak":>9}'
          f'{"peak MB" if arguments.memory else "":>9}')
    for name, _, precision, missing in variants:
        if missing:
            print(f'{name:<24}  {missing}')
            continue
        low, median, high = statistics.quantiles(times[name], n=4, method='inclusive')
        # Ratios within each round: a machine that slows down for a while slows both sides.
        ratios = [f'{statistics.median(map(float.__truediv__, times[name], times[other])):.2f}' if other else '–'
                  for other in (variants[0].name, best)]
        print(f'{name:<24}{median:>10.1f}{f"{low:.0f}–{high:.0f}":>14}{ratios[0]:>12}{ratios[1]:>12}'
              f'{1000 * gflop / median / peaks[precision]:>9.0%}{f"{memory[name]:.0f}" if arguments.memory else "":>9}')


def step_flops(batch, size):
    """Floating-point operations of one iteration in convolutions and dense layers, batch norm and Adam left out.

    Forward, a convolution takes 2 · 25 · input channels · output channels · output positions; a transposed one the
    same with its input's positions; a dense layer 2 · inputs · outputs. The gradient to the weights takes as much
    again, and that to the input too. Counted: G(z) once, forward and backward but not to z; D on real and fake,
    forward and backward but not to the pictures; the updated D on the fakes, forward and backward to the fakes but
    not to its weights. The article's second G(z) is no work that the result needs, and is not counted.
    """
    widths = [3, *channels_at(size)]
    convolutions = [2 * 25 * inputs * outputs * (size >> layer)**2  # G's transposed ones cost the same
                    for layer, (inputs, outputs) in enumerate(pairwise(widths), start=1)]
    d_forward, g_dense = sum(convolutions) + 2 * 16 * widths[-1], 2 * Z_DIM * 16 * widths[-1]
    d_step = 2 * (3 * d_forward - convolutions[0])
    return batch * (d_step + 2 * d_forward + 3 * sum(convolutions) + 2 * g_dense)


def channels_at(size):
    """Output channels of D's convolutions, as in models.py, which would load TensorFlow into this process."""
    return [min(64 * 2**layer, 512) for layer in range(size.bit_length() - 3)]


if __name__ == '__main__':
    main()
