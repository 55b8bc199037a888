"""How much two workers gain on this machine, what their collectives cost, and what a network would make of eight.

    python -m benchmarks.scaling                         batches of 12 and 64 pictures of 64×64
    python -m benchmarks.scaling --precision bfloat16    where the processor helps with it

Each worker has a core of its own and trains on random pictures, as in a run without screen and disk. Measured in turn:
one process on one core, one on two cores, two workers; then the collectives alone. What a network does is on paper.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time

from benchmarks.shared import REPO, machine
from gans_n_roses.command_line import read_settings
from gans_n_roses.machine.quiet import loading_tensorflow
from gans_n_roses.settings import IMAGE_SIZES
from gans_n_roses.tools.launch import free_ports
from gans_n_roses.workers.cluster import Cluster

WARM_UP = 3
WORKERS_ON_PAPER = 8
NETWORKS = {'10 GbE': (1.25e9, 50e-6), '100 GbE': (12.5e9, 20e-6), 'NVLink': (300e9, 5e-6)}  # bytes/s, s a message


def main():
    """Measure what there is, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batches', type=int, nargs='+', default=[12, 64],
                        help='pictures of each worker (%(default)s)')
    parser.add_argument('--size', type=int, default=64, choices=IMAGE_SIZES, help='height and width (%(default)s)')
    parser.add_argument('--precision', choices=('float32', 'bfloat16'), default='float32', help='(%(default)s)')
    parser.add_argument('--steps', type=int, default=15, help='timed, after 3 to warm up (%(default)s)')
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, 'sched_getaffinity') else []
    if len(cores) < 2:
        sys.exit('This needs two cores, and a system that lets a process choose its own: Linux.')
    print(machine())
    print(f'load average {os.getloadavg()[0]:.1f} at the start: above 0.5, other work runs; repeat it')
    print(f'\n{arguments.size}×{arguments.size}, {arguments.precision}, pictures a second\n\n{"batch":>6}'
          f'{"1 core":>10}{"2 cores":>10}{"2 workers":>12}{"of 1 core":>11}{"of 2 cores":>12}')
    alone, flat = {}, {}
    for batch in arguments.batches:
        how = (batch, arguments.size, arguments.precision, arguments.steps)
        alone[batch], flat = together([cores[:1]], how)
        all_cores, _ = together([cores], how)
        both, flat = together([cores[:1], cores[1:]], how)
        speeds = [batch / alone[batch], batch / all_cores, 2 * batch / both]
        print(f'{batch:>6}{speeds[0]:>10.1f}{speeds[1]:>10.1f}{speeds[2]:>12.1f}{speeds[2] / speeds[0]:>11.2f}'
              f'{speeds[2] / speeds[1]:>12.2f}', flush=True)
    print('\nThe collectives alone, two workers, gRPC within this machine:')
    for name, (size, seconds) in flat.items():
        print(f'  {name:<28}{size:>12,} bytes {1000 * seconds:>9.2f} ms')
    on_paper(alone, sum(flat[name][0] for name in ('D gradients', 'G gradients')))


def on_paper(alone, size):
    """Print what a network would leave of eight times the speed of one worker, by the time of a ring's messages."""
    n, columns = WORKERS_ON_PAPER, {**{f'batch {batch}': step for batch, step in alone.items()}, 'step 10 ms': 0.01}
    print(f'\nOn paper, {n} workers, none of it hidden behind computing: efficiency = step / (step + ring), with\n'
          f'ring = 2 (n - 1) / n × bytes / bandwidth + 3 × 2 (n - 1) × latency, {size:,} bytes an iteration\n\n'
          f'{"":<10}{"ring ms":>9}' + ''.join(f'{name:>12}' for name in columns))
    for name, (bandwidth, latency) in NETWORKS.items():
        ring = 2 * (n - 1) / n * size / bandwidth + 3 * 2 * (n - 1) * latency
        print(f'{name:<10}{1000 * ring:>9.1f}' + ''.join(f'{step / (step + ring):>12.0%}' for step in columns.values()))
    print('The steps are those of one core here, and one of 10 ms, as a GPU might make it.')


def together(cores, how):
    """Train one worker on each list of cores; returns (seconds an iteration, collective → (bytes, seconds))."""
    context = multiprocessing.get_context('spawn')
    addresses = tuple(f'127.0.0.1:{port}' for port in free_ports(len(cores)))
    pipes = []
    for index, those in enumerate(cores):
        ours, its = context.Pipe()
        context.Process(target=work, args=(its, Cluster(addresses, index), those, how), daemon=True).start()
        its.close()
        pipes.append(ours)
    try:
        heard = [pipe.recv() for pipe in pipes]
        for pipe in pipes:
            pipe.send('end')  # a worker stays until the others have what it sent
        return heard[0]
    except EOFError:
        sys.exit('A worker ended early: its error stands above.')


def work(pipe, cluster, cores, how):
    """Be one worker: tell the median time of an iteration, then of the collectives alone."""
    os.sched_setaffinity(0, cores)
    batch, size, precision, count = how
    with loading_tensorflow():
        import numpy as np
        import tensorflow.compat.v1 as tf

        from gans_n_roses.networks.graph import build_graph
        from gans_n_roses.training.steps import Training, begin, steps
        from gans_n_roses.workers.collectives import sent_in
        from gans_n_roses.workers.team import join
    settings = read_settings(REPO / 'mission_control.py').changed({
        'SEED': 1, 'BATCH_SIZE': batch, 'IMAGE_SIZE': size, 'PRECISION': precision, 'N_ITERATIONS': WARM_UP + count})
    team = join(cluster)
    pictures = np.random.RandomState(0).randint(0, 256, [team.count * batch, size, size, 3], np.uint8)
    with tf.Graph().as_default(), team.open_session() as session:
        gan = build_graph(settings, team)
        team.prepare(list(gan.scalars))
        lengths = [sum(variable.shape.num_elements() for variable in tf.trainable_variables(network))
                   for network in ('d_', 'g_')]
        session.run(tf.global_variables_initializer())
        times, start = [], time.perf_counter()
        for _, scalars in steps(Training(session, gan, pictures, settings, team), begin(settings)):
            team.agree(session, scalars, 0)
            times.append(time.perf_counter() - start)
            start = time.perf_counter()
        flat = {}
        if not cluster.alone:
            sent, told = sent_in(tf.as_dtype(precision)), len(gan.scalars) + 1
            for name, length, dtype, key in (('D gradients', lengths[0], sent, 'd_gradients'),
                                             ('G gradients', lengths[1], sent, 'g_gradients'),
                                             ('losses and the wish to stop', told, tf.float32, 'scalars')):
                values = tf.Variable(tf.ones([length]), use_resource=False)
                session.run(values.initializer)
                op = team.mean([values], key, dtype)[0].op
                flat[name] = length * dtype.size, median_time(lambda op=op: session.run(op), count)
    pipe.send((statistics.median(times[WARM_UP:]), flat))
    pipe.recv()


def median_time(do, count):
    """Median seconds of what is done some times."""
    times = []
    for _ in range(WARM_UP + count):
        start = time.perf_counter()
        do()
        times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_UP:])


if __name__ == '__main__':
    main()
