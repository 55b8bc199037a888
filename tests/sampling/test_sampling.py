"""LOAD: one z is one rose; checkpoints of the article's own code; the export."""

import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from gans_n_roses.errors import BadInput
from gans_n_roses.networks.models import discriminator, generator
from gans_n_roses.networks.noise import z_of_seed
from gans_n_roses.networks.ops import SMOOTHING
from gans_n_roses.networks.transfer import weight_shapes
from gans_n_roses.runs import shipped
from gans_n_roses.runs.checkpoints import read_newest, restore
from gans_n_roses.runs.folders import RunFolder
from gans_n_roses.runs.shipped import write_shipped
from gans_n_roses.sampling.roses import sample
from gans_n_roses.sampling.saved_generator import open_generator
from gans_n_roses.ship import main
from gans_n_roses.training.loop import train


@pytest.fixture(scope='module')
def trained(tmp_path_factory, make_settings):
    """(Settings for LOAD, the run's folder) of a tiny model with averaged weights."""
    folder = tmp_path_factory.mktemp('sampling')
    rng = np.random.RandomState(0)
    (folder / 'pictures').mkdir()
    for k in range(6):
        Image.fromarray(rng.randint(0, 256, [16, 16, 3], np.uint8)).save(folder / 'pictures' / f'{k}.png')
    settings = make_settings(dataset_path=str(folder / 'pictures'), results_path=str(folder / 'Results'), seed=1,
                             image_size=16, z_dim=4, batch_size=4, n_iterations=30, ema_decay=0.9)
    run = train(settings)
    # Another size, z and batch than the run's: what makes the model must come from the run.
    return make_settings(load=True, results_path=settings.results_path, seed=5, z_dim=77, batch_size=3), run


def roses(settings, **changes):
    """The pictures of one LOAD as files, seed → bytes."""
    [folder] = sample(dataclasses.replace(settings, sample_as='images', **changes))
    return {int(path.stem.removeprefix('seed_')): path.read_bytes() for path in folder.iterdir()}


def test_a_seed_gives_the_same_file_among_1_12_or_500(trained):
    settings, _ = trained
    many, some, one = (roses(settings, n_samples=count) for count in (500, 12, 1))
    assert sorted(many) == list(range(5, 505))
    assert some == {seed: many[seed] for seed in range(5, 17)}
    assert one == {5: many[5]}
    assert roses(settings, n_samples=1, seed=400) == {400: many[400]}


def test_beyond_the_largest_seed_they_begin_again_at_0(trained):
    settings, _ = trained
    found = roses(settings, n_samples=2, seed=2**32 - 1)
    assert sorted(found) == [0, 2**32 - 1]
    assert roses(settings, n_samples=1, seed=0) == {0: found[0]}


def test_batch_mates_change_a_rose_by_rounding_only(trained):
    _, run = trained
    zs = np.stack([z_of_seed(seed, 4) for seed in range(500)])
    values = read_newest(run.saved_models).values
    with open_generator(values, run.saved_models) as saved:
        together = saved.session.run(saved.images, {saved.z: zs})
        for count in (1, 12):
            alone = saved.session.run(saved.images, {saved.z: zs[:count]})
            np.testing.assert_allclose(alone, together[:count], atol=1e-5)


def test_population_statistics_are_those_of_many_z(trained):
    """Frozen statistics and the batch statistics of 3,000 other z give nearly the same pictures."""
    _, run = trained
    values = read_newest(run.saved_models).values
    zs = np.random.RandomState(9).uniform(-1, 1, [3000, 4]).astype(np.float32)
    with open_generator(values, run.saved_models) as saved:
        frozen = saved.session.run(saved.images, {saved.z: zs})
        by_batch = saved.session.run(generator(saved.z, 16, reuse=True), {saved.z: zs})
    assert np.abs(frozen - by_batch).mean() < 0.02 * frozen.std()


