"""START_FROM: a run begins from the weights of another model, and is a run like any other from there on."""

import json
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import REPO
from launching import assert_same_state, copy_run, only_run, read_checkpoint

from gans_n_roses.command_line import read_settings
from gans_n_roses.errors import BadInput
from gans_n_roses.networks.transfer import fitting, weight_shapes
from gans_n_roses.pictures.folder import Dataset
from gans_n_roses.plan import make_plan
from gans_n_roses.runs import shipped
from gans_n_roses.runs.weights import AVERAGE, fingerprint, weights_in
from gans_n_roses.training.introduction import introduce
from gans_n_roses.training.loop import train
from gans_n_roses.training.start_from import first_weights

SOURCE_LAST, HALF, LAST = 5, 3, 6


@pytest.fixture(scope='module')
def plain(tiny):
    """Settings of a tiny run without the remedies that take long to build."""
    return {**tiny, 'AUGMENT': '', 'R1_GAMMA': 0.0, 'N_ITERATIONS': LAST}


@pytest.fixture(scope='module')
def source(launcher, plain, tmp_path_factory):
    """A run whose weights are averaged."""
    results = tmp_path_factory.mktemp('source')
    ended = launcher.run({**plain, 'RESULTS_PATH': results, 'N_ITERATIONS': SOURCE_LAST})
    assert ended.code == 0, ended.text
    return only_run(results)


@pytest.fixture(scope='module')
def begun(launcher, plain, source, tmp_path_factory):
    """(run that began from the source, all that it wrote)."""
    results = tmp_path_factory.mktemp('begun')
    ended = launcher.run({**plain, 'RESULTS_PATH': results, 'START_FROM': source.path})
    assert ended.code == 0, ended.text
    return only_run(results), ended.text


def planned(settings, **more):
    words = [f'{name}={value}' for name, value in {**settings, **more}.items()]
    return make_plan(read_settings(REPO / 'mission_control.py', words))


def introduction(plan, capsys):
    """What is printed before a run with this plan trains."""
    run = SimpleNamespace(path=Path('runs', 'this_one'))
    training = SimpleNamespace(settings=plan.settings, run=run, session=SimpleNamespace(graph=tf.Graph()))
    dataset = Dataset(np.zeros([8, 16, 16, 3], np.uint8), [], 0, 0, 'these')
    introduce(training, dataset, 0, plan.recipe, first_weights(plan, None))
    return capsys.readouterr().out


def started_from(run):
    return json.loads(run.options.read_text())['started_from']


def test_weights_and_average_go_over_and_all_else_begins_anew(plain, source, begun, tmp_path):
    run, text = begun
    newest = source.saved_models / f'train-{SOURCE_LAST}'
    assert f'\nStarts from  the weights of {newest}\n' in text
    assert run.path.name.endswith('_started')
    # The same seed gives the same z: its first grid is the source's last one, made from the averages.
    assert (run.generated_images / '0000000.png').read_bytes() == (
        source.generated_images / f'{SOURCE_LAST:07d}.png').read_bytes()

    before, after = read_checkpoint(source, SOURCE_LAST), read_checkpoint(run, 1)
    assert (after['global_step'], after['averaged_before']) == (1, SOURCE_LAST)
    for power in ('beta2_power', 'beta2_power_1'):
        assert before[power] == pytest.approx(0.999**(SOURCE_LAST + 1)) and after[power] == pytest.approx(0.999**2)
    for name in weights_in(before):
        if not name.endswith(AVERAGE):
            assert np.abs(after[name] - before[name]).max() <= 0.0003, name  # the first of Adam's steps: 0.0002
    # t is one more: the average is not thrown away, as it would be at t = 1, when 0.82 of it are the weights of now.
    decay = (2 + SOURCE_LAST) / (11 + SOURCE_LAST)
    for name in ('g_h0_lin/Matrix', 'g_h1/w', 'g_bn2/gamma'):
        np.testing.assert_allclose(after[name + AVERAGE], decay * before[name + AVERAGE] + (1 - decay) * after[name],
                                   atol=1e-6)

    options = json.loads(run.options.read_text())
    assert options['settings']['START_FROM'] == str(source.path)
    assert started_from(run) == {'weights': str(newest), 'anew': [], 'fingerprint': fingerprint(weights_in(before))}
    chained = first_weights(planned(plain, START_FROM=run.path), None)
    assert chained.values['averaged_before'] == LAST + SOURCE_LAST  # a run that began from this one counts both


def test_run_in_two_parts_is_the_whole_run_and_needs_its_source_no_longer(launcher, plain, source, begun, tmp_path):
    copy = copy_run(source, tmp_path / 'source')
    ended = launcher.run({**plain, 'RESULTS_PATH': tmp_path / 'half', 'START_FROM': copy.path, 'N_ITERATIONS': HALF})
    assert ended.code == 0, ended.text
    half = only_run(tmp_path / 'half')
    before = started_from(half)
    shutil.rmtree(copy.path)
    ended = launcher.run({'RESUME': True, 'RUN': half.path, 'N_ITERATIONS': LAST})
    assert ended.code == 0, ended.text
    assert f'from iteration {HALF}' in ended.text
    assert 'Starts from' not in ended.text and 'START_FROM' not in ended.text
    assert_same_state(half, begun[0], LAST)
    assert started_from(half) == before


