"""RECIPE: what helps, and what a run does with it."""

import json

import pytest
from conftest import REPO
from launching import TINY, make_pictures, only_run

from gans_n_roses.runs.recipe import missing_remedies, take_recipe
from gans_n_roses.settings import read_settings

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
    expected = {**RECIPE, 'SMOOTH': True}
    assert taken == expected
    assert what == ' '.join(f'{name}={value}' for name, value in expected.items())
    assert [part.split(',')[0].split()[0] for part in why.split('; ')] == list(expected)


def test_the_shipped_model_is_taken_where_it_is_of_the_runs_size_or_twice_that():
    assert recipe(shipped_size=64)[0] == {**RECIPE, 'SMOOTH': True, 'START_FROM': 'shipped'}
    assert recipe('IMAGE_SIZE=32', shipped_size=64)[0]['START_FROM'] == 'shipped'
    assert 'START_FROM' not in recipe('IMAGE_SIZE=16', shipped_size=64)[0]
    assert 'START_FROM' not in recipe(shipped_size=32)[0]
    assert 'START_FROM' not in recipe('START_FROM=mine', shipped_size=64)[0]
    assert 'START_FROM' not in recipe('START_FROM=', shipped_size=64)[0]


def test_what_is_set_by_hand_stays(tmp_path):
    file = (REPO / 'mission_control.py').read_text(encoding='utf-8').replace('EMA_DECAY = 0.0 ', 'EMA_DECAY = 0.9 ')
    (tmp_path / 'mission_control.py').write_text(file, encoding='utf-8')
    taken, [what, why] = recipe('MIRROR=False', control=tmp_path / 'mission_control.py')
    assert taken == {'AUGMENT': 'translation', 'R1_GAMMA': 0.1, 'SMOOTH': True}
    assert what == 'AUGMENT=translation R1_GAMMA=0.1 SMOOTH=True beside your MIRROR=False EMA_DECAY=0.9'
    assert why.startswith('AUGMENT ') and why.count(';') == 2
    assert recipe('MIRROR=True', 'EMA_DECAY=0.5', "AUGMENT=''", 'R1_GAMMA=0', 'SMOOTH=False') == (
        {}, ["nothing more beside your MIRROR=True EMA_DECAY=0.5 AUGMENT='' R1_GAMMA=0 SMOOTH=False"])


def test_a_run_keeps_what_it_took_and_takes_no_more(launcher, tmp_path):
    of_the_recipe = ('MIRROR', 'EMA_DECAY', 'SMOOTH', 'AUGMENT', 'R1_GAMMA', 'START_FROM')
    pictures = make_pictures(tmp_path / 'roses')
    settings = {name: value for name, value in TINY.items() if name not in of_the_recipe}
    settings |= {'DATASET_PATH': pictures, 'RESULTS_PATH': tmp_path / 'Results'}
    ended = launcher.run({**settings, 'RECIPE': 'auto', 'N_ITERATIONS': 2}, shipped=str(tmp_path / 'none.npz'))
    assert ended.code == 0, ended.text
    assert 'What helps' not in ended.text
    told = ('\nRecipe       MIRROR=True EMA_DECAY=0.999 AUGMENT=translation R1_GAMMA=0.1 SMOOTH=True\n'
            '             MIRROR makes two ')
    assert told in ended.text
    run = only_run(tmp_path / 'Results')
    assert run.path.name.endswith('_mirror_translation_r1-0.1_ema0.999_smooth')

    def kept():
        values = json.loads(run.options.read_text())['settings']
        return [values['RECIPE'], *(values[name] for name in of_the_recipe)]
    assert kept() == ['auto', True, 0.999, True, 'translation', 0.1, '']

    ended = launcher.run({'RESUME': True, 'RUN': run.path, 'N_ITERATIONS': 3})
    assert ended.code == 0, ended.text
    assert 'Recipe' not in ended.text and 'What helps' not in ended.text
    assert kept() == ['auto', True, 0.999, True, 'translation', 0.1, '']


def test_the_one_word_is_told_without_what_would_keep_it_from_helping(launcher, tiny, tmp_path):
    ended = launcher.run({**tiny, 'MIRROR': False, 'AUGMENT': '', 'RESULTS_PATH': tmp_path, 'N_ITERATIONS': 1})
    assert ended.code == 0, ended.text
    line, = (line for line in ended.text.splitlines() if 'What helps: ' in line)
    assert line.endswith(' RECIPE=auto') and 'MIRROR' not in line and 'AUGMENT' not in line
    assert ' EMA_DECAY=0.99 ' in line