def test_averaged_weights_are_used_where_there_are_any(trained):
    _, run = trained
    values = read_newest(run.saved_models).values
    plain = {name: value for name, value in values.items() if 'ExponentialMovingAverage' not in name}
    z = z_of_seed(0, 4)[np.newaxis]
    with open_generator(values, run.saved_models) as saved:
        averaged = saved.session.run(saved.images, {saved.z: z})
        matrix = saved.session.run('g_h0_lin/Matrix/Read/ReadVariableOp:0')
    with open_generator(plain, run.saved_models) as saved:
        latest = saved.session.run(saved.images, {saved.z: z})
    np.testing.assert_array_equal(matrix, values['g_h0_lin/Matrix/ExponentialMovingAverage'])
    assert np.abs(averaged - latest).max() > 1e-3


def test_a_checkpoint_says_that_its_pictures_are_filtered(trained):
    _, run = trained
    values = read_newest(run.saved_models).values
    z = np.stack([z_of_seed(seed, 4) for seed in range(20)])
    pictures = []
    for taps in ({}, {'g_smooth/taps': np.float32([0, 0, 1, 0, 0])}, {'g_smooth/taps': np.float32([0, 0, 0.5, 0, 0])}):
        with open_generator({**values, **taps}, run.saved_models) as saved:
            pictures.append(np.arctanh(np.float64(saved.session.run(saved.images, {saved.z: z}))))
    plain, kept, halved_twice = pictures
    np.testing.assert_allclose(kept, plain, atol=1e-4)
    np.testing.assert_allclose(halved_twice, plain / 4, atol=1e-4)


def test_smooth_filters_a_model_that_was_trained_without_it_and_no_other_once_more(trained):
    _, run = trained
    values, z = read_newest(run.saved_models).values, z_of_seed(0, 4)[np.newaxis]
    own = {'g_smooth/taps': np.float32(SMOOTHING)}
    pictures = []
    for model, smooth, added in ((values, True, True), ({**values, **own}, False, False),
                                 ({**values, **own}, True, False), (values, False, False)):
        with open_generator(model, run.saved_models, smooth) as saved:
            assert saved.filter_added == added
            pictures.append(saved.session.run(saved.images, {saved.z: z}))
    assert 'g_smooth/taps' not in values
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert np.abs(pictures[0] - pictures[3]).max() > 1e-3


def test_filtered_roses_say_so(trained, capsys):
    settings, _ = trained
    plain, smooth = (sample(dataclasses.replace(settings, smooth=smooth))[0] for smooth in (False, True))
    assert capsys.readouterr().out.count('SMOOTH filters these roses') == 1
    assert 'SMOOTH' not in Image.open(plain).text and Image.open(smooth).text['SMOOTH'] == 'True'
    assert (np.asarray(Image.open(plain)) != np.asarray(Image.open(smooth))).any()


def test_pictures_carry_what_makes_them_again(trained):
    settings, run = trained
    grid, folder, sheet = sample(dataclasses.replace(settings, n_samples=3, sample_as='grid,images,measures'))
    model = {'Software': "GANs N' Roses", 'RUN': run.path.name, 'Checkpoint': 'train-30', 'Z_DIM': '4',
             'IMAGE_SIZE': '16'}
    assert Image.open(grid).text == {**model, 'SEED': '5', 'N_SAMPLES': '3', 'SAMPLE_AS': 'grid'}
    assert Image.open(sheet).text == {**model, 'SEED': '5', 'N_SAMPLES': '3', 'SAMPLE_AS': 'measures'}
    for seed in (5, 6, 7):
        text = Image.open(folder / f'seed_{seed:010d}.png').text
        assert text == {**model, 'SEED': str(seed), 'N_SAMPLES': '1', 'SAMPLE_AS': 'images'}
    again = sample(dataclasses.replace(
        settings, run=text['RUN'], seed=int(text['SEED']), n_samples=int(text['N_SAMPLES']),
        sample_as=text['SAMPLE_AS']))[0] / 'seed_0000000007.png'
    assert again.read_bytes() == (folder / again.name).read_bytes()