def test_latest_means_the_same_run_in_a_printed_command(plain, source, tmp_path, capsys):
    copy = copy_run(source, tmp_path)
    plan = planned(plain, RESULTS_PATH=tmp_path, START_FROM='latest', MIRROR=False)
    text = introduction(plan, capsys)
    assert f'the weights of {copy.saved_models / f"train-{SOURCE_LAST}"}\n' in text
    command, = (line.partition('main.py ')[2] for line in text.splitlines() if 'What helps: ' in line)
    assert f'START_FROM={copy.path}' in shlex.split(command)


def test_the_best_checkpoint_is_taken_when_asked_for(plain, source, tmp_path):
    copy = copy_run(source, tmp_path)
    for path in copy.saved_models.glob('best-*'):
        path.unlink()
    for suffix in ('.index', '.data-00000-of-00001'):
        shutil.copy(copy.saved_models / f'train-1{suffix}', copy.saved_models / f'best-3{suffix}')
    for checkpoint, name in (('latest', f'train-{SOURCE_LAST}'), ('best', 'best-3')):
        weights = first_weights(planned(plain, START_FROM=copy.path, CHECKPOINT=checkpoint), None)
        assert weights.source == str(copy.saved_models / name)


def test_the_shipped_model_is_a_source(plain, source, tmp_path, monkeypatch):
    model = shipped.write_shipped(tmp_path / 'roses.npz', read_checkpoint(source, SOURCE_LAST), 16, 4)
    monkeypatch.setattr(shipped, 'FILE', model.path)
    plan = planned(plain, START_FROM='shipped')
    weights = first_weights(plan, None)
    assert plan.settings.start_from == 'shipped'
    assert (weights.source, weights.fingerprint, weights.anew) == (str(model.path), model.fingerprint, [])
    assert weights.values['averaged_before'] == SOURCE_LAST
    for name in ('g_h1/w', 'd_h1_conv/w', 'g_h0_lin/Matrix', 'g_h0_lin/Matrix' + AVERAGE):
        np.testing.assert_array_equal(weights.values[name], model.values[name.removesuffix(AVERAGE)])


# Another size


def test_another_size_or_filter_is_told_in_one_line_and_begins_anew(plain, source, tmp_path, capsys):
    """IMAGE_SIZE, Z_DIM and SMOOTH beside START_FROM; SMOOTH is off where a model that has it is begun from."""
    run = train(planned(plain, RESULTS_PATH=tmp_path, START_FROM=source.path, IMAGE_SIZE=32, Z_DIM=6, SMOOTH=1,
                        N_ITERATIONS=1))
    text = capsys.readouterr().out
    line, = (line for line in text.splitlines() if line.startswith('Starts from'))
    anew = ['g_h0_lin', 'g_bn1', 'g_h1', 'd_h2_conv', 'd_bn2', 'd_h2_lin']
    assert line.endswith(f'train-{SOURCE_LAST}, but for {", ".join(anew)}, which begin anew')
    assert started_from(run)['anew'] == anew and run.path.name.endswith('_smooth_started')
    assert json.loads(run.options.read_text())['format'] == 2
    before, after = read_checkpoint(source, SOURCE_LAST), read_checkpoint(run, 1)
    assert after['averaged_before'] == 0
    assert after['g_smooth/taps'].tolist() == [-0.0625, 0.25, 0.625, 0.25, -0.0625]
    for here, there in (('g_h2/w', 'g_h1/w'), ('g_bn2/gamma', 'g_bn1/gamma'), ('g_h3/b', 'g_h2/b'),
                        ('d_h1_conv/w', 'd_h1_conv/w')):
        assert np.abs(after[here] - before[there]).max() <= 0.0003

    off = planned(plain, START_FROM=run.path, IMAGE_SIZE=32, Z_DIM=6)
    assert 'g_smooth/taps' not in first_weights(off, None).values
    assert introduction(off, capsys).count('it was trained with SMOOTH=1, this run is not') == 1


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


def test_what_is_no_source_is_refused_in_one_sentence_and_leaves_no_run(plain, source, tmp_path, monkeypatch):
    for start_from, model, said in (
            (save_foreign(tmp_path / 'foreign'), 'none.npz', 'holds no two networks that these could begin from'),
            (torn(source, tmp_path / 'torn'), 'none.npz', 'has no whole checkpoint: set START_FROM to another run'),
            (tmp_path / 'nowhere', 'none.npz', 'START_FROM is '),
            ('shipped', 'none.npz', "START_FROM is 'shipped', but this copy of the project has no shipped model"),
            ('shipped', spoilt(tmp_path / 'spoilt.npz'), 'spoilt.npz is no whole model')):
        monkeypatch.setattr(shipped, 'FILE', tmp_path / model)
        with pytest.raises(BadInput) as refused:
            train(planned(plain, RESULTS_PATH=tmp_path / 'Results', START_FROM=start_from))
        assert said in str(refused.value) and '\n' not in str(refused.value)
        assert not (tmp_path / 'Results').exists()
