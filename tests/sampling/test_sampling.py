"""LOAD: one z is one rose; checkpoints of the article's own code; the SavedModel."""

import dataclasses
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf2
import tensorflow.compat.v1 as tf
from conftest import REPO
from PIL import Image

from gans_n_roses.command_line import read_settings
from gans_n_roses.errors import BadInput, RunFailed
from gans_n_roses.networks.models import discriminator, generator
from gans_n_roses.networks.noise import z_of_seed
from gans_n_roses.plan import make_plan
from gans_n_roses.runs.checkpoints import read_newest, restore, statistics_of
from gans_n_roses.sampling import roses, saved_generator
from gans_n_roses.sampling.roses import sample
from gans_n_roses.sampling.saved_generator import open_generator
from gans_n_roses.training.loop import train


@pytest.fixture(scope='module')
def trained(tiny_run, make_settings):
    """Plan of LOAD for a tiny model with averaged weights."""
    settings = tiny_run(6, n_iterations=30, ema_decay=0.9)
    # Another size, z and batch than the run's: what makes the model must come from the run.
    return make_plan(make_settings(load=True, results_path=settings.results_path, seed=5, z_dim=77, batch_size=3))


@pytest.fixture(scope='module')
def values(trained):
    """What the model's checkpoint holds."""
    return read_newest(trained.run.saved_models).values


@pytest.fixture(scope='module')
def opened(trained, values):
    """The model as a SavedGenerator, opened once."""
    with open_generator(values, trained.run.saved_models / 'train-30') as saved:
        yield saved


def changed(plan, **changes):
    return plan._replace(settings=dataclasses.replace(plan.settings, **changes))


def images_of(saved, seeds):
    """float32 [n, size, size, 3] of these seeds, made together."""
    return saved.session.run(saved.images, {saved.z: np.stack([z_of_seed(seed, saved.z_dim) for seed in seeds])})


def files(opened, plan, **changes):
    """The pictures of SAMPLE_AS='images', seed → bytes."""
    folder = roses.make_images(opened, changed(plan, **changes))
    return {int(path.stem.removeprefix('seed_')): path.read_bytes() for path in folder.iterdir()}


def test_a_seed_gives_the_same_file_alone_or_among_many(trained, opened):
    many, some = (files(opened, trained, n_samples=count) for count in (100, 12))
    assert sorted(many) == list(range(5, 105))
    assert some == {seed: many[seed] for seed in range(5, 17)}
    [folder] = sample(changed(trained, sample_as='images', n_samples=1, seed=80))  # the model is opened anew
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {'seed_0000000080.png': many[80]}


def test_beyond_the_largest_seed_they_begin_again_at_0(trained, opened):
    found = files(opened, trained, n_samples=2, seed=2**32 - 1)
    assert sorted(found) == [0, 2**32 - 1]
    assert files(opened, trained, n_samples=1, seed=0) == {0: found[0]}


def test_batch_mates_change_a_rose_by_rounding_only(opened):
    together = images_of(opened, range(500))
    for count in (1, 12):
        np.testing.assert_allclose(images_of(opened, range(count)), together[:count], atol=1e-5)


def test_population_statistics_are_those_of_many_z(trained, values):
    """Frozen statistics and the batch statistics of 3,000 other z give nearly the same pictures."""
    zs = np.random.RandomState(9).uniform(-1, 1, [3000, 4]).astype(np.float32)
    with open_generator(values, trained.run.saved_models) as saved:
        frozen = saved.session.run(saved.images, {saved.z: zs})
        by_batch = saved.session.run(generator(saved.z, 16, reuse=True), {saved.z: zs})
    assert np.abs(frozen - by_batch).mean() < 0.02 * frozen.std()


# The statistics that are kept beside a checkpoint


def opened_anew(values, source, capsys):
    """(pictures of three seeds, whether the statistics were estimated) of a generator that is opened."""
    capsys.readouterr()
    with open_generator(values, source) as saved:
        return images_of(saved, range(3)), 'Estimates' in capsys.readouterr().out


@pytest.fixture
def kept(values, tmp_path, capsys, monkeypatch):
    """(path of a checkpoint beside which there are statistics, the pictures that they give)."""
    monkeypatch.setattr(saved_generator, 'MOMENT_BATCHES', 1)  # rough statistics, which take less time
    pictures, estimated = opened_anew(values, tmp_path / 'train-30', capsys)
    assert estimated
    return tmp_path / 'train-30', pictures