def test_grid_interpolation_and_export_in_one_go(trained):
    settings, run = trained
    grid, animation, export = sample(dataclasses.replace(
        settings, sample_as='grid,interpolation', n_samples=3, n_frames=9, export=True))
    assert Image.open(grid).size == (48, 16)
    assert Image.open(animation).n_frames == 9 and Image.open(animation).info['loop'] == 0
    assert export == run.path / 'Exported_Model' / 'train-30'


def test_export_runs_in_tensorflow_2_without_this_package(trained, tmp_path):
    settings, _ = trained
    _, export = sample(dataclasses.replace(settings, n_samples=2, export=True))
    zs = np.stack([z_of_seed(seed, 4) for seed in (5, 6)])
    np.save(tmp_path / 'z.npy', zs)
    program = (f'import numpy as np, tensorflow as tf\n'
               f'make_roses = tf.saved_model.load({str(export)!r}).signatures["serving_default"]\n'
               f'np.save("images.npy", make_roses(z=tf.constant(np.load("z.npy")))["images"].numpy())\n')
    subprocess.run([sys.executable, '-c', program], cwd=tmp_path, check=True, capture_output=True)
    images = np.load(tmp_path / 'images.npy')
    assert images.dtype == np.uint8 and images.shape == (2, 16, 16, 3)
    [folder] = sample(dataclasses.replace(settings, n_samples=2, sample_as='images'))
    files = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])
    assert np.abs(images.astype(int) - files).max() <= 1


@pytest.mark.parametrize(('changes', 'said'), [
    ({'n_samples': 10**6}, "SAMPLE_AS = 'images'"),
    ({'sample_as': 'interpolation', 'n_samples': 1}, 'at least 2 roses'),
    ({'sample_as': 'interpolation', 'n_samples': 30, 'n_frames': 20}, 'N_FRAMES'),
])
def test_a_number_of_roses_that_does_not_suit_is_refused(trained, changes, said):
    with pytest.raises(BadInput, match=said):
        sample(dataclasses.replace(trained[0], **changes))


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
    checkpoint = read_newest(RunFolder(folder).saved_models)
    with tf.Graph().as_default(), tf.Session() as session:
        images = generator(tf.constant(z))
        restore(session, {variable.op.name: variable for variable in tf.global_variables()},
                checkpoint.values, folder)
        np.testing.assert_allclose(session.run(images), expected, atol=2e-5)
    assert checkpoint.iteration == 1000


@pytest.mark.parametrize('inside', ['', 'Saved_Models'])
def test_run_takes_the_path_of_an_article_run_or_of_its_checkpoints(article_run, make_settings, inside):
    [grid] = sample(make_settings(load=True, run=str(article_run[0] / inside), n_samples=4))
    assert Image.open(grid).size == (128, 128)


def test_best_checkpoint_is_loaded_when_asked_for(trained, capsys):
    settings, run = trained
    values = read_newest(run.saved_models).values
    for kind in ('index', 'data-00000-of-00001'):  # the model's best is its last, under another name
        (run.saved_models / f'best-40.{kind}').write_bytes((run.saved_models / f'train-30.{kind}').read_bytes())
    assert read_newest(run.saved_models, 'best').values.keys() == values.keys()
    sample(dataclasses.replace(settings, checkpoint='best', n_samples=1))
    assert 'best-40' in capsys.readouterr().out
    for path in run.saved_models.glob('best-*'):
        path.unlink()
    with pytest.raises(BadInput, match="CHECKPOINT = 'latest'"):
        sample(dataclasses.replace(settings, checkpoint='best', n_samples=1))


def test_pictures_that_have_moved_are_measured_where_they_are_now(trained, tmp_path, capsys):
    settings, run = trained
    pictures = Path(json.loads(run.options.read_text())['settings']['DATASET_PATH'])
    moved = pictures.rename(tmp_path / 'moved')
    try:
        sample(dataclasses.replace(settings, sample_as='measures', n_samples=2, dataset_path=str(moved)))
        assert f'6 pictures in {moved}' in capsys.readouterr().out
    finally:
        moved.rename(pictures)


