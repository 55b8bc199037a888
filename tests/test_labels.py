"""LABELS: one model learns the kinds that the folders of a data set are, and makes the kind that is asked for."""

import base64
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf2
import tensorflow.compat.v1 as tf
from browser import CHROMIUM, Browser
from conftest import REPO
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gans_n_roses.command_line import read_settings
from gans_n_roses.errors import BadInput
from gans_n_roses.networks.models import discriminator
from gans_n_roses.networks.noise import draw_z, fixed_batches, fixed_batches_of, kind_weight, walk, with_kind, z_of_seed
from gans_n_roses.networks.transfer import fitting, for_kinds, weight_shapes
from gans_n_roses.pictures.folder import read_folder
from gans_n_roses.pictures.grids import by_columns
from gans_n_roses.pictures.kinds import Kinds, choose, draw_evenly, file_names, in_proportion, kinds_in, titles
from gans_n_roses.plan import make_plan
from gans_n_roses.runs.checkpoints import read_newest
from gans_n_roses.runs.state import read_kinds
from gans_n_roses.runs.weights import AVERAGE, PROJECTION
from gans_n_roses.sampling.roses import sample
from gans_n_roses.tools import ship
from gans_n_roses.training.loop import train
from gans_n_roses.training.steps import grid_of

COUNTS = {'daisy': 3, 'oak': 22, 'rose': 1}
NAMES = tuple(COUNTS)


def make_folders(root, counts, seed=0):
    """A folder of pictures of 16 pixels for each kind."""
    rng = np.random.RandomState(seed)
    for kind, count in counts.items():
        (root / kind / 'more').mkdir(parents=True)
        for k in range(count):
            picture = Image.fromarray(rng.randint(0, 256, [16, 16, 3], np.uint8))
            picture.save(root / kind / ('more' if k % 2 else '.') / f'{k}.png')
    return root


@pytest.fixture(scope='module')
def make_run(tmp_path_factory, make_settings):
    """Function: Settings for a tiny run on three kinds, not yet trained."""
    def make(**more):
        folder = tmp_path_factory.mktemp('labels')
        pictures = make_folders(folder / 'pictures', COUNTS)
        (pictures / 'LICENSE.txt').write_text('no picture')
        return make_settings(**{
            'dataset_path': str(pictures), 'results_path': str(folder / 'Results'), 'seed': 1, 'image_size': 16,
            'z_dim': 4, 'batch_size': 6, 'n_samples': 5, 'labels': 'folders', 'ema_decay': 0.9, 'r1_gamma': 0.1,
            'n_iterations': 12, 'checkpoint_every': 6, **more})
    return make


@pytest.fixture(scope='module')
def trained(make_run):
    """(Settings, RunFolder) of a run on three kinds."""
    settings = make_run()
    return settings, train(make_plan(settings))


@pytest.fixture
def load(trained, make_settings):
    """Function: the Plan of LOAD for that run."""
    return lambda **changes: make_plan(make_settings(**{
        'load': True, 'results_path': trained[0].results_path, 'run': str(trained[1].path), 'seed': 5, **changes}))


# Folders → kinds


def test_the_first_folder_of_a_picture_is_its_kind(tmp_path):
    dataset = read_folder(make_folders(tmp_path, COUNTS), 16, labels='folders')
    assert (dataset.kinds.names, dataset.kinds.counts) == (NAMES, tuple(COUNTS.values()))
    assert dataset.kinds.of.tolist() == [0] * 3 + [1] * 22 + [2]
    plain = read_folder(tmp_path, 16)
    assert plain.kinds.names == ()
    np.testing.assert_array_equal(plain.images, dataset.images)


def test_folders_are_the_same_kind_however_unicode_is_composed():
    assert kinds_in(['Gänse/1.png', 'Gänse/2.png', 'a/b/c.png']).names == ('Gänse', 'a')


def test_pictures_beside_the_folders_are_refused_by_name_and_texts_are_not(tmp_path):
    make_folders(tmp_path, {'oak': 4})
    (tmp_path / 'readme.md').write_text('no picture')
    assert read_folder(tmp_path, 16, labels='folders').kinds.names == ('oak',)
    for k in range(4):
        shutil.copy(tmp_path / 'oak' / '0.png', tmp_path / f'beside_{k}.png')
    with pytest.raises(BadInput, match=r"beside_0\.png, beside_1\.png, beside_2\.png\. Put each .* LABELS = '' trains"):
        read_folder(tmp_path, 16, labels='folders')


