"""mission_control.py and the command line: what is read, and what is refused in which words."""

import dataclasses
import os
import re
import shlex
import sys

import pytest
from conftest import REPO

import main
from gans_n_roses.command_line import read_settings
from gans_n_roses.errors import BadInput
from gans_n_roses.settings import DOOR, OF_LOAD, OF_NOW, OF_RUN, RETIRED, RULES, names_in

SHIPPED = REPO / 'mission_control.py'
NAMES = list(RULES)
NAN, INFINITE = float('nan'), float('inf')

SWITCH = ([True, False], [1, 0, 'True', None])
TEXT = (['x', 'my pictures', '2017'], ['', '  ', 5, None, True, ['x']])
COUNT = ([1, 10**6], [0, -3, 1.0, 12.5, '12', None, True, NAN])
RATE = ([1e-9, 0.0002, 1, 1.0], [0, -1, 1.0001, 2, '0.1', None, True, NAN, INFINITE, [0.1]])
SHARE = ([0, 0.0, 0.5, 0.9999], [-0.1, 1, 1.0, 5, '0.5', None, False, NAN, -INFINITE])
# Field → (good values, wrong values).
VALUES = {
    'load': SWITCH, 'resume': SWITCH, 'run': TEXT, 'dataset_path': TEXT,
    'dataset_chosen': (['roses', 'Roses_2', '2017', 'a-b.c', 'rosée', 'a' * 100],
                       ['', 'a' * 101, 'my roses', 'a/b', '..', '.hidden', 'end.', 'a:b', 'a\\b', '-x', 'roses\n', 5,
                        None]),
    'channels': ([1, 3, 4], [0, 2, 5, 3.0, '3', None, True]),
    'fit': (['crop', 'pad', 'stretch'], ['', 'Crop', 'cover', None, 1]),
    'labels': (['', 'folders'], ['Folders', 'names', ' ', None, 1, True, ['folders']]),
    'label': (['', 'tulips', 'tulips,roses', '7', ['tulips', 7]], [None, 7, True, [], [None], [True], [['a']], {'a'}]),
    'width': ([16, 32, 64, 128, 256], [0, 8, 48, 512, 64.0, '64', None, True]),
    'image_size': ([16, 32, 64, 128, 256], [0, 8, 65, 512, -64, 64.0, '64', None, True]),
    'results_path': TEXT,
    'n_iterations': COUNT, 'batch_size': COUNT, 'learning_rate': RATE, 'beta_1': SHARE,
    'z_dim': COUNT, 'ema_decay': SHARE, 'smooth': ([0, 1, 3, 6, True, False], [-1, 7, 1.0, '1', None]),
    'start_from': (['', 'shipped', 'latest', 'my run'], ['  ', 'a\0b', 5, None, True, ['x']]),
    'recipe': (['article', 'auto'], ['', 'Auto', 'best', None, True]),
    'r1_gamma': ([0, 0.0, 1, 10.5, 1000], [-1, 1001, '1', None, True, NAN, INFINITE]),
    'mirror': SWITCH,
    'checkpoint': (['latest', 'best', 0, 3000], ['', 'Best', 'newest', '3000', -1, 1.0, None, True, [1]]),
    'augment': (['', 'color', 'color,translation,cutout', ' cutout , color '],
                [',', 'color,', 'colour', 'color;cutout', 'Color', ' ', None, 3, True, ['color']]),
    'precision': (['float32', 'bfloat16', 'auto'], ['', 'float16', 'Auto', 32, None, True]),
    'seed': ([None, 0, 4294967295, [7], [7, 12, 40], [0, 4294967295, 0]],
             [-1, 4294967296, 1.0, '1', True, NAN, [], [7, -1], [7, 'x'], [None], [True], [[7]], [1.5], {7}]),
    'n_samples': COUNT, 'stop_when': (['', 'no better'], ['never', 'No better', None, True, 3000]),
    'sample_as': (['grid', 'images', 'interpolation', 'savedmodel', 'grid,images', ' images , grid '],
                  ['', ',', 'grid,', 'film', 'grid;images', 'Grid', 'grid images', None, 3, ['grid']]),
    'project': (['', 'my rose.jpg', '2017'], ['  ', 'a\0b', 5, None, True, ['x']]),
    'enlarge': ([1, 2, 16], [0, 17, -1, 2.0, '2', None, True]),
    'n_frames': ([2, 500], [1, 0, -2, 2.0, '2', None, True]),
    'grid_every': COUNT, 'checkpoint_every': COUNT, 'checkpoints_kept': COUNT,
}


