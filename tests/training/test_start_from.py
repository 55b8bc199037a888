"""START_FROM: a run begins from the weights of another model, and is a run like any other from there on."""

import dataclasses
import json
import shlex
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from launching import assert_same_state, copy_run, only_run, read_checkpoint

from gans_n_roses.networks.transfer import fitting, weight_shapes
from gans_n_roses.plan import make_plan
from gans_n_roses.runs.shipped import write_shipped
from gans_n_roses.runs.weights import fingerprint, weights_in
from gans_n_roses.training.start_from import first_weights

AVERAGE = '/ExponentialMovingAverage'


@pytest.fixture(scope='module')
def source(launcher, tiny, tmp_path_factory):
    """A run of 10 iterations whose weights are averaged."""
    results = tmp_path_factory.mktemp('source')
    ended = launcher.run({**tiny, 'RESULTS_PATH': results, 'N_ITERATIONS': 10})
    assert ended.code == 0, ended.text
    return only_run(results)


def begin(launcher, tiny, results, iterations, start_from, **how):
    ended = launcher.run({**tiny, 'RESULTS_PATH': results, 'N_ITERATIONS': iterations, 'START_FROM': start_from}, **how)
    assert ended.code == 0, ended.text
    return only_run(results), ended.text


def started_from(run):
    return json.loads(run.options.read_text())['started_from']


def test_weights_and_average_go_over_and_all_else_begins_anew(launcher, tiny, source, make_settings, tmp_path):
    run, text = begin(launcher, tiny, tmp_path, 1, source.path)
    assert f'\nStarts from  the weights of {source.saved_models / "train-10"}\n' in text
    assert run.path.name.endswith('_started')
    # The same seed gives the same z: its first grid is the source's last one, made from the averages.
    assert (run.generated_images / '0000000.png').read_bytes() == (
        source.generated_images / '0000010.png').read_bytes()

    before, after = read_checkpoint(source, 10), read_checkpoint(run, 1)
    assert (after['global_step'], after['averaged_before']) == (1, 10)
    for power in ('beta2_power', 'beta2_power_1'):
        assert before[power] == pytest.approx(0.999**11) and after[power] == pytest.approx(0.999**2)
    for name in weights_in(before):
        if not name.endswith(AVERAGE):
            assert np.abs(after[name] - before[name]).max() <= 0.0003, name  # the first of Adam's steps: 0.0002
    # t is 11: the average is not thrown away, as it would be at t = 1, when 0.82 of it are the weights of now.
    decay = 12 / 21
    for name in ('g_h0_lin/Matrix', 'g_h1/w', 'g_bn2/gamma'):
        np.testing.assert_allclose(after[name + AVERAGE], decay * before[name + AVERAGE] + (1 - decay) * after[name],
                                   atol=1e-6)

    options = json.loads(run.options.read_text())
    assert options['settings']['START_FROM'] == str(source.path)
    assert started_from(run) == {'weights': str(source.saved_models / 'train-10'), 'anew': [],
                                 'fingerprint': fingerprint(weights_in(before))}
    chained = first_weights(make_plan(make_settings(start_from=str(run.path), image_size=16, z_dim=4)))
    assert chained.values['averaged_before'] == 11  # a run that began from this one counts both


def test_whether_pictures_are_filtered_is_for_the_new_run_to_say(launcher, tiny, source, tmp_path):
    """SMOOTH beside START_FROM: on where the model has none, and off where it has."""
    smooth, text = begin(launcher, {**tiny, 'SMOOTH': True}, tmp_path / 'smooth', 2, source.path)
    assert smooth.path.name.endswith('_smooth_started') and 'begin anew' not in text and 'SMOOTH' not in text
    assert json.loads(smooth.options.read_text())['format'] == 2
    taps = read_checkpoint(smooth, 2)['g_smooth/taps']
    assert taps.tolist() == [-0.0625, 0.25, 0.625, 0.25, -0.0625]
    plain, text = begin(launcher, tiny, tmp_path / 'plain', 2, smooth.path)
    assert 'g_smooth/taps' not in read_checkpoint(plain, 2) and 'begin anew' not in text
    assert text.count('it was trained with SMOOTH=True, this run is not') == 1
    assert (smooth.generated_images / '0000002.png').read_bytes() != (
        plain.generated_images / '0000000.png').read_bytes()

    ended = launcher.run({'RESUME': True, 'RUN': smooth.path, 'SMOOTH': False, 'N_ITERATIONS': 3})
    assert ended.code == 0, ended.text
    assert 'SMOOTH: the run has True, ' in ended.text
    assert (read_checkpoint(smooth, 3)['g_smooth/taps'] == taps).all()