def test_more_than_a_thousand_kinds_are_refused(tmp_path):
    picture = Image.new('L', (16, 16))
    for k in range(1001):
        (tmp_path / str(k)).mkdir()
        picture.save(tmp_path / str(k) / 'a.png')
    with pytest.raises(BadInput, match='holds 1,001 folders of pictures, and there may be 1,000 kinds'):
        read_folder(tmp_path, 16, labels='folders')
    (tmp_path / '1000' / 'a.png').write_text('no picture')
    assert len(read_folder(tmp_path, 16, labels='folders').kinds.names) == 1000


def test_folders_that_are_no_kinds_are_told(tmp_path):
    make_folders(tmp_path, {'oak': 4})
    (tmp_path / 'empty').mkdir()
    (tmp_path / '.hidden').mkdir()
    (tmp_path / 'zz_link').symlink_to(tmp_path / 'oak')
    told = [name for name, why in read_folder(tmp_path, 16, labels='folders').skipped if 'no kind' in why]
    assert sorted(told) == ['empty', 'zz_link']
    assert not any('no kind' in why for _, why in read_folder(tmp_path, 16).skipped)


def test_another_kind_or_name_is_another_data_set(tmp_path):
    before = read_folder(make_folders(tmp_path, COUNTS), 16, labels='folders').fingerprint
    assert read_folder(tmp_path, 16).fingerprint != before
    shutil.move(tmp_path / 'daisy' / '2.png', tmp_path / 'oak' / '.0.png')
    (tmp_path / 'oak' / '.0.png').rename(tmp_path / 'oak' / '!0.png')
    moved = read_folder(tmp_path, 16, labels='folders')
    assert moved.kinds.counts == (2, 23, 1) and moved.fingerprint != before
    (tmp_path / 'oak').rename(tmp_path / 'ohm')  # of several workers each has its own folder
    assert read_folder(tmp_path, 16, labels='folders').fingerprint != moved.fingerprint


def test_roses_come_in_the_proportion_of_the_pictures():
    kinds = in_proportion((60, 30, 10), 100)
    assert np.bincount(kinds).tolist() == [60, 30, 10]
    assert len(set(kinds[:20])) > 1  # mixed: batches look alike
    np.testing.assert_array_equal(kinds, in_proportion((60, 30, 10), 100))


@pytest.mark.parametrize('batch_size', [1, 5, 12])
def test_batches_have_the_kinds_evenly(batch_size):
    kinds = kinds_in([f'{kind}/{k}' for kind, count in COUNTS.items() for k in range(count)])
    rng, drawn = np.random.RandomState(0), []
    for _ in range(300):
        rows = draw_evenly(kinds, batch_size, rng)
        of = np.bincount(kinds.of[rows], minlength=3)
        assert of.sum() == batch_size and of.max() - of.min() <= 1
        drawn += rows.tolist()
    counts = np.bincount(drawn, minlength=26) / batch_size  # of each picture, in 300 batches
    np.testing.assert_allclose([counts[:3].sum(), counts[3:25].sum(), counts[25]], 100, atol=15)
    assert counts.min() > 0


@pytest.mark.parametrize(('label', 'chosen'), [
    ('', [0, 1, 2]), ('oak', [1]), ('rose,daisy', [2, 0]), (['oak', 7], [1, 3]), ('7', [3]), ('a, b', [4])])
def test_label_names_kinds(label, chosen):
    names = (*NAMES, '7', 'a, b')
    expected = chosen if label else [0, 1, 2, 3, 4]
    assert choose(label, Kinds(names, (1,) * 5), 'here') == expected


def test_a_label_that_is_no_kind_lists_them():
    with pytest.raises(BadInput, match=r"LABEL is 'oak,elm' here, but 'elm' is no kind .* of daisy, oak, rose\."):
        choose('oak,elm', Kinds(NAMES, (1, 1, 1)), 'here')
    with pytest.raises(BadInput, match=r"trained without LABELS and knows no kinds: set LABEL = ''\."):
        choose('oak', Kinds(), 'here')


def test_a_label_may_be_written_as_the_system_writes_the_folder():
    kinds = kinds_in(['Ga\u0308nse/1.png', 'no\xa0break/1.png'])
    assert kinds.names == ('Gänse', r'no\xa0break')
    assert choose(['Ga\u0308nse', 'no\xa0break'], kinds, 'here') == [0, 1]