def each(good):
    return [pytest.param(name, value, id=f'{name}={value!r}'.replace('\\', '/'))
            for name, (rights, wrongs) in VALUES.items() for value in (rights if good else wrongs)]


@pytest.fixture
def edited(tmp_path):
    """Function: path of a mission_control.py whose line that begins with one text is another."""
    def edit(begins, line):
        text = SHIPPED.read_text(encoding='utf-8')
        changed, count = re.subn(rf'(?m)^{re.escape(begins)}.*$', lambda _: line, text)
        assert count == 1
        path = tmp_path / 'mission_control.py'
        path.write_text(changed, encoding='utf-8')
        return path, changed.splitlines().index(line) + 1
    return edit


def refusal(path, *arguments):
    """The sentence that a user reads."""
    with pytest.raises(BadInput) as refused:
        read_settings(path, arguments)
    sentence = str(refused.value)
    assert '\n' not in sentence
    return sentence


def test_the_shipped_file_has_the_articles_values():
    settings = read_settings(SHIPPED)
    nine = ('load', 'dataset_path', 'dataset_chosen', 'z_dim', 'batch_size', 'n_iterations', 'learning_rate',
            'beta_1', 'image_size')
    assert [getattr(settings, name) for name in nine] == [
        False, str(REPO / 'Dataset/Roses'), 'roses', 100, 12, 30000, 0.0002, 0.5, 64]


def test_the_shipped_file_has_the_documented_values_beside_them():
    settings = read_settings(SHIPPED)
    assert (settings.results_path, settings.run) == (str(REPO / 'Results'), 'latest')
    assert (settings.seed, settings.resume, settings.ema_decay) == (None, False, 0)
    assert (settings.grid_every, settings.checkpoint_every, settings.checkpoints_kept) == (20, 1000, 5)


def test_settings_are_never_changed(make_settings):
    settings = make_settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.batch_size = 3


def test_constants_are_the_fields_in_upper_case(make_settings):
    constants = make_settings(batch_size=3).constants()
    assert list(constants) == NAMES
    assert constants['BATCH_SIZE'] == 3


def test_these_tests_name_every_setting():
    assert {name.upper() for name in VALUES} == set(NAMES)