def test_statistics_are_estimated_once(values, kept, capsys):
    source, expected = kept
    for _ in range(2):
        pictures, estimated = opened_anew(values, source, capsys)
        assert not estimated
        np.testing.assert_array_equal(pictures, expected)


@pytest.mark.parametrize('spoil', [
    lambda path: path.write_bytes(path.read_bytes()[:-4]), lambda path: path.write_bytes(b''),
    lambda path: path.write_bytes(path.read_bytes()[:100] + b'\0\0\0\1' + path.read_bytes()[104:]),
    lambda path: (path.unlink(), os.mkfifo(path)), lambda path: (path.unlink(), path.symlink_to(path))],
    ids=['cut', 'empty', 'changed', 'pipe', 'loop'])
def test_statistics_that_are_damaged_are_estimated_again(values, kept, spoil, capsys):
    source, expected = kept
    spoil(statistics_of(source))
    for estimated in (True, False):
        pictures, said = opened_anew(values, source, capsys)
        assert said == estimated
        np.testing.assert_array_equal(pictures, expected)


def test_statistics_of_other_weights_are_estimated_again(values, kept, capsys):
    source, _ = kept
    plain = {name: value for name, value in values.items() if 'ExponentialMovingAverage' not in name}
    (source.parent / 'elsewhere').mkdir()
    expected, _ = opened_anew(plain, source.parent / 'elsewhere' / 'train-30', capsys)
    pictures, estimated = opened_anew(plain, source, capsys)
    assert estimated
    np.testing.assert_array_equal(pictures, expected)


def test_statistics_that_cannot_be_kept_are_estimated_each_time(values, kept, capsys):
    source, expected = kept
    statistics_of(source).unlink()
    statistics_of(source).mkdir()
    for _ in range(2):
        pictures, estimated = opened_anew(values, source, capsys)
        assert estimated
        np.testing.assert_array_equal(pictures, expected)
    assert os.listdir(source.parent) == [statistics_of(source).name]


