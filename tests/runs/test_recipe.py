"""RECIPE: what helps, and what a run does with it."""

import re
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from conftest import REPO
from launching import make_pictures

from gans_n_roses.command_line import read_settings
from gans_n_roses.pictures.folder import Dataset
from gans_n_roses.plan import make_plan
from gans_n_roses.runs import shipped
from gans_n_roses.runs.folders import make_run_folder
from gans_n_roses.runs.options import record_options
from gans_n_roses.runs.recipe import missing_remedies, take_recipe
from gans_n_roses.training.introduction import introduce

RECIPE = {'MIRROR': True, 'EMA_DECAY': 0.999, 'AUGMENT': 'translation', 'R1_GAMMA': 0.1}


@pytest.mark.parametrize(('on', 'missing'), [
    ({}, {'MIRROR', 'EMA_DECAY', 'AUGMENT', 'R1_GAMMA'}), ({'ema_decay': 0.99}, {'MIRROR', 'AUGMENT', 'R1_GAMMA'}),
    ({'augment': 'color'}, {'MIRROR', 'EMA_DECAY', 'R1_GAMMA'}),
    ({'mirror': True, 'augment': 'color', 'r1_gamma': 10.0, 'ema_decay': 0.9}, set())])
def test_what_is_missing_of_the_recipe(make_settings, on, missing):
    settings = make_settings(**on)
    assert missing_remedies(settings, begun=False) == {name: RECIPE[name] for name in RECIPE if name in missing}
    assert missing_remedies(settings, begun=True) == {
        name: RECIPE[name] for name in RECIPE if name in missing - {'EMA_DECAY'}}


def recipe(*arguments, shipped_size=None, control=REPO / 'mission_control.py'):
    """(what of the settings the recipe changed, its lines)."""
    settings = read_settings(control, ['RECIPE=auto', *arguments])
    taken, lines = take_recipe(settings, shipped_size)
    before = settings.constants()
    return {name: value for name, value in taken.constants().items() if value != before[name]}, lines


def test_auto_takes_what_helps_and_says_why_in_two_lines():
    taken, [what, why] = recipe()
    expected = {**RECIPE, 'SMOOTH': 1}
    assert taken == expected
    assert what == ' '.join(f'{name}={value}' for name, value in expected.items())
    assert [part.split(',')[0].split()[0] for part in why.split('; ')] == list(expected)


def test_the_shipped_model_is_taken_where_it_is_of_the_runs_size_or_twice_that():
    assert recipe(shipped_size=64)[0] == {**RECIPE, 'SMOOTH': 1, 'START_FROM': 'shipped'}
    assert recipe('IMAGE_SIZE=32', shipped_size=64)[0]['START_FROM'] == 'shipped'
    assert 'START_FROM' not in recipe('IMAGE_SIZE=16', shipped_size=64)[0]
    assert 'START_FROM' not in recipe(shipped_size=32)[0]
    assert 'START_FROM' not in recipe('START_FROM=mine', shipped_size=64)[0]
    assert 'START_FROM' not in recipe('START_FROM=', shipped_size=64)[0]


@pytest.mark.parametrize(('size', 'width', 'smooth'), [(128, 32, 2), (256, 16, 3)])
def test_larger_pictures_take_fewer_channels_and_grow_the_shipped_model(size, width, smooth):
    image_size = f'IMAGE_SIZE={size}'
    grown = {**RECIPE, 'SMOOTH': smooth, 'WIDTH': width}
    assert recipe(image_size, shipped_size=64)[0] == {**grown, 'START_FROM': 'shipped'}
    assert recipe(image_size)[0] == grown
    assert recipe(image_size, 'WIDTH=64', shipped_size=64)[0] == {**RECIPE, 'SMOOTH': smooth}
    assert 'WIDTH makes larger pictures affordable' in recipe(image_size)[1][1]


def test_what_is_set_by_hand_stays(tmp_path):
    file = (REPO / 'mission_control.py').read_text(encoding='utf-8').replace('EMA_DECAY = 0.0 ', 'EMA_DECAY = 0.9 ')
    (tmp_path / 'mission_control.py').write_text(file, encoding='utf-8')
    taken, [what, why] = recipe('MIRROR=False', control=tmp_path / 'mission_control.py')
    assert taken == {'AUGMENT': 'translation', 'R1_GAMMA': 0.1, 'SMOOTH': 1}
    assert what == 'AUGMENT=translation R1_GAMMA=0.1 SMOOTH=1 beside your MIRROR=False EMA_DECAY=0.9'
    assert why.startswith('AUGMENT ') and why.count(';') == 2
    assert recipe('MIRROR=True', 'EMA_DECAY=0.5', "AUGMENT=''", 'R1_GAMMA=0', 'SMOOTH=0') == (
        {}, ["nothing more beside your MIRROR=True EMA_DECAY=0.5 AUGMENT='' R1_GAMMA=0 SMOOTH=0"])


# What a run says and keeps, without its training


@pytest.fixture
def words(tmp_path):
    """The command line of a tiny run on eight pictures."""
    return [f'DATASET_PATH={make_pictures(tmp_path / "roses")}', f'RESULTS_PATH={tmp_path / "Results"}',
            'BATCH_SIZE=4', 'SEED=3', 'PRECISION=float32']


@pytest.fixture
def introduced(capsys):
    """Function: what a run with this plan prints before it trains."""
    def introduction(plan, run):
        session = SimpleNamespace(graph=tf.Graph())
        introduce(SimpleNamespace(settings=plan.settings, run=run, session=session), DATASET, 0, plan.recipe)
        return capsys.readouterr().out
    return introduction


DATASET = Dataset(np.zeros([8, 64, 64, 3], np.uint8), [], 0, 0, 'these')


def test_a_run_keeps_what_it_took_and_takes_no_more(words, introduced, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, 'FILE', tmp_path / 'none.npz')  # a copy of the project without the shipped model
    plan = make_plan(read_settings(REPO / 'mission_control.py', [*words, 'RECIPE=auto']))
    run = make_run_folder(plan.settings, datetime.now())
    assert run.path.name.endswith('_mirror_translation_r1-0.1_ema0.999_smooth')
    text = introduced(plan, run)
    assert 'What helps' not in text
    assert ('\nRecipe       MIRROR=True EMA_DECAY=0.999 AUGMENT=translation R1_GAMMA=0.1 SMOOTH=1\n'
            '             MIRROR makes two ') in text

    record_options(run, None, plan.settings, DATASET, 0)
    (run.saved_models / 'train-2.index').touch()
    resumed = make_plan(read_settings(REPO / 'mission_control.py', ['RESUME=True', f'RUN={run.path}']))
    assert resumed.settings.of_training() == plan.settings.of_training()
    assert (resumed.settings.recipe, resumed.recipe) == ('auto', ())
    text = introduced(resumed, run)
    assert 'Recipe' not in text and 'What helps' not in text


def test_the_one_word_is_told_without_what_would_keep_it_from_helping(words, introduced):
    words += ['MIRROR=False', 'AUGMENT=', 'EMA_DECAY=0.99']
    plan = make_plan(read_settings(REPO / 'mission_control.py', words))
    told = introduced(plan, make_run_folder(plan.settings, datetime.now()))
    line, = re.findall('so few are soon memorised. What helps: (.*)', told)
    assert line.endswith(' RECIPE=auto') and 'MIRROR' not in line and 'AUGMENT' not in line
    assert ' EMA_DECAY=0.99 ' in line