def test_run_in_two_parts_is_the_whole_run_and_needs_its_source_no_longer(launcher, tiny, source, tmp_path):
    copy = copy_run(source, tmp_path / 'source')
    whole, _ = begin(launcher, {**tiny, 'SMOOTH': True}, tmp_path / 'whole', 16, copy.path)
    half, _ = begin(launcher, {**tiny, 'SMOOTH': True}, tmp_path / 'half', 8, copy.path)
    begun = started_from(half)
    shutil.rmtree(copy.path)
    ended = launcher.run({'RESUME': True, 'RUN': half.path, 'N_ITERATIONS': 16})
    assert ended.code == 0, ended.text
    assert 'from iteration 8' in ended.text and 'Starts from' not in ended.text and 'START_FROM' not in ended.text
    assert_same_state(half, whole, 16)
    assert started_from(half) == begun


def test_latest_means_the_same_run_in_a_printed_command(launcher, tiny, source, tmp_path):
    copy = copy_run(source, tmp_path)
    settings = {**tiny, 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': 1, 'START_FROM': 'latest', 'MIRROR': False}
    ended = launcher.run(settings)
    assert ended.code == 0, ended.text
    command, = (line.partition('main.py ')[2] for line in ended.text.splitlines() if 'What helps: ' in line)
    assert f'START_FROM={copy.path}' in shlex.split(command)
    ended = launcher.run(shlex.split(command))  # the latest run is another one now
    assert ended.code == 0, ended.text
    assert f'the weights of {copy.saved_models / "train-10"}\n' in ended.text


def test_the_best_checkpoint_is_taken_when_asked_for(make_settings, source, tmp_path):
    copy = copy_run(source, tmp_path)
    for path in copy.saved_models.glob('best-*'):
        path.unlink()
    for suffix in ('.index', '.data-00000-of-00001'):
        shutil.copy(copy.saved_models / f'train-1{suffix}', copy.saved_models / f'best-3{suffix}')
    settings = make_settings(start_from=str(copy.path), image_size=16, z_dim=4)
    for checkpoint, name in (('latest', 'train-10'), ('best', 'best-3')):
        weights = first_weights(make_plan(dataclasses.replace(settings, checkpoint=checkpoint)))
        assert weights.source == str(copy.saved_models / name)


def test_the_shipped_model_is_a_source(launcher, tiny, source, tmp_path):
    model = write_shipped(tmp_path / 'roses.npz', read_checkpoint(source, 10), 16, 4)
    run, text = begin(launcher, tiny, tmp_path / 'new', 1, 'shipped', shipped=str(model.path))
    assert f'\nStarts from  the weights of {model.path}\n' in text
    assert started_from(run) == {'weights': str(model.path), 'fingerprint': model.fingerprint, 'anew': []}
    assert json.loads(run.options.read_text())['settings']['START_FROM'] == 'shipped'
    after = read_checkpoint(run, 1)
    assert after['averaged_before'] == 10
    for name in ('g_h1/w', 'd_h1_conv/w', 'g_h0_lin/Matrix' + AVERAGE):
        assert np.abs(after[name] - model.values[name.removesuffix(AVERAGE)]).max() <= 0.0003


# Another size


def test_another_size_is_told_in_one_line_and_begins_its_average_anew(launcher, tiny, source, tmp_path):
    run, text = begin(launcher, {**tiny, 'IMAGE_SIZE': 32, 'Z_DIM': 6}, tmp_path, 1, source.path)
    line, = (line for line in text.splitlines() if line.startswith('Starts from'))
    anew = ['g_h0_lin', 'g_bn1', 'g_h1', 'd_h2_conv', 'd_bn2', 'd_h2_lin']
    assert line.endswith(f'train-10, but for {", ".join(anew)}, which begin anew')
    assert started_from(run)['anew'] == anew
    before, after = read_checkpoint(source, 10), read_checkpoint(run, 1)
    assert after['averaged_before'] == 0
    for here, there in (('g_h2/w', 'g_h1/w'), ('g_bn2/gamma', 'g_bn1/gamma'), ('g_h3/b', 'g_h2/b'),
                        ('d_h1_conv/w', 'd_h1_conv/w')):
        assert np.abs(after[here] - before[there]).max() <= 0.0003


def model_of(image_size, z_dim, averaged=False):
    shapes = weight_shapes(image_size, z_dim)
    values = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    values |= {name + AVERAGE: np.zeros(shape, np.float32) for name, shape in shapes.items()
               if averaged and name.startswith('g_')}
    return shapes, values


def layers(names):
    return {name.partition('/')[0] for name in names}


@pytest.mark.parametrize(('source_size', 'size', 'anew'), [
    (64, 64, set()), (64, 32, {'g_h0_lin', 'd_h2_lin'}),
    (64, 128, {'g_h0_lin', 'g_bn1', 'g_h1', 'd_h4_conv', 'd_bn4', 'd_h4_lin'}),
    (256, 64, {'g_h0_lin', 'd_h3_lin'}),
    (16, 64, {'g_h0_lin', 'g_bn1', 'g_h1', 'g_bn2', 'g_h2', 'd_h2_conv', 'd_bn2', 'd_h3_conv', 'd_bn3', 'd_h3_lin'})])
def test_what_fits_at_another_size_is_counted_from_the_picture(source_size, size, anew):
    shapes, _ = model_of(size, 3)
    _, values = model_of(source_size, 3)
    taken = fitting(values, shapes)
    assert layers(shapes.keys() - taken.keys()) == anew
    assert {name: taken[name].shape for name in taken} == {
        name: shapes[name.removesuffix(AVERAGE)] for name in taken}
    last, last_there = (f'g_h{(edge // 4).bit_length() - 1}/w' for edge in (size, source_size))
    assert taken[last] is values[last_there] and taken['d_h0_conv/w'] is values['d_h0_conv/w']


def test_another_z_leaves_only_the_first_matrix_anew():
    shapes, _ = model_of(32, 5)
    assert shapes.keys() - fitting(model_of(32, 3)[1], shapes).keys() == {'g_h0_lin/Matrix'}


def test_averages_begin_at_those_of_the_source_or_at_its_weights():
    shapes, values = model_of(16, 3, averaged=True)
    assert fitting(values, shapes)['g_h1/w' + AVERAGE] is values['g_h1/w' + AVERAGE]
    shapes, values = model_of(16, 3)
    assert fitting(values, shapes)['g_h1/w' + AVERAGE] is values['g_h1/w']
    assert 'd_h1_conv/w' + AVERAGE not in fitting(values, shapes)


# No source


def save_foreign(folder):
    folder.mkdir()
    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.get_variable('w', [2], initializer=tf.zeros_initializer())
        session.run(tf.global_variables_initializer())
        tf.train.Saver([weights]).save(session, str(folder / 'train'), global_step=7)
    return folder


def torn(source, folder):
    copy = copy_run(source, folder)
    for path in copy.saved_models.glob('*.data*'):
        path.write_bytes(path.read_bytes()[:100])
    return copy.path


def spoilt(path):
    path.write_bytes(b'none')
    return path


def test_what_is_no_source_is_refused_in_one_sentence_and_leaves_no_run(launcher, tiny, source, tmp_path):
    for start_from, model, said in (
            (save_foreign(tmp_path / 'foreign'), 'none.npz', 'holds no two networks that these could begin from'),
            (torn(source, tmp_path / 'torn'), 'none.npz', 'has no whole checkpoint: set START_FROM to another run'),
            (tmp_path / 'nowhere', 'none.npz', 'START_FROM is '),
            ('shipped', 'none.npz', "START_FROM is 'shipped', but this copy of the project has no shipped model"),
            ('shipped', spoilt(tmp_path / 'spoilt.npz'), 'spoilt.npz is no whole model')):
        ended = launcher.run({**tiny, 'RESULTS_PATH': tmp_path / 'Results', 'START_FROM': start_from,
                              'N_ITERATIONS': 1}, shipped=str(tmp_path / model))
        assert ended.code == 2, ended.text
        assert 'Traceback' not in ended.text
        assert said in ended.text.strip().splitlines()[-1]
        assert not (tmp_path / 'Results').exists()