def test_measures_are_printed_and_the_nearest_pictures_shown(trained, capsys):
    settings, _ = trained
    [sheet] = sample(dataclasses.replace(settings, sample_as='measures', n_samples=4))
    shown = capsys.readouterr().out
    for name in ('Quality/Distance', 'real: ', 'Quality/Copies', 'Distance_By/Thumb', '6 pictures'):
        assert name in shown
    assert Image.open(sheet).size == (2 * 16, 2 * 32)


# The model that ships


@pytest.fixture
def ships(trained, tmp_path, monkeypatch):
    """(Settings that load the trained model as the shipped one, the folder where its roses go)."""
    settings, run = trained
    (tmp_path / 'package').mkdir()
    monkeypatch.setattr(shipped, 'FILE', tmp_path / 'package' / 'roses_16.npz')
    assert main([str(run.path), '--out', str(shipped.FILE)]) == 0
    return (dataclasses.replace(settings, run='shipped', results_path=str(tmp_path / 'Results'),
                                dataset_path=str(run.path.parents[2] / 'pictures')),
            tmp_path / 'Results' / 'shipped')


def test_the_shipped_model_makes_the_roses_of_its_run_on_a_fresh_clone(trained, ships):
    settings, folder = ships
    [made] = sample(dataclasses.replace(settings, sample_as='images', n_samples=3))
    assert made.parent == folder / 'Generated_Images'
    of_the_run = roses(trained[0], n_samples=3)
    for path in made.iterdir():
        expected = np.asarray(Image.open(io.BytesIO(of_the_run[int(path.stem.removeprefix('seed_'))]))).astype(int)
        assert np.abs(np.asarray(Image.open(path)) - expected).max() <= 2  # weights in float16
    assert Image.open(path).text['RUN'] == 'shipped' and Image.open(path).text['Checkpoint'] == 'roses_16.npz'


def test_the_shipped_model_makes_all_that_a_run_makes_and_its_own_folder_is_left_alone(ships, capsys):
    settings, folder = ships
    before = sorted(shipped.FILE.parent.iterdir())
    made = sample(dataclasses.replace(settings, sample_as='grid,interpolation,measures', n_samples=3, n_frames=4,
                                      export=True))
    assert [path.parent.name for path in made] == ['Generated_Images'] * 3 + ['Exported_Model']
    assert all(path.exists() and folder in path.parents for path in made) and made[-1].name == 'roses_16'
    assert 'Measured beside the 6 pictures in ' in capsys.readouterr().out
    assert sorted(shipped.FILE.parent.iterdir()) == before


def test_the_card_says_how_the_shipped_model_was_trained_and_is_kept(trained, ships):
    card = shipped.FILE.with_suffix('.md')
    text = card.read_text()
    for part in ('16 pixels, z of 4 numbers, after 30 iterations', 'Pictures: 6', 'MIT',
                 shipped.read_shipped().fingerprint):
        assert part in text
    card.write_text('by hand')
    assert main([str(trained[1].path), '--out', str(shipped.FILE)]) == 0
    assert card.read_text() == 'by hand'


def test_what_cannot_be_shipped_is_told_in_a_sentence(tmp_path, capsys):
    assert main([str(tmp_path / 'nosuch'), '--out', str(tmp_path / 'roses.npz')]) == 2
    assert f"RUN is '{tmp_path / 'nosuch'}', but there is no such folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_both_networks_of_64_pixels_fit_into_what_is_shipped(tmp_path):
    rng = np.random.RandomState(0)
    values = {name: rng.normal(0, 0.02, shape).astype(np.float32) for name, shape in weight_shapes(64, 100).items()}
    model = write_shipped(tmp_path / 'roses_64.npz', values, 64, 100)
    assert model.values.keys() - values.keys() == {'global_step'}
    assert 15e6 < model.path.stat().st_size < 20e6