@pytest.mark.parametrize(('name', 'value'), each(good=True))
def test_a_good_value_is_taken_as_it_is(make_settings, name, value):
    found = getattr(make_settings(**{name: value}), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(('name', 'value'), each(good=False))
def test_a_wrong_value_is_refused_with_name_value_and_what_is_allowed(make_settings, name, value):
    with pytest.raises(BadInput) as refused:
        make_settings(**{name: value})
    sentence = str(refused.value)
    assert sentence.startswith(f'{name.upper()} is {value!r}, but must be ')
    allowed = {
        'load': 'True or False', 'resume': 'True or False',
        'run': 'text', 'dataset_path': 'text', 'results_path': 'text',
        'dataset_chosen': "letters, digits, '_', '-' and '.'", 'image_size': '16, 32, 64, 128, 256',
        'learning_rate': 'above 0 and up to 1', 'beta_1': 'from 0 to below 1', 'ema_decay': 'from 0 to below 1',
        'r1_gamma': 'from 0 to 1000', 'stop_when': "'' for never, or 'no better'",
        'start_from': "'' for none, 'shipped', 'latest'", 'recipe': "'article', 'auto'",
        'mirror': 'True or False', 'checkpoint': "'latest' or 'best', or the iteration of a checkpoint",
        'smooth': 'a whole number from 0 to 6', 'width': '16, 32, 64, 128, 256',
        'channels': '3, 1, 4', 'fit': "'crop', 'pad', 'stretch'",
        'augment': "'' for none, or 'color', 'translation', 'cutout', 'rotation'",
        'precision': "'float32', 'bfloat16', 'auto'",
        'seed': 'None or a whole number from 0 to 4294967295; for LOAD also a list of such numbers, as [7, 12, 40]',
        'sample_as': "'grid', 'images', 'interpolation'",
        'n_frames': 'whole number of at least 2', 'enlarge': 'a whole number from 1 to 16',
        'project': 'the path of a picture or of a folder',
        'labels': "'', 'folders'",
        'label': "'' for all kinds in turn, the name of one, or several: 'tulips,roses' or a list",
    }
    assert allowed.get(name, 'whole number of at least 1') in sentence.partition('must be')[2]


def test_names_are_split_at_commas():
    assert names_in('') == []
    assert names_in('grid') == ['grid']
    assert names_in(' images , grid') == ['images', 'grid']


# The file

def test_a_constant_of_the_file_is_read(edited):
    path, _ = edited('BATCH_SIZE', 'BATCH_SIZE = 7 - 2  # five')
    assert read_settings(path).batch_size == 5


def test_a_wrong_value_in_the_file_names_the_file(edited):
    path, _ = edited('BATCH_SIZE', 'BATCH_SIZE = 12.5')
    assert refusal(path).startswith('mission_control.py: BATCH_SIZE is 12.5, but must be a whole number')


def test_a_wrong_value_in_the_file_is_refused_though_the_command_line_mends_it(edited):
    path, _ = edited('BATCH_SIZE', 'BATCH_SIZE = 0')
    assert 'BATCH_SIZE is 0' in refusal(path, 'BATCH_SIZE=3')


@pytest.mark.parametrize(('right', 'misspelt'), [
    ('BATCH_SIZE', 'BATCHSIZE'), ('N_ITERATIONS', 'ITERATIONS'), ('LEARNING_RATE', 'LERNING_RATE'),
    ('SEED', 'seed'), ('Z_DIM', 'ZDIM')])
def test_a_misspelt_constant_in_the_file_is_offered_its_nearest_name(edited, right, misspelt):
    path, _ = edited(right + ' ', f'{misspelt} = 1')
    assert refusal(path) == f'mission_control.py sets {misspelt!r}, which is no setting. Did you mean {right}?'


def test_a_constant_far_from_all_names_points_to_help(edited):
    path, _ = edited('# Training', 'QQQQQQ = 1')
    assert refusal(path) == ("mission_control.py sets 'QQQQQQ', which is no setting. "
                             '`python main.py --help` lists them all.')


@pytest.mark.parametrize('name', NAMES)
def test_a_missing_constant_is_named(edited, name):
    path, _ = edited(name + ' ', '# gone')
    assert refusal(path) == f'mission_control.py lacks {name}: put it back.'


@pytest.mark.parametrize(('line', 'reason'), [
    ('Z_DIM = 1OO', 'invalid decimal literal'),
    ('Z_DIM = (100', "'(' was never closed"),
    ("Z_DIM = 'one hundred", 'unterminated string'),
    ('    Z_DIM = 100', 'unexpected indent'),
    ('Z_DIM =\xa0100', 'invalid non-printable character U+00A0'),
    ('Z_DIM = hundred', "name 'hundred' is not defined"),
    ('Z_DIM = 100 / 0', 'division by zero'),
    ("Z_DIM = __import__('statistics').mean([])", 'at least one data point'),  # raised in another file
], ids=['letter', 'bracket', 'quote', 'indent', 'space', 'name', 'value', 'elsewhere'])
def test_a_file_that_cannot_be_run_is_told_in_one_sentence_with_its_line(edited, line, reason):
    path, number = edited('Z_DIM ', line)
    sentence = refusal(path)
    assert sentence.startswith(f'mission_control.py, line {number}')
    assert reason in sentence


@pytest.mark.parametrize(('wrong', 'right'), [
    ("DATASET_PATH = './roses", "'./roses'"), ("DATASET_PATH = ./roses'", "'./roses'"),
    ('DATASET_PATH = roses', "'roses'"),
    ("DATASET_PATH './roses'", "'./roses'"), ('DATASET_PATH = “./roses”', "'./roses'"),
    ("DATASET_PATH = 'it's roses'", '"it\'s roses"'), ('DATASET_PATH = """./roses', "'./roses'"),
    ("DATASET_PATH = ('./roses'", "'./roses'"), ("DATASET_PATH = 'roses (2)", "'roses (2)'"),
    (r"DATASET_PATH = 'C:\Users\me'", "'C:/Users/me'"), (r"DATASET_PATH = 'C:\temp\new'", "'C:/temp/new'"),
    (r"DATASET_PATH = r'C:\roses\'", "'C:/roses/'"), (r"DATASET_PATH = '\\server\Users'", "'//server/Users'"),
    ('LEARNING_RATE = 0,0002', '0.0002'), ('Z_DIM = 1,050', '1050'), ('Z_DIM = = 100', '100'), ('Z_DIM == 100', '100'),
    ('LOAD = true', 'True'), ('SEED = none', 'None'), ('CHECKPOINT = best', "'best'"), ('RECIPE = auto', "'auto'"),
    ("STOP_WHEN = 'no better", "'no better'"),
    ("AUGMENT = ['color'", "'color'"), ('START_FROM =', "''"), ("RUN = '''latest", "'latest'"),
])
def test_a_mistyped_line_is_shown_as_it_should_be(edited, wrong, right):
    name = wrong.split()[0]
    path, number = edited(name + ' ', f'{wrong}  # a comment')
    assert refusal(path) == f'mission_control.py, line {number}, says `{wrong}`, but should say `{name} = {right}`.'
    edited(name + ' ', f'{name} = {right}')
    read_settings(path)


@pytest.mark.parametrize('wrong', ['[7, 12, 40', '7,, 12', '[7 12]', '007', 'seven, 12'])
def test_a_list_that_python_cannot_read_is_not_made_one_number(edited, wrong):
    path, number = edited('SEED ', f'SEED = {wrong}')
    assert refusal(path).startswith(f'mission_control.py, line {number}: ')
    assert 'SEED must be None or a whole number' in refusal(path)


@pytest.mark.parametrize('value', [
    '[7, 12, 40]', '7, 12, 40', '(7, 12, 40)', 'list(range(7, 41, 5))', '[7.0, 12]', '7,'])
def test_seeds_of_the_file_are_a_list(edited, value):
    found = read_settings(edited('SEED ', f'SEED = {value}')[0]).seed
    assert found == list(eval(value)) and {type(each) for each in found} == {int}


def test_a_line_is_not_blamed_for_another_ones_fault(edited):
    path, _ = edited('Z_DIM ', 'Z_DIM = 64 * 2')
    text = path.read_text(encoding='utf-8').replace('\nSEED', '\n SEED')
    path.write_text(text, encoding='utf-8')
    assert refusal(path).startswith(f'mission_control.py, line {text[:text.index(" SEED")].count(chr(10)) + 1}: unexp')


@pytest.mark.parametrize(('encoding', 'line'), [
    ('utf-16', 1), ('utf-16-le', 1), ('utf-16-be', 1), ('utf-32', 1), ('latin-1', 8), ('cp1252', 8)])
def test_a_file_in_another_encoding_is_told_how_to_save_it(edited, encoding, line):
    path, _ = edited('LOAD ', 'LOAD = False  # für dich')
    path.write_bytes(path.read_bytes().decode().encode(encoding, 'replace'))
    for told in (refusal, main.help_text):
        try:
            sentence = told(path)
        except BadInput as problem:
            sentence = str(problem)
        assert sentence == f'mission_control.py, line {line}, is no text in UTF-8: save the file in that encoding.'


@pytest.mark.parametrize('ends', ['\r\n', '\r'])
@pytest.mark.parametrize('mark', ['', '\ufeff'])
def test_lines_may_end_as_on_any_system(edited, ends, mark):
    path, _ = edited('Z_DIM ', 'Z_DIM = 7')
    text = mark + path.read_text(encoding='utf-8').replace('\n', ends)
    path.write_bytes(text.encode())
    assert read_settings(path).z_dim == 7
    path.write_bytes(text.replace('Z_DIM = 7', 'Z_DIM = 7,000').replace('False', 'false').encode())
    assert refusal(path).startswith('mission_control.py, line 8, says `LOAD = false`')


def put_folder(path):
    path.mkdir()


def put_large(path):
    with path.open('wb') as file:
        file.truncate(10**9)


@pytest.mark.parametrize('put', [
    lambda path: None, put_folder, put_large, os.mkfifo, lambda path: path.symlink_to('nosuch'),
    lambda path: path.symlink_to(path), lambda path: path.symlink_to('/dev/zero'),
], ids=['nothing', 'folder', 'large', 'pipe', 'broken', 'loop', 'endless'])
def test_what_is_no_file_is_named_at_once(tmp_path, put):
    path = tmp_path / 'mission_control.py'
    put(path)
    assert refusal(path) == (f'{path} is missing, or no file of at most a megabyte: '
                             'put the one back that comes with the project.')


# The command line

@pytest.mark.parametrize(('argument', 'value'), [
    ('BATCH_SIZE=32', 32), ('N_ITERATIONS=30_000', 30000), ('LEARNING_RATE=1e-4', 1e-4), ('LEARNING_RATE=1', 1),
    ('BETA_1=.25', 0.25), ('SEED=None', None), ('SEED=7', 7), ('LOAD=True', True), ('RESUME=False', False),
    ('N_ITERATIONS=1e3', 1000), ('BATCH_SIZE=2.0', 2), ('LOAD=true', True), ('MIRROR=TRUE', True),
    ('SMOOTH=false', False), ('SEED=none', None), ('RUN=2017', '2017'), ('RUN=1e3', '1e3'), ('RUN=None', 'None'),
    ("RUN='2017'", '2017'), ('RUN=2017-01-31_12-00-00_100_12_30000_0.0002_0.5',
                             '2017-01-31_12-00-00_100_12_30000_0.0002_0.5'),
    ('SEED=7,12,40', [7, 12, 40]), ('SEED=[7, 12,40]', [7, 12, 40]), ('SEED=(7,)', [7]), ('SEED=1e3,7', [1000, 7]),
    ('CHECKPOINT=3000', 3000), ('CHECKPOINT=3_000', 3000), ('CHECKPOINT=best', 'best'), ("CHECKPOINT='best'", 'best'),
    ('DATASET_CHOSEN=007', '007'), ('DATASET_CHOSEN=True', 'True'), ('SAMPLE_AS=grid,images', 'grid,images'),
])
def test_the_command_line_overrides_one_setting(argument, value):
    name = argument.partition('=')[0].lower()
    settings = read_settings(SHIPPED, [argument])
    found = getattr(settings, name)
    assert found == value
    assert type(found) is type(value)
    assert settings == dataclasses.replace(read_settings(SHIPPED), **{name: value})


@pytest.mark.parametrize(('text', 'path'), [
    ('./my pictures/', 'my pictures'), ("'./my pictures/'", 'my pictures'), ('"a"', 'a'), ('a=b', 'a=b'),
    ("it's", "it's"), ('2017', '2017'), ('..', '..'), ('/a/b', '/a/b')])
def test_a_path_on_the_command_line_begins_where_the_user_is(monkeypatch, tmp_path, text, path):
    monkeypatch.chdir(tmp_path)
    settings = read_settings(SHIPPED, [f'DATASET_PATH={text}', 'DATASET_CHOSEN=x'])
    assert settings.dataset_path == os.path.abspath(path)
    assert settings.results_path == str(REPO / 'Results')


def test_a_path_in_the_file_begins_at_the_file(monkeypatch, edited, tmp_path_factory):
    path, _ = edited('DATASET_PATH ', "DATASET_PATH = 'my/pictures'")
    monkeypatch.chdir(tmp_path_factory.mktemp('elsewhere'))
    assert read_settings(path).dataset_path == str(path.parent / 'my' / 'pictures')


@pytest.mark.parametrize(('run', 'means'), [('latest', 'latest'), ('2017', '2017'), ('a/b', '{here}/a/b'),
                                            ('./b', '{here}/b'), ('/a', '/a'),
                                            ('.', '{here}'), ('..', '{here}/..')])
def test_run_is_a_name_or_a_path(monkeypatch, tmp_path, run, means):
    monkeypatch.chdir(tmp_path)
    expected = means.format(here=tmp_path)
    assert read_settings(SHIPPED, [f'RUN={run}']).run == (os.path.abspath(expected) if '/' in expected else expected)


@pytest.mark.parametrize(('path', 'name'), [
    ('cats', 'cats'), ('my cats/', 'my_cats'), ('rosée', 'rosée'), ('.hidden', 'hidden'), ('a.', 'a'),
    ('...', 'pictures'), ('/', 'pictures'), ('a:b*c', 'a_b_c'), ("it's", 'it_s')])
def test_runs_are_filed_under_the_name_of_the_folder_given(path, name):
    assert read_settings(SHIPPED, [f'DATASET_PATH={path}']).dataset_chosen == name
    assert read_settings(SHIPPED, [f'DATASET_PATH={path}', 'DATASET_CHOSEN=mine']).dataset_chosen == 'mine'


@pytest.mark.parametrize('what', ['LOAD', 'RESUME'])
def test_load_and_resume_look_under_the_name_of_the_folder_given_if_it_has_runs(tmp_path, what):
    arguments = [f'{what}=True', 'DATASET_PATH=cats', f'RESULTS_PATH={tmp_path}']
    assert read_settings(SHIPPED, arguments).dataset_chosen == 'roses'
    (tmp_path / 'cats').mkdir()
    assert read_settings(SHIPPED, arguments).dataset_chosen == 'cats'


@pytest.mark.parametrize('path', ['a\0b', os.fsdecode(b'caf\xe9')])
@pytest.mark.parametrize('name', ['DATASET_PATH', 'RESULTS_PATH', 'RUN'])
def test_a_path_that_no_file_system_or_no_text_can_hold_is_refused(name, path):
    assert 'of characters that UTF-8 has, without a null' in refusal(SHIPPED, f'{name}={path}')


@pytest.mark.parametrize(('argument', 'spelling'), [
    ('N_ITERATIONS=30,000', 'Write it without a comma, as 30_000.'),
    ('CHECKPOINT=3,000', 'Write it without a comma'), ('BATCH_SIZE=1,2', 'Write it without a comma'),
    ('LEARNING_RATE=0,0002', 'Write it with a point, as 0.5.')])
def test_a_number_with_a_comma_is_told_how_to_write_it(argument, spelling):
    sentence = refusal(SHIPPED, argument)
    name, _, text = argument.partition('=')
    assert f'{name} is {text!r}' in sentence
    assert spelling in sentence


def test_every_setting_belongs_to_one_place():
    places = {name: rule.of for name, rule in RULES.items()}
    assert set(places.values()) == {DOOR, OF_RUN, OF_NOW, OF_LOAD}
    assert {name for name in NAMES if places[name] == OF_RUN} == {
        'DATASET_PATH', 'DATASET_CHOSEN', 'IMAGE_SIZE', 'Z_DIM', 'START_FROM', 'RECIPE', 'EMA_DECAY', 'SMOOTH',
        'PRECISION', 'SEED', 'N_SAMPLES', 'WIDTH',
        'CHANNELS', 'FIT', 'LABELS'}
    assert {name for name in NAMES if places[name] in (DOOR, OF_LOAD)} == {
        'LOAD', 'RESUME', 'RUN', 'CHECKPOINT', 'RESULTS_PATH', 'SAMPLE_AS', 'N_FRAMES', 'ENLARGE',
        'PROJECT', 'LABEL'}


def test_all_retired_settings_of_a_file_are_told_at_once(edited):
    path, _ = edited('# Training', '; '.join(f'{name} = 5' for name in RETIRED))
    sentence = refusal(path)
    assert sentence.startswith(f'mission_control.py sets {", ".join(RETIRED)}, which are no settings any more: ')
    assert all(sentence.count(reason) == 1 for reason in RETIRED.values())


@pytest.mark.parametrize('name', RETIRED)
def test_a_retired_setting_is_told_with_what_says_so_now(edited, name):
    path, _ = edited('# Training', f'{name} = 5')
    told = {'mission_control.py': refusal(path), 'The command line': refusal(SHIPPED, f'{name}=5')}
    for source, sentence in told.items():
        assert sentence == f'{source} sets {name}, which is no setting any more: {RETIRED[name]}. Leave {name} out.'


# Where settings come from

def test_origin_knows_what_was_said_where():
    origin = read_settings(SHIPPED, ['BATCH_SIZE=1e1', 'DATASET_PATH=a b']).origin
    assert origin.given == {'BATCH_SIZE': 10, 'DATASET_PATH': os.path.abspath('a b')}
    assert origin.control == read_settings(SHIPPED).constants()
    assert (origin.place('BATCH_SIZE'), origin.place('Z_DIM')) == ('on the command line', 'in mission_control.py')
    assert origin.program == str(REPO / 'main.py')


@pytest.mark.parametrize('argument', [
    'BATCH_SIZE=3', 'SEED=None', 'SEED=7,12,40', 'SEED=7,', 'CHECKPOINT=3000', 'CHECKPOINT=best',
    'LOAD=True', 'RUN=2017', "RUN='2017'", 'RUN="\'a\'"', "RUN=it's", 'RUN=None',
    'RUN=a b', 'AUGMENT=', "AUGMENT='color,cutout'", 'LEARNING_RATE=1e-7', "DATASET_PATH=$HOME `x` it's", 'RUN=\\n'])
def test_a_printed_command_gives_the_same_settings_again(argument):
    settings = read_settings(SHIPPED, [argument])
    words = shlex.split(settings.origin.command(*settings.origin.words()))
    assert words[:2] == [sys.executable, str(REPO / 'main.py')]
    assert read_settings(SHIPPED, words[2:]) == settings


@pytest.mark.parametrize('path', ['~', '~/roses', '~//roses'])
def test_a_path_at_home_is_refused_where_nobody_is_at_home(path, homeless):
    with pytest.raises(BadInput, match=r"^RESULTS_PATH is '~.*', but the system knows no home folder of yours: "):
        read_settings(SHIPPED, [f'RESULTS_PATH={path}'])
    assert read_settings(SHIPPED, ['RESULTS_PATH=./~']).results_path.endswith(f'{os.sep}~')


@pytest.mark.parametrize('name', ['DATASET_PATH', 'RESULTS_PATH', 'RUN'])
def test_a_path_may_begin_at_home(monkeypatch, edited, name):
    monkeypatch.setenv('HOME', '/home/gardener')
    monkeypatch.setenv('USERPROFILE', '/home/gardener')
    path, _ = edited(name + ' ', f"{name} = '~/roses'")
    for settings in (read_settings(path), read_settings(SHIPPED, [f'{name}=~/roses'])):
        assert getattr(settings, name.lower()) == '/home/gardener/roses'


def test_the_last_of_two_overrides_counts():
    assert read_settings(SHIPPED, ['BATCH_SIZE=3', 'SEED=1', 'BATCH_SIZE=4']).batch_size == 4


@pytest.mark.parametrize(('argument', 'found'), [
    ('BATCH_SIZE=twelve', "BATCH_SIZE is 'twelve', but must be a whole number of at least 1 and at most 1000000000."),
    ('BATCH_SIZE=', "BATCH_SIZE is '', but must be"),
    ('N_ITERATIONS=0', 'N_ITERATIONS is 0, but must be'),
    ('N_ITERATIONS=1.5e0', 'N_ITERATIONS is 1.5, but must be a whole number'),
    ('N_ITERATIONS=1e10', 'N_ITERATIONS is 10000000000, but must be a whole number of at least 1 and at most'),
    ('SEED=1e10', 'SEED is 10000000000, but must be None or'),
    (f'CHECKPOINTS_KEPT={10**400}', 'CHECKPOINTS_KEPT is 1000000000'),
    (f'Z_DIM={"1" * 5000}', "Z_DIM is '11111111"),
    ('BETA_1=0.9999999999', 'BETA_1 is 0.9999999999, but must be a number from 0 to below 1 (at most 0.999999).'),
    ('LEARNING_RATE=-1', 'LEARNING_RATE is -1, but must be a number above 0 and up to 1.'),
    ('LEARNING_RATE=1e400', 'LEARNING_RATE is inf, but must be'),
    ('LEARNING_RATE=nan', "LEARNING_RATE is 'nan', but must be"),
    ('IMAGE_SIZE=65', 'IMAGE_SIZE is 65, but must be one of 16, 32, 64, 128, 256.'),
    ('LOAD=yes', "LOAD is 'yes', but must be True or False."),
    ('LOAD=1', 'LOAD is 1, but must be True or False.'),
    ('DATASET_PATH=', "DATASET_PATH is '', but must be text"),
    ('DATASET_CHOSEN=my roses', "DATASET_CHOSEN is 'my roses', but must be"),
    ("SEED='5'", "SEED is '5', but must be"),
    ('SAMPLE_AS=film', "SAMPLE_AS is 'film', but must be"),
    ('Z_DIM=[100]', 'Z_DIM is [100], but must be'), ('SEED=7,x', "SEED is '7,x', but must be"),
    ('SEED=7,-1', 'SEED is [7, -1], but must be'), ('SEED=[]', 'SEED is [], but must be'),
    ('SEED=', "SEED is '', but must be"), ('SEED=7,4294967296', 'SEED is [7, 4294967296], but must be'),
    ('SEED=7,0.5', 'SEED is [7, 0.5], but must be'), ('SEED=7 12', "SEED is '7 12', but must be"),
    ('SEED=True,7', 'SEED is [True, 7], but must be'), ('CHECKPOINT=-1', 'CHECKPOINT is -1, but must be'),
    ('CHECKPOINT=train-3000', "CHECKPOINT is 'train-3000', but must be"), ('CHECKPOINT=1e10', 'CHECKPOINT is'),
])
def test_a_wrong_value_on_the_command_line_is_refused(argument, found):
    assert refusal(SHIPPED, argument).startswith(f'The command line: {found}')


@pytest.mark.parametrize(('argument', 'nearest'), [
    ('BATCHSIZE=3', 'BATCH_SIZE'), ('batch_size=3', 'BATCH_SIZE'), ('Load=True', 'LOAD'),
    ('ITERATIONS=3', 'N_ITERATIONS'), ('LERNING_RATE=0.1', 'LEARNING_RATE'),
    ('BETA1=0.1', 'BETA_1'), ('--batch-size=3', 'BATCH_SIZE')])
def test_a_misspelt_name_on_the_command_line_is_offered_its_nearest_name(argument, nearest):
    name = argument.partition('=')[0]
    assert refusal(SHIPPED, argument) == (
        f'The command line sets {name!r}, which is no setting. Did you mean {nearest}?')


def test_no_name_or_one_far_from_all_points_to_help():
    for argument in ('=5', '', 'QQQQQQ=1'):
        name = argument.partition('=')[0]
        assert refusal(SHIPPED, argument) == (
            f'The command line sets {name!r}, which is no setting. `python main.py --help` lists them all.')


def test_a_name_of_pythons_own_is_no_setting():
    assert refusal(SHIPPED, '__name__=x').startswith("The command line sets '__name__', which is no setting.")


def test_a_name_without_a_value_is_told_how_to_give_one():
    assert refusal(SHIPPED, 'BATCH_SIZE') == 'The command line has BATCH_SIZE without a value: write BATCH_SIZE=value.'


def test_load_and_resume_together_are_refused(edited):
    path, _ = edited('LOAD ', 'LOAD = True')
    both = path.with_name('both.py')
    both.write_text(path.read_text(encoding='utf-8').replace('RESUME = False', 'RESUME = True'), encoding='utf-8')
    for sentence in (refusal(SHIPPED, 'LOAD=True', 'RESUME=True'), refusal(both)):
        assert sentence.startswith('LOAD and RESUME are both True')
        assert 'set one of them to False' in sentence
    assert read_settings(path, ['RESUME=True', 'LOAD=False']).resume
    # The command line outdoes the file, so that printed commands run as pasted.
    for file in (path, both):
        resumed, loaded = read_settings(file, ['RESUME=True']), read_settings(file, ['LOAD=True'])
        assert (resumed.resume, resumed.load, loaded.resume, loaded.load) == (True, False, False, True)


def test_main_tells_a_wrong_setting_in_one_sentence_and_exits_with_2(capsys):
    assert main.main(['BATCH_SIZE=twelve']) == 2
    shown = capsys.readouterr()
    assert shown.out == ''
    assert shown.err.strip() == (
        "The command line: BATCH_SIZE is 'twelve', but must be a whole number of at least 1 and at most 1000000000.")


# --help

def test_every_constant_of_the_shipped_file_has_its_line_value_and_comment():
    lines = SHIPPED.read_text(encoding='utf-8').splitlines()
    constants = [line for line in lines if re.match(r'\w+ *=', line)]
    assert [line.split()[0] for line in constants if re.fullmatch(r'[A-Z]\w* = .+?  # \S.*', line)] == [
        line.split()[0] for line in constants]
    assert sorted(line.split()[0] for line in constants) == sorted(NAMES)


@pytest.mark.parametrize('argument', ['--help', '-h'])
def test_help_shows_how_to_give_a_setting_and_all_of_the_file(capsys, argument):
    assert main.main([argument]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith('usage: python main.py [NAME=value ...]')
    assert SHIPPED.read_text(encoding='utf-8').strip() in shown