def test_what_is_too_much_to_keep_is_computed_again_and_gives_the_same(values, kept, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(saved_generator, 'MOST_KEPT', 0)
    pictures, _ = opened_anew(values, tmp_path / 'train-31', capsys)
    np.testing.assert_allclose(pictures, kept[1], atol=1e-6)


def test_a_run_that_goes_on_deletes_them_with_their_checkpoint(trained, tmp_path):
    run = shutil.copytree(trained.run.path, tmp_path / trained.run.path.name)
    planned = [make_plan(read_settings(REPO / 'mission_control.py', [f'RUN={run}', *words])) for words in (
        ['LOAD=True', 'N_SAMPLES=1'], ['RESUME=True', 'N_ITERATIONS=31', 'CHECKPOINTS_KEPT=1'])]
    sample(planned[0])
    saved_models = planned[0].run.saved_models
    assert statistics_of(saved_models / 'train-30').is_file()
    train(planned[1])
    assert {path.name.partition('.')[0] for path in saved_models.glob('train-*')} == {'train-31'}


# Which weights, which pictures


def test_averaged_weights_are_used_where_there_are_any(trained, values, opened):
    plain = {name: value for name, value in values.items() if 'ExponentialMovingAverage' not in name}
    with open_generator(plain, trained.run.saved_models) as saved:
        latest = images_of(saved, [0])
    matrix = opened.session.run('g_h0_lin/Matrix/Read/ReadVariableOp:0')
    np.testing.assert_array_equal(matrix, values['g_h0_lin/Matrix/ExponentialMovingAverage'])
    assert np.abs(images_of(opened, [0]) - latest).max() > 1e-3


@pytest.mark.parametrize(('middle', 'factor'), [(1, 1), (0.5, 1 / 4)])
def test_a_checkpoint_says_that_its_pictures_are_filtered(trained, values, opened, middle, factor):
    taps = np.float32([0, 0, middle, 0, 0])
    with open_generator({**values, 'g_smooth/taps': taps}, trained.run.saved_models) as saved:
        filtered = images_of(saved, range(20))
    before_tanh = np.arctanh(np.float64(images_of(opened, range(20))))
    np.testing.assert_allclose(np.arctanh(np.float64(filtered)), before_tanh * factor, atol=1e-4)


def test_each_kind_is_made_once_and_pictures_carry_what_makes_them_again(trained, capsys):
    made = sample(changed(trained, n_samples=3, n_frames=9,
                          sample_as='grid,images,interpolation,frames,measures,savedmodel,grid'))
    grid, folder, animation, frames, sheet, exported = made
    shown = capsys.readouterr().out
    said = [f'Makes  {kind}\n' for kind in ('grid', 'images', 'interpolation', 'frames', 'measures', 'savedmodel')]
    for text in ('SEED   5\n', *said, *(f'Made   {path}\n' for path in made), 'Quality/Distance', 'real: ',
                 'Quality/Copies', 'Distance_By/Thumb', '6 pictures'):
        assert text in shown
    assert exported == trained.run.path / 'Exported_Model' / 'train-30'
    assert [Image.open(path).size for path in (grid, animation, sheet)] == [(48, 30), (16, 16), (48, 32)]
    assert Image.open(animation).n_frames == 9 and Image.open(animation).info['loop'] == 0
    model = {'Software': "GANs N' Roses", 'RUN': trained.run.path.name, 'Checkpoint': 'train-30', 'Z_DIM': '4',
             'IMAGE_SIZE': '16'}
    assert Image.open(grid).text == {**model, 'SEED': '5', 'N_SAMPLES': '3', 'SAMPLE_AS': 'grid'}
    assert Image.open(sheet).text == {**model, 'SEED': '5', 'N_SAMPLES': '3', 'SAMPLE_AS': 'measures'}
    film = [Image.open(frames / f'frame_{number:05d}.png') for number in range(9)]
    assert all(frame.text == {**model, 'SEED': '5', 'N_SAMPLES': '3', 'N_FRAMES': '9', 'SAMPLE_AS': 'frames'}
               for frame in film)
    roses_alone = [Image.open(path) for path in sorted(folder.iterdir())]
    for seed, rose in zip((5, 6, 7), roses_alone, strict=True):
        assert rose.text == {**model, 'SEED': str(seed), 'N_SAMPLES': '1', 'SAMPLE_AS': 'images'}
    np.testing.assert_array_equal(np.hstack(roses_alone), np.asarray(Image.open(grid))[:16])
    np.testing.assert_array_equal(np.hstack(roses_alone), np.hstack(film[::3]))  # the walk passes through the roses


def test_listed_seeds_are_made_in_their_order_by_every_kind(trained, make_settings, capsys):
    seeds = [40, 7, 4294967295]
    grid, folder, animation, frames, sheet, page = sample(make_plan(make_settings(
        load=True, results_path=trained.settings.results_path, seed=seeds, n_frames=6,
        sample_as='grid,images,interpolation,frames,measures,page')))
    assert 'SEED   [40, 7, 4294967295]\n' in capsys.readouterr().out
    names = [f'seed_{seed:010d}.png' for seed in seeds]
    assert sorted(names) == sorted(path.name for path in folder.iterdir())
    alone = [Image.open(folder / name) for name in names]
    assert [rose.text['SEED'] for rose in alone] == list(map(str, seeds))
    for path in (grid, sheet, frames / 'frame_00005.png'):
        assert (Image.open(path).text['SEED'], Image.open(path).text['N_SAMPLES']) == (str(seeds), '3')
    cells = np.asarray(Image.open(grid)).reshape(30, 3, 62, 3).swapaxes(0, 1)  # as wide as the longest seed
    shown = [np.asarray(rose) for rose in alone]
    np.testing.assert_array_equal(cells[:, :16, 23:39], shown)
    nearest_first = np.hsplit(np.asarray(Image.open(sheet))[:16], 3)
    assert {rose.tobytes() for rose in nearest_first} == {rose.tobytes() for rose in shown}
    for corner in range(3):
        np.testing.assert_array_equal(Image.open(frames / f'frame_{2 * corner:05d}.png'), shown[corner])
    assert Image.open(animation).n_frames == len(list(frames.iterdir())) == 6
    assert '"firstSeed": 40, "pinned": [40, 7, 4294967295]' in page.read_text()


def test_enlarged_roses_have_squares_for_pixels(trained):
    plain, large = (sample(changed(trained, n_samples=2, n_frames=2, enlarge=times,
                                   sample_as='grid,images,interpolation,measures')) for times in (1, 3))
    assert [Image.open(path).size for path in (large[0], large[2], large[3])] == [(96, 90), (48, 48), (32, 32)]
    once_each, thrice_each = (sorted(made[1].iterdir()) for made in (plain, large))
    for once, thrice in zip([plain[0], *once_each], [large[0], *thrice_each], strict=True):
        squares = np.asarray(Image.open(once)).repeat(3, 0).repeat(3, 1)
        np.testing.assert_array_equal(np.asarray(Image.open(thrice)), squares)


def test_more_roses_than_a_grid_holds_are_refused(trained, opened):
    with pytest.raises(BadInput, match="SAMPLE_AS = 'images'"):
        roses.make_grid(opened, changed(trained, n_samples=10**6))


# The SavedModel


@pytest.fixture
def target(tmp_path):
    """Where an export goes; its parent is not there yet."""
    return tmp_path / 'Exported_Model' / 'train-30'


def test_exported_model_makes_the_same_roses(opened, target):
    assert saved_generator.export(opened, target) == target
    zs = np.stack([z_of_seed(seed, 4) for seed in (5, 6)])

    def load_and_run():
        make_roses = tf2.saved_model.load(str(target)).signatures['serving_default']
        return make_roses(z=tf2.constant(zs))['images'].numpy()
    with ThreadPoolExecutor(1) as another_thread:  # where the graph of `opened` is not the default one
        images = another_thread.submit(load_and_run).result()
    assert images.dtype == np.uint8 and images.shape == (2, 16, 16, 3)
    expected = np.stack([saved_generator.make_rose(opened, z) for z in zs])
    assert np.abs(images.astype(int) - expected).max() <= 1


def test_an_export_that_was_killed_has_taken_no_name(opened, target):
    target.parent.mkdir()
    (target.parent / f'.{target.name}.claim').touch()
    (target.parent / f'.{target.name}.abc' / 'whole').mkdir(parents=True)
    assert saved_generator.export(opened, target) == target


def test_each_export_gets_a_name_of_its_own_and_leaves_nothing_else(opened, target):
    saved_generator.export(opened, target)
    (target / 'saved_model.pb').write_bytes(b'earlier')
    assert [saved_generator.export(opened, target).name for _ in range(2)] == ['train-30_2', 'train-30_3']
    assert (target / 'saved_model.pb').read_bytes() == b'earlier'
    assert sorted(os.listdir(target.parent)) == ['train-30', 'train-30_2', 'train-30_3']
    found = {str(path.relative_to(target)) for path in target.rglob('*') if path.is_file()}
    assert found == {'saved_model.pb', 'variables/variables.index', 'variables/variables.data-00000-of-00001'}


@pytest.mark.parametrize('earlier', [False, True])
def test_an_export_that_is_cut_short_leaves_nothing(opened, target, monkeypatch, earlier):
    if earlier:
        target.mkdir(parents=True)

    def fill_the_disk(*_):
        os.mkdir('whole')
        raise tf.errors.ResourceExhaustedError(None, None, 'whole/variables; No space left on device')
    monkeypatch.setattr(tf.saved_model, 'simple_save', fill_the_disk)
    with pytest.raises(OSError, match='No space left on device') as caught:
        saved_generator.export(opened, target)
    assert caught.value.filename == str(target)
    assert [path.name for path in target.parent.glob('*')] == ['train-30'] * earlier
    assert target.parent.exists() == earlier


def test_a_folder_that_cannot_be_written_is_told(trained):
    exports = trained.run.path / 'Exported_Model'
    shutil.rmtree(exports, ignore_errors=True)
    exports.write_bytes(b'in the way')
    try:
        with pytest.raises(RunFailed, match=r'Exported_Model.* cannot be written: .*The model is as it was'):
            sample(changed(trained, sample_as='savedmodel'))
    finally:
        exports.unlink()


# Checkpoints of the article's own code


def article_generator(z):
    """The article's generator as its code computes it: no bias after transposed convolutions, batch statistics."""
    def norm(x, name):
        with tf.variable_scope(name):
            mean, variance = tf.nn.moments(x, [0, 1, 2])
            channels = x.shape[-1]
            for extra in ('moving_mean', 'moving_variance'):
                tf.get_variable(extra, [channels], trainable=False)
            gamma, beta = (tf.get_variable(part, [channels]) for part in ('gamma', 'beta'))
            return (x - mean) / tf.sqrt(variance + 0.001) * gamma + beta

    with tf.variable_scope('g_h0_lin'):
        h = tf.matmul(z, tf.get_variable('Matrix', [100, 8192])) + tf.get_variable('bias', [8192])
    h = tf.nn.relu(norm(tf.reshape(h, [-1, 4, 4, 512]), 'g_bn1'))
    for layer, (size, channels) in enumerate([(8, 256), (16, 128), (32, 64), (64, 3)], start=1):
        with tf.variable_scope(f'g_h{layer}'):
            w = tf.get_variable('w', [5, 5, channels, h.shape[-1]])
            tf.get_variable('b', [channels], initializer=tf.zeros_initializer())
            h = tf.nn.conv2d_transpose(h, w, [12, size, size, channels], strides=2)
        h = tf.nn.relu(norm(h, f'g_bn{layer + 1}')) if layer < 4 else tf.nn.tanh(h)
    return h


@pytest.fixture(scope='module')
def article_run(tmp_path_factory):
    """(folder of a run as the article's code left it, z, the pictures that it made of z)."""
    folder = tmp_path_factory.mktemp('2017-05-01 10:00:00')
    (folder / 'Saved_Models').mkdir()
    z = np.random.RandomState(1).uniform(-1, 1, [12, 100]).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        images = article_generator(tf.constant(z))
        loss = tf.reduce_mean(discriminator(images))
        tf.train.AdamOptimizer().minimize(loss)  # for its slots, which such checkpoints hold
        session.run(tf.global_variables_initializer())
        tf.train.Saver(max_to_keep=5).save(session, str(folder / 'Saved_Models' / 'train'), global_step=1000)
        return folder, z, session.run(images)


def test_article_checkpoint_gives_the_article_pictures_with_batch_statistics(article_run):
    folder, z, expected = article_run
    checkpoint = read_newest(folder / 'Saved_Models')
    with tf.Graph().as_default(), tf.Session() as session:
        images = generator(tf.constant(z))
        restore(session, {variable.op.name: variable for variable in tf.global_variables()},
                checkpoint.values, folder)
        np.testing.assert_allclose(session.run(images), expected, atol=2e-5)
    assert checkpoint.iteration == 1000


def test_article_run_which_has_no_options_makes_roses(article_run, make_settings, monkeypatch):
    monkeypatch.setattr(saved_generator, 'MOMENT_BATCHES', 1)  # rough statistics, which take less time
    plan = make_plan(make_settings(load=True, run=str(article_run[0]), n_samples=4))
    assert plan.options is None
    [grid] = sample(plan)
    assert grid.parent == article_run[0] / 'Generated_Images'
    assert Image.open(grid).size == (128, 2 * (64 + 14))  # a line of text under each rose


# Which model, which pictures


def test_best_checkpoint_is_loaded_when_asked_for(trained, capsys):
    saved_models = trained.run.saved_models
    for kind in ('index', 'data-00000-of-00001'):  # the model's best is its last, under another name
        shutil.copy(saved_models / f'train-30.{kind}', saved_models / f'best-40.{kind}')
    sample(changed(trained, checkpoint='best', n_samples=1))
    assert 'best-40' in capsys.readouterr().out
    for path in saved_models.glob('best-*'):
        path.unlink()
    with pytest.raises(BadInput, match="CHECKPOINT = 'latest'"):
        sample(changed(trained, checkpoint='best', n_samples=1))


@pytest.mark.parametrize(('path', 'checkpoint'), [('Saved_Models/train-1', 'latest'), ('', 1)])
def test_a_checkpoint_that_is_named_is_the_one_that_makes_the_roses(trained, make_settings, capsys, path, checkpoint):
    run = str(trained.run.path / path)
    sample(make_plan(make_settings(load=True, run=run, checkpoint=checkpoint, n_samples=1)))
    assert f'Model  {trained.run.saved_models / "train-1"}\n' in capsys.readouterr().out


@pytest.mark.parametrize('known', ['gone', None, 5])
def test_pictures_that_are_gone_or_not_known_are_measured_where_they_are_now(trained, opened, known, capsys):
    now = trained.options['settings']['DATASET_PATH']
    plan = changed(trained, n_samples=2, dataset_path=now)
    roses.make_measures(opened, plan._replace(options={'settings': {'DATASET_PATH': known}}))
    assert f'6 pictures in {now}' in capsys.readouterr().out