def test_kinds_names_make_file_names_of_their_own():
    names = ('a b', 'a_b', 'a_b_2', 'Oak', 'oak', 'Gänse', '../up', '玫' * 84)
    made = file_names(names)
    assert made[:7] == ['a_b', 'a_b_2', 'a_b_2_2', 'Oak', 'oak_2', 'Gänse', '.._up']
    assert len({name.casefold() for name in made}) == len(names) and max(len(name.encode()) for name in made) <= 102


def test_titles_are_what_a_grid_can_write():
    assert titles(['daisy', 'Gänseblümchen', '玫瑰', 'Łąka', 'x' * 21]) == ['daisy', 'Ganseblumchen', '#3', '#4', '#5']


@pytest.mark.parametrize('kinds', [
    b'', b'[]', b'"ab"', b'[["a"], [1, 2]]', b'[["a", "a"], [1, 2]]', b'[["a"], [0]]', b'[["a"], [1.5]]',
    b'[[1], [1]]'])
def test_kinds_of_a_checkpoint_that_are_damaged_are_told(kinds):
    with pytest.raises(ValueError, match='names no kinds'):
        read_kinds({'run_state/kinds': np.array(kinds, object)})


# The networks


def test_the_logit_of_a_kind_is_the_plain_one_and_a_product(oracle):
    """The discriminator beside one without kinds, whose features are read off its own dense layer."""
    rng = np.random.RandomState(0)
    images = rng.uniform(-1, 1, [3, 16, 16, 3]).astype(np.float32)
    kinds = np.array([2, 0, 2])
    with tf.Graph().as_default() as graph, tf.Session() as session:
        plain = discriminator(tf.constant(images))
        features = graph.get_tensor_by_name('d_h1_lin/MatMul:0').op.inputs[0]
        logits = discriminator(tf.constant(images), reuse=tf.AUTO_REUSE, kind=tf.constant(np.eye(4, dtype='f')[kinds]))
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(*session.run([plain, logits]))  # at first a kind changes nothing
        matrix = next(variable for variable in tf.trainable_variables() if variable.op.name == PROJECTION)
        weights = rng.normal(size=matrix.shape).astype(np.float32)
        matrix.load(weights, session)
        before, after, h = session.run([plain, logits, features])
    expected = before[:, 0] + [row @ weights[:, kind] for row, kind in zip(h.astype(np.float64), kinds, strict=True)]
    np.testing.assert_allclose(after[:, 0], expected, rtol=1e-4, atol=1e-4)


def test_a_kind_stands_beside_z_one_hot_and_weighs_as_much():
    z = np.float32([[.1, .2, 0], [.3, .4, 0]])
    np.testing.assert_array_equal(with_kind(z, [2, 0], 3), np.float32([[.1, .2, 0, 0, 0, 1], [.3, .4, 0, 1, 0, 0]]))
    drawn = draw_z(np.random.RandomState(0), 20_000, 50)
    assert with_kind(drawn[:1], [0], 1)[0, -1]**2 == pytest.approx(drawn.var(0).sum(), rel=0.01)
    assert with_kind(z, [0, 0], 0) is z


def test_without_kinds_the_networks_have_no_more_weights_than_before():
    assert not any('label' in name for name in weight_shapes(64, 100))
    assert set(weight_shapes(64, 100, kinds=5)) - set(weight_shapes(64, 100)) == {PROJECTION}


def test_models_are_measured_on_the_same_z_with_and_without_kinds():
    plain, labelled = np.concatenate(fixed_batches(4)), np.concatenate(fixed_batches(4, (3, 1)))
    np.testing.assert_array_equal(labelled[:, :4], plain)
    assert np.sign(labelled[:, 4:]).sum(0).tolist() == [192, 64]
    batches, of = fixed_batches_of([1, 2], 4, 3)
    assert [batch.shape for batch in batches] == [(64, 7)] * 2
    for batch, kinds in zip(batches, np.split(of, 2), strict=True):
        np.testing.assert_array_equal(batch[:, 4:].argmax(1), kinds)
        assert np.bincount(kinds).tolist() == [0, 32, 32]


def test_a_walk_leads_from_kind_to_kind_at_the_same_z():
    z = z_of_seed(7, 6)
    points = walk(with_kind(np.stack([z, z]), [0, 1], 2), 8, kinds=2)
    np.testing.assert_allclose(points[:, :6], np.tile(z, [8, 1]), atol=1e-6)
    own = points[:, 6:] / kind_weight(6)
    np.testing.assert_allclose(own[:, 0], [1, .75, .5, .25, 0, .25, .5, .75], atol=1e-6)
    np.testing.assert_allclose(own[:, 1], 1 - own[:, 0], atol=1e-6)


