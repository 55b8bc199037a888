"""PROJECT: a rose of the model is found again, files are what they should be, and what is no picture is refused."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from gans_n_roses.errors import BadInput
from gans_n_roses.networks.noise import from_normal, to_normal, z_of_seed
from gans_n_roses.plan import make_plan
from gans_n_roses.runs.checkpoints import read_newest
from gans_n_roses.sampling import projection
from gans_n_roses.sampling.roses import sample
from gans_n_roses.sampling.saved_generator import make_rose, open_generator


@pytest.fixture(scope='module')
def planned(tiny_run, make_settings):
    """Function: Plan of LOAD for a tiny model, with some settings."""
    settings = tiny_run(4, n_iterations=20, fit='stretch')
    return lambda **more: make_plan(make_settings(load=True, results_path=settings.results_path, seed=5, **more))


@pytest.fixture(scope='module')
def roses(planned, tmp_path_factory):
    """(folder with three roses of the model among files that are no pictures, the roses)."""
    folder = tmp_path_factory.mktemp('roses')
    [made] = sample(planned(sample_as='images', n_samples=3))
    (folder / 'sub').mkdir()
    pictures = [np.asarray(Image.open(path)) for path in sorted(made.iterdir())]
    for name, picture in zip(('a.png', 'b"é.bmp', 'sub/a.png'), pictures, strict=True):
        Image.fromarray(picture).save(folder / name)
    (folder / 'cut.png').write_bytes((folder / 'a.png').read_bytes()[:100])
    (folder / 'notes.txt').write_text('no picture')
    return folder, pictures


def halves(path):
    """The picture and the rose that lie side by side in a file."""
    return np.split(np.asarray(Image.open(path)).astype(int), 2, axis=1)


def test_roses_of_the_model_are_found_again(planned, roses, capsys):
    folder, pictures = roses
    plan = planned(project=str(folder), sample_as='interpolation', n_frames=6)
    [made] = sample(plan)
    names = [f'picture_0000{k}' for k in (1, 2, 3)]
    assert sorted(os.listdir(made)) == sorted(
        [*(name + suffix for name in names for suffix in ('.png', '.npy')), 'sheet.png', 'walk.gif'])
    said = capsys.readouterr().out
    assert 'Makes  projection\n  cut.png is left out: ' in said
    assert f'Made   {made}\n' in said and 'notes.txt' not in said
    sheet = np.asarray(Image.open(made / 'sheet.png'))
    with open_generator(read_newest(plan.run.saved_models).values, plan.run.saved_models / 'train-20') as saved:
        for k, (name, picture) in enumerate(zip(names, pictures, strict=True)):
            z = np.load(made / f'{name}.npy')
            assert z.dtype == np.float32 and z.shape == (4,) and np.abs(z).max() <= 1
            shown, found = halves(made / f'{name}.png')
            np.testing.assert_array_equal(shown, picture)
            np.testing.assert_array_equal(found, make_rose(saved, z))
            np.testing.assert_array_equal(sheet[:, 16 * k:16 * k + 16], np.concatenate([shown, found]))
            assert np.abs(found - shown).mean() < 1
            np.testing.assert_allclose(z, z_of_seed(5 + k, 4), atol=0.05)
    walked = Image.open(made / 'walk.gif')
    assert walked.n_frames == 6 and walked.size == (16, 16)
    assert [Image.open(made / f'{name}.png').text['PROJECT'] for name in names] == ['a.png', 'b"é.bmp', 'sub/a.png']
    assert Image.open(made / 'picture_00001.png').text['Checkpoint'] == 'train-20'


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(projection, 'ROUNDS', ((2, 1), (1, 2)))


def test_one_picture_is_brought_to_the_models_form_and_the_same_search_finds_the_same(planned, quick, tmp_path):
    pixels = np.zeros([40, 20, 3], np.uint8)
    pixels[:20] = 255  # FIT of the run is 'stretch': half of it stays white
    Image.fromarray(pixels).save(tmp_path / 'one', 'PNG')  # no suffix: a picture is known by its content
    made = [sample(planned(project=str(tmp_path / 'one'), enlarge=3))[0] for _ in range(2)]
    assert [sorted(os.listdir(folder)) for folder in made] == [['picture_00001.npy', 'picture_00001.png']] * 2
    shown, _ = halves(made[0] / 'picture_00001.png')
    assert shown.shape == (48, 48, 3) and shown[:20].min() > 200 and shown[-20:].max() < 50
    first, second = (np.load(folder / 'picture_00001.npy') for folder in made)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize('put', [
    lambda path: path.mkdir(), lambda path: path.write_text('no picture'), lambda path: path.touch(), os.mkfifo,
    lambda path: path.with_suffix('.png').write_bytes(b'\x89PNG') and path.mkdir(),
    lambda path: path.symlink_to('/dev/zero')], ids=['empty folder', 'text', 'empty', 'pipe', 'beside', 'endless'])
def test_what_holds_no_picture_is_refused_and_leaves_nothing(planned, tmp_path, put):
    put(tmp_path / 'rose')
    plan = planned(project=str(tmp_path / 'rose'))
    before = sorted(os.listdir(plan.run.generated_images))
    with pytest.raises(BadInput, match="rose', but that is no picture that can be read, nor a folder of some: set it"):
        sample(plan)
    assert sorted(os.listdir(plan.run.generated_images)) == before


@pytest.mark.parametrize(('n_frames', 'some'), [(2, ''), (60, 'a.png')])
def test_a_walk_needs_two_pictures_and_a_frame_for_each(planned, roses, n_frames, some):
    plan = planned(project=str(roses[0] / some), sample_as='interpolation', n_frames=n_frames)
    with pytest.raises(BadInput, match=f'number of pictures is .*N_FRAMES = {n_frames}'):
        sample(plan)


def test_the_distance_is_the_mean_difference_over_four_sizes():
    rng = np.random.RandomState(0)
    images, target = rng.uniform(-1, 1, [3, 16, 16, 2]), rng.uniform(-1, 1, [1, 16, 16, 2])
    expected = np.zeros(3)
    for size in (16, 8, 4, 2):
        apart = (images - target).reshape(3, size, 16 // size, size, 16 // size, 2).mean((2, 4))
        expected += np.abs(apart).mean((1, 2, 3)) / 4
    with tf.Graph().as_default(), tf.Session() as session:
        found = session.run(projection._distances(tf.constant(images), tf.constant(target)))
    np.testing.assert_allclose(found, expected)


def test_normal_coordinates_go_there_and_back():
    z = np.float32([-1, -0.5, 0, 0.9, 1])
    x = to_normal(z)
    assert np.isfinite(x).all() and x[2] == 0 and abs(x[1] + 0.6744898) < 1e-6
    np.testing.assert_allclose(from_normal(x), z, atol=1e-6)
