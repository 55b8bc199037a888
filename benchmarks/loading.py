"""How long a folder of pictures takes to load, how much memory, and what one batch costs.

    python -m benchmarks.loading                         2,000 made-up JPEGs, 200×150
    python -m benchmarks.loading --count 20000           more of them
    python -m benchmarks.loading Dataset/flower_photos/roses

Memory is the process's peak above what it held before loading; Linux and macOS only. Takes 1.3 GB itself.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.shared import peak_mb
from gans_n_roses.pictures.folder import next_batch, read_folder
from gans_n_roses.training.introduction import summary

ITERATION_MS = 150  # one training step at the article's settings on two CPU cores
WIDTH, HEIGHT = 200, 150


def main():
    """Measure loading, then the draw of a batch, and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', nargs='?', help='a folder of pictures; made-up ones without it')
    parser.add_argument('--count', type=int, default=2000, help='how many to make up (%(default)s)')
    parser.add_argument('--image-size', type=int, default=64, help='pixels (%(default)s)')
    parser.add_argument('--batch-size', type=int, default=12, help='pictures drawn for an iteration (%(default)s)')
    arguments = parser.parse_args()
    if arguments.folder:
        measure_loading(arguments.folder, arguments.image_size)
    else:
        with tempfile.TemporaryDirectory() as folder:
            make_jpegs(Path(folder), arguments.count)
            measure_loading(folder, arguments.image_size)
    measure_batches(arguments.image_size, arguments.batch_size)


def make_jpegs(folder, count):
    """Write smooth random pictures, which compress about as photographs do."""
    rng = np.random.RandomState(0)
    for number in range(count):
        coarse = Image.fromarray(rng.randint(0, 256, [12, 16, 3], np.uint8))
        coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(folder / f'{number:06d}.jpg', quality=90)


def measure_loading(folder, image_size):
    """Print seconds, pictures a second and memory for one read of a folder."""
    before = peak_mb()
    start, worked = time.perf_counter(), time.process_time()
    dataset = read_folder(folder, image_size)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    print(*summary(dataset), sep='\n')
    print(f'loading      {seconds:.2f} s ({worked:.2f} s of processor time), '
          f'{len(dataset.images) / seconds:.0f} pictures a second')
    print(f'memory       {peak_mb() - before:.0f} MB above the start, of which {dataset.images.nbytes / 1e6:.0f} MB '
          f'are the pictures at {image_size} pixels')


def measure_batches(image_size, batch_size):
    """Print the median cost of next_batch from few pictures and from many, drawn in turn."""
    many = np.zeros([100_000, image_size, image_size, 3], np.uint8)
    many += np.arange(100_000, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]  # so that memory holds it
    pools, rng = {100: many[:100], 100_000: many}, np.random.RandomState(0)
    times = {count: [] for count in pools}
    for _ in range(200):
        for count, pool in pools.items():
            start = time.perf_counter()
            next_batch(pool, batch_size, rng)
            times[count].append(1000 * (time.perf_counter() - start))
    few_ms, many_ms = (statistics.median(times[count]) for count in pools)
    for count, ms in zip(pools, (few_ms, many_ms), strict=True):
        print(f'next_batch   {ms:.2f} ms of {count} pictures: {ms / ITERATION_MS:.1%} of a {ITERATION_MS} ms iteration')
    print(f'ratio        {many_ms / few_ms:.1f}; an iteration takes {(many_ms - few_ms) / ITERATION_MS:+.1%} time')


if __name__ == '__main__':
    main()