@pytest.mark.parametrize(('count', 'shape'), [(3, (2, 3)), (5, (1, 5)), (100, (1, 16))])
def test_a_sample_grid_has_a_column_for_each_kind_and_a_row_for_each_z(count, shape):
    z = np.random.RandomState(0).uniform(-1, 1, [5, 4]).astype(np.float32)
    labelled, titles = grid_of(z, Kinds(tuple(map(str, range(count))), (1,) * count))
    rows = labelled.reshape(*shape, -1)
    np.testing.assert_array_equal(rows[..., :4], np.broadcast_to(z[:shape[0], np.newaxis], [*shape, 4]))
    assert [str(kind) for kind in rows[0, :, 4:].argmax(1)] == titles


def test_titles_stand_over_their_columns():
    pictures = np.full([4, 16, 16, 3], 90, np.uint8)
    picture = by_columns(pictures, ['i', 'Ganseblumchen'])
    assert picture.shape == (14 + 2 * 16, 2 * (6 * 13 + 2), 3)
    left, right = np.split(picture[:14] > 100, 2, axis=1)
    assert 0 < left.sum() < right.sum()
    assert (picture[14:] == 90).sum() == pictures.size


# Beginning from another model


def model(kinds=0, size=16, seed=0):
    rng = np.random.RandomState(seed)
    values = {name: (rng.normal(0, 0.05, shape) + ('gamma' in name)).astype(np.float32)
              for name, shape in weight_shapes(size, 6, kinds=kinds).items()}
    return values | {f'{name}{AVERAGE}': value + np.float32(0.01) for name, value in values.items() if name[0] == 'g'}


def test_every_kind_begins_as_the_model_that_knows_none():
    values = model()
    labelled = for_kinds(values, (), NAMES)
    assert {name: labelled[name].shape for name in weight_shapes(16, 6)} == {
        **weight_shapes(16, 6), 'g_h0_lin/Matrix': (9, values['g_h0_lin/Matrix'].shape[1])}
    for end in ('', AVERAGE):
        np.testing.assert_array_equal(labelled[f'g_h0_lin/Matrix{end}'][:6], values[f'g_h0_lin/Matrix{end}'])
        assert not labelled[f'g_h0_lin/Matrix{end}'][6:].any()
    assert not labelled[PROJECTION].any()
    assert fitting(labelled, weight_shapes(16, 6, kinds=3)).keys() == labelled.keys()


def test_kinds_are_taken_over_by_name():
    """A kind that is known has the same input to the batch norm, and the same logit; another one has the mean."""
    values, features = model(kinds=3), np.random.RandomState(1).normal(size=[2048])

    def of_kinds(values):
        kinds = values['g_h0_lin/Matrix'][6:] if PROJECTION in values else np.zeros([1, 1])
        projected = values[PROJECTION].T if PROJECTION in values else np.zeros([1, 1])
        return (kinds + values['g_h0_lin/bias'],
                features[:projected.shape[1]] @ (projected + values['d_h1_lin/Matrix'].T).T)
    g, d = of_kinds(values)
    g_other, d_other = of_kinds(for_kinds(values, NAMES, ('elm', 'rose', 'daisy')))
    np.testing.assert_allclose(g_other, [g.mean(0), g[2], g[0]], atol=1e-6)
    np.testing.assert_allclose(d_other, [d.mean(), d[2], d[0]], atol=1e-4)
    plain = for_kinds(values, NAMES, ())
    assert plain.keys() == model().keys()
    np.testing.assert_allclose(plain['g_h0_lin/bias'], g.mean(0), atol=1e-6)
    np.testing.assert_allclose(features @ plain['d_h1_lin/Matrix'], [d.mean()], atol=1e-4)
    assert for_kinds(values, NAMES, NAMES) is values


# A run


def test_a_run_keeps_its_kinds(trained):
    run = trained[1]
    options = json.loads(run.options.read_text())
    assert options['data']['kinds'] == COUNTS and options['format'] == 4
    assert 'labels' in run.path.name.split('_')
    for name in ('train-6', 'train-12'):
        kinds = read_newest(run.saved_models, name).kinds
        assert (kinds.names, kinds.counts) == (NAMES, tuple(COUNTS.values()))


