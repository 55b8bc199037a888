"""How long a folder of pictures takes to load, first and again, how much memory, and what one batch costs.

    python -m benchmarks.loading                         2,000 made-up JPEGs, 200×150
    python -m benchmarks.loading --count 20000           more of them
    python -m benchmarks.loading Dataset/flower_photos/roses

Each load is a process of its own. Memory is its peak above what it held before loading; Linux and macOS only. Takes
1.3 GB itself, and room on the disk for the made-up pictures and their cache, which are deleted.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.shared import peak_mb
from gans_n_roses.pictures import folder as pictures
from gans_n_roses.pictures.folder import next_batch, read_folder

ITERATION_MS = 85  # the fastest training step at the article's settings in docs/speed.md: batch 12, in bfloat16
LOADS = {'without cache': float('inf'), 'first, with cache': 0, 'second, with cache': 0}  # bytes that are cached from
WIDTH, HEIGHT = 200, 150


def main():
    """Measure loading, then the draw of a batch, and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', nargs='?', help='a folder of pictures; made-up ones without it')
    parser.add_argument('--count', type=int, default=2000, help='how many to make up (%(default)s)')
    parser.add_argument('--image-size', type=int, default=64, help='pixels (%(default)s)')
    parser.add_argument('--batch-size', type=int, default=12, help='pictures drawn for an iteration (%(default)s)')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        os.environ['XDG_CACHE_HOME'] = made  # in place of the user's own
        folder = arguments.folder or Path(made, 'pictures')
        if not arguments.folder:
            make_jpegs(folder, arguments.count)
        measure_loads(folder, arguments.image_size)
        pictures.CACHED_FROM = 0
        dataset = read_folder(folder, arguments.image_size)
        from gans_n_roses.training.introduction import summary  # here: the loading processes need no TensorFlow
        print(*summary(dataset), f'{dataset.images.nbytes / 1e6:.0f} MB at {arguments.image_size} pixels', sep='\n')
        measure_batches(dataset.images, arguments.batch_size)


def make_jpegs(folder, count):
    """Write smooth random pictures, which compress about as photographs do."""
    folder.mkdir()
    rng = np.random.RandomState(0)
    for number in range(count):
        coarse = Image.fromarray(rng.randint(0, 256, [12, 16, 3], np.uint8))
        coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(folder / f'{number:06d}.jpg', quality=90)


def measure_loads(folder, image_size):
    """Print seconds, pictures a second and memory for each of LOADS, and how the second start compares to the first."""
    seconds = {}
    for name, cached_from in LOADS.items():
        with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as process:  # a peak of memory never falls
            job = process.submit(measure_load, folder, image_size, cached_from)
            count, seconds[name], worked, grown = job.result()
        print(f'{name:<20}{seconds[name]:8.3f} s ({worked:.3f} s of processor time), '
              f'{count / seconds[name]:,.0f} pictures a second, {grown:.0f} MB')
    without, first, second = seconds.values()
    print(f'{"ratio":<20}{second / without:8.3f} of the time without cache; making it takes {first / without:.2f}\n')


def measure_load(folder, image_size, cached_from):
    """Load a folder; returns (pictures, seconds, those of the processors, MB)."""
    pictures.CACHED_FROM = cached_from
    before, start, worked = peak_mb(), time.perf_counter(), time.process_time()
    dataset = read_folder(folder, image_size)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    return len(dataset.images), seconds, worked, peak_mb() - before


def measure_batches(cached, batch_size):
    """Print the median cost of next_batch from few pictures and from many, drawn in turn."""
    many = np.zeros([100_000, *cached.shape[1:]], np.uint8)
    many += np.arange(100_000, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]  # so that memory holds it
    pools = {'100': many[:100], '100,000': many, f'{len(cached):,} in the cache': cached,
             '1,000,000 (one of them in memory)': np.broadcast_to(many[0], [10**6, *many.shape[1:]])}
    times, rng = {name: [] for name in pools}, np.random.RandomState(0)
    for _ in range(200):
        for name, pool in pools.items():
            start = time.perf_counter()
            next_batch(pool, batch_size, rng)
            times[name].append(1000 * (time.perf_counter() - start))
    for name, spent in times.items():
        ms = statistics.median(spent)
        print(f'next_batch   {ms:.2f} ms of {name}: {ms / ITERATION_MS:.2%} of a {ITERATION_MS} ms iteration')


if __name__ == '__main__':
    main()