def test_its_grids_have_a_column_for_each_kind(trained):
    grid = Image.open(trained[1].generated_images / '0000012.png')
    assert grid.size == (3 * (6 * 5 + 2), 14 + 2 * 16)  # as wide as "daisy"


def test_tensorboard_shows_the_distance_of_each_kind_that_has_pictures_enough(trained):
    for folder in (trained[1].tensorboard, trained[1].tensorboard / 'real_pictures'):
        tags = EventAccumulator(str(folder)).Reload().Tags()['scalars']
        assert [tag for tag in tags if 'Kind' in tag] == ['Distance_By/Kind_oak']


def test_the_start_names_the_kinds(make_run, capsys):
    train(make_plan(make_run(n_iterations=1)))
    assert 'Kinds        3: daisy 3, oak 22, rose 1\n' in capsys.readouterr().out


def resumed(settings, n_iterations):
    """The Settings of a command line that goes on with a run."""
    return read_settings(REPO / 'mission_control.py', [
        'RESUME=True', f'RESULTS_PATH={settings.results_path}', f'N_ITERATIONS={n_iterations}'])


def test_a_resumed_run_is_the_undisturbed_one(make_run, trained):
    settings = make_run(n_iterations=6)
    run = train(make_plan(settings))
    train(make_plan(resumed(settings, 12)))
    part, whole = (read_newest(each.saved_models).values for each in (run, trained[1]))
    assert part.keys() == whole.keys()
    for name in whole:
        np.testing.assert_array_equal(part[name], whole[name], err_msg=name)


def test_a_resumed_run_whose_folders_were_renamed_says_so(make_run):
    settings = make_run(n_iterations=2)
    run = train(make_plan(settings))
    before = {path: path.read_bytes() for path in run.saved_models.iterdir()}
    folder = Path(settings.dataset_path)
    (folder / 'oak').rename(folder / 'elm')
    with pytest.raises(BadInput, match=r'kinds daisy 3, oak 22, rose 1, but .* without pictures of oak and with elm'):
        train(make_plan(resumed(settings, 4)))
    assert {path: path.read_bytes() for path in run.saved_models.iterdir()} == before


def test_a_run_of_other_kinds_begins_from_it(make_run, trained, capsys):
    settings = make_run(n_iterations=1, start_from=str(trained[1].path))
    folder = Path(settings.dataset_path)
    (folder / 'oak').rename(folder / 'elm')
    run = train(make_plan(settings))
    assert 'begin anew' not in capsys.readouterr().out
    assert read_newest(run.saved_models).kinds.names == ('daisy', 'elm', 'rose')


def test_one_kind_alone_is_learnt_too(make_run):
    settings = make_run(n_iterations=1)
    for other in ('daisy', 'rose'):
        shutil.rmtree(Path(settings.dataset_path) / other)
    assert read_newest(train(make_plan(settings)).saved_models).kinds.names == ('oak',)


# LOAD


def read(folder):
    """The pictures of a folder: name → (pixels, text fields)."""
    found = {path.stem: Image.open(path) for path in folder.iterdir()}
    return {name: (np.asarray(image).astype(int), image.text) for name, image in found.items()}


def test_kinds_come_in_turn_and_files_say_which(load):
    [folder] = sample(load(sample_as='images', n_samples=4))
    made = read(folder)
    assert sorted(made) == ['seed_0000000005_daisy', 'seed_0000000006_oak', 'seed_0000000007_rose',
                            'seed_0000000008_daisy']
    pixels, text = made['seed_0000000006_oak']
    assert (text['LABEL'], text['SEED'], text['N_SAMPLES']) == ('oak', '6', '1')
    [again] = sample(load(sample_as='images', n_samples=1, seed=6, label='oak'))
    np.testing.assert_array_equal(read(again)['seed_0000000006_oak'][0], pixels)


def test_the_same_seed_is_another_picture_of_another_kind(load):
    [folder] = sample(load(sample_as='images', seed=[5, 5], label='daisy,rose'))
    daisy, rose = (pixels for pixels, _ in read(folder).values())
    assert np.abs(daisy - rose).max() > 0


def test_grids_interpolations_and_measures_know_kinds(load, capsys):
    grid, walked, _ = sample(load(sample_as='grid,interpolation,measures', n_samples=3, n_frames=6))
    assert Image.open(grid).text['LABEL'] == "['daisy', 'oak', 'rose']"
    assert Image.open(grid).size[0] == 3 * (6 * len('5 daisy') + 2)
    assert Image.open(walked).n_frames == 6
    told = capsys.readouterr().out
    assert 'Distance_By/Kind_oak' in told
    assert 'Not measured alone, since there are too few pictures of them, or too many kinds: daisy, rose\n' in told


def test_more_kinds_than_roses_are_refused_where_they_are_named(load):
    with pytest.raises(BadInput, match=r'names 2 kinds in mission_control\.py, but the number of roses is 1'):
        sample(load(label='oak,rose', n_samples=1))
    [folder] = sample(load(sample_as='images', n_samples=2))
    assert {text['LABEL'] for _, text in read(folder).values()} == {'daisy', 'oak'}


def test_a_label_that_is_no_kind_makes_nothing(load, trained):
    before = sorted(trained[1].path.rglob('*'))
    with pytest.raises(BadInput, match='one or several of daisy, oak, rose'):
        sample(load(label='elm'))
    assert sorted(trained[1].path.rglob('*')) == before


def test_label_is_for_load_alone():
    with pytest.raises(BadInput, match=r'LABEL is .oak. on the command line, but does nothing without LOAD=True'):
        make_plan(read_settings(REPO / 'mission_control.py', ['LABEL=oak']))


def test_the_savedmodel_takes_labels(load):
    [folder, images] = sample(load(sample_as='savedmodel,images', n_samples=3))
    # TensorFlow 2, as a user of the export would.
    z = np.stack([z_of_seed(seed, 4) for seed in (5, 6, 7)])

    def load_and_run(names):
        make_roses = tf2.saved_model.load(str(folder)).signatures['serving_default']
        return make_roses(z=tf2.constant(z), label=tf2.constant(names))['images'].numpy()
    with ThreadPoolExecutor(1) as another_thread:  # where no graph of TensorFlow 1 is the default one
        made = another_thread.submit(load_and_run, NAMES).result()
        with pytest.raises(tf2.errors.InvalidArgumentError, match='A label is none of'):
            another_thread.submit(load_and_run, ('daisy', 'elm', 'rose')).result()
    expected = np.stack([pixels for pixels, _ in dict(sorted(read(images).items())).values()])
    assert np.abs(made.astype(int) - expected).max() <= 1


def test_a_picture_is_looked_for_in_all_kinds_or_in_one(load, trained, monkeypatch):
    from gans_n_roses.sampling import projection
    monkeypatch.setattr(projection, 'ROUNDS', ((4, 2), (1, 3)))
    [folder] = sample(load(sample_as='images', n_samples=1, label='rose'))
    [picture] = folder.iterdir()
    [found] = sample(load(project=str(picture)))
    assert Image.open(found / 'picture_00001.png').text['LABEL'] in NAMES
    assert np.load(found / 'picture_00001.npy').shape == (4,)
    [found] = sample(load(project=str(picture), label='oak'))
    assert Image.open(found / 'picture_00001.png').text['LABEL'] == 'oak'


@pytest.mark.skipif(CHROMIUM is None, reason='there is no Chromium here')
def test_the_page_makes_every_kind(load, tmp_path):
    page, folder = sample(load(sample_as='page,images', n_samples=3, seed=[1, 1, 1]))
    expected = {name.rpartition('_')[2]: pixels for name, (pixels, _) in read(folder).items()}
    ready = 'document.getElementById("waiting").textContent === "" && document.querySelector("#wall canvas").width > 0'
    shown = 'document.querySelector(`#wall [data-seed="1"] canvas`).toDataURL()'
    with Browser(tmp_path) as browser:
        browser.open(f'{page.as_uri()}#seeds=1,2&kind=rose')
        browser.until(ready)
        assert browser.evaluate('document.getElementById("caption").textContent') == 'Seed 2, rose'
        for place, name in reversed(list(enumerate(NAMES))):
            browser.evaluate(f'(() => {{ const kind = document.getElementById("kind"); kind.value = {place};'
                             'kind.dispatchEvent(new Event("change")); })()')
            browser.until(ready)
            png = base64.b64decode(browser.evaluate(shown).partition(',')[2])
            found = np.asarray(Image.open(io.BytesIO(png)).convert('RGB')).astype(int)
            assert np.abs(found - expected[name]).max() <= 2
            assert browser.evaluate('location.hash') == f'#seeds=1,2&kind={name}'
        assert browser.errors == []


def test_a_model_of_kinds_does_not_ship(trained, tmp_path, capsys):
    assert ship.main([str(trained[1].path), '--out', str(tmp_path / 'model.npz')]) == 2
    assert 'LABELS' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
