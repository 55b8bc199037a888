"""The plan: what is decided, and refused in one sentence, before TensorFlow starts."""

import os
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPO
from launching import make_pictures

from gans_n_roses import plan as planning
from gans_n_roses.command_line import read_settings
from gans_n_roses.errors import BadInput
from gans_n_roses.pictures.folder import Dataset
from gans_n_roses.plan import make_plan
from gans_n_roses.runs import shipped
from gans_n_roses.runs.folders import RunFolder, find_run
from gans_n_roses.runs.options import record_options
from gans_n_roses.workers.cluster import Cluster

SITE = """
import sys
class Block:
    def find_spec(self, name, *_):
        if name.partition('.')[0] in {blocked}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Block())
"""


@pytest.fixture
def run(tmp_path):
    """Function: main.py, or another program, in tmp_path, where some packages are as if they were not installed."""
    def start(*words, blocked=('tensorflow',), folder=tmp_path, program=(str(REPO / 'main.py'),)):
        site = tmp_path / 'site'
        site.mkdir(exist_ok=True)
        (site / 'sitecustomize.py').write_text(SITE.format(blocked=set(blocked)))
        path = os.pathsep.join([str(site), str(REPO)])
        return subprocess.run([sys.executable, *program, *words], cwd=folder, text=True, capture_output=True,
                              env={**os.environ, 'PYTHONPATH': path})
    return start


@pytest.fixture
def pictures(tmp_path):
    return make_pictures(tmp_path / 'pictures')


def planned(*words, **how):
    """The Plan for a command line."""
    return make_plan(read_settings(REPO / 'mission_control.py', words), **how)


def assert_told(words, *parts):
    """The command line is refused in one sentence with these parts."""
    with pytest.raises(BadInput) as refused:
        planned(*words)
    sentence = str(refused.value)
    assert '\n' not in sentence
    for part in parts:
        assert str(part) in sentence, f'{part} is not in: {sentence}'


def remarks(settings):
    return list(make_plan(settings).remarks)


# By processes in which importing TensorFlow is a fault

def test_missing_packages_are_told_with_the_command_that_installs_them(run, pictures):
    for blocked in (['tensorflow'], ['numpy'], ['PIL'], ['tqdm']):
        assert_missing(run(f'DATASET_PATH={pictures}', 'BATCH_SIZE=4', blocked=blocked))
    assert run('--help', blocked=['tensorflow', 'numpy', 'PIL']).returncode == 0


def assert_missing(done):
    assert done.returncode == 2, done.stderr
    assert 'Traceback' not in done.stderr and done.stderr.strip().count('\n') == 0
    assert f'is not installed for this Python ({sys.executable}).' in done.stderr
    assert f'{sys.executable} -m pip install -r {REPO / "requirements.txt"}' in done.stderr


@pytest.mark.parametrize(('program', 'words', 'package'), [
    ('download', [], 'tqdm'), ('launch', ['--workers', '2'], 'numpy'), ('ship', ['Results/roses/mine'], 'numpy')])
def test_the_tools_tell_missing_packages_too(run, tmp_path, program, words, package):
    out = ['--out', tmp_path / 'out'] if program == 'download' else []
    assert_missing(run(*words, *out, blocked=[package], program=['-m', f'gans_n_roses.tools.{program}']))


def test_main_tells_a_refusal_in_one_sentence_before_tensorflow(run, tmp_path):
    done = run('DATASET_PATH=nosuch')
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.strip() == (f"DATASET_PATH is '{tmp_path / 'nosuch'}' on the command line, but there is no such "
                                   'folder: set it to a folder of pictures.')


# The plan of a new run

def test_a_new_run_gets_its_seed_recipe_and_start(pictures):
    words = [f'DATASET_PATH={pictures}', 'BATCH_SIZE=4']
    plain = planned(*words)
    assert 0 <= plain.settings.seed < 2**32 and plain.asked.seed is None
    assert (plain.run, plain.options, plain.start, plain.shipped, plain.recipe) == (None, None, None, None, ())
    taken = planned(*words, 'RECIPE=auto', 'MIRROR=False')
    assert (taken.settings.start_from, taken.settings.mirror, taken.settings.ema_decay) == ('shipped', False, 0.999)
    assert taken.shipped.image_size == 64 and 'START_FROM=shipped' in taken.recipe[0]
    assert taken.asked.start_from == ''


def test_a_follower_leaves_the_decisions_to_the_first_worker(pictures):
    plan = planned(f'DATASET_PATH={pictures}', 'BATCH_SIZE=4', 'RECIPE=auto', cluster=Cluster(('a:1', 'b:2'), 1))
    assert plan.settings == plan.asked and plan.shipped is None


def test_folders_of_pictures(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_told(('DATASET_PATH=nosuch',), f"DATASET_PATH is '{tmp_path / 'nosuch'}' on the command line",
                'there is no such folder')
    assert_told((f'DATASET_PATH={pictures / "0.png"}',), f"'{pictures / '0.png'}' on the command line",
                'that is a file', 'set it to a folder of pictures')


def test_more_in_a_batch_than_there_are_files(pictures):
    assert_told((f'DATASET_PATH={pictures}',), 'BATCH_SIZE is 12 in mission_control.py', 'holds 8 files')
    assert_told((f'DATASET_PATH={pictures}', 'BATCH_SIZE=9'), 'BATCH_SIZE is 9 on the command line', '8 files')


def test_a_folder_that_cannot_be_listed_is_no_file(pictures, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path).startswith('shut'):
            raise PermissionError(13, 'Permission denied', str(path))
        return scandir(path)

    (pictures / 'shut').mkdir()
    (pictures / '@eaDir').mkdir()
    monkeypatch.setattr(os, 'scandir', refuse)
    assert_told((f'DATASET_PATH={pictures}',), 'holds 8 files')
    for number in range(1, 8):
        (pictures / f'{number}.png').unlink()
    assert_told((f'DATASET_PATH={pictures}',), 'holds one file: set BATCH_SIZE to at most 1')
    assert_told((f'DATASET_PATH={pictures / "shut"}',),
                'on the command line, but it cannot be listed (Permission denied): set it to a folder of pictures.')


@pytest.mark.parametrize('what', ['LOAD', 'RESUME'])
def test_runs_that_are_not_there(tmp_path, what):
    results = tmp_path / 'results'
    assert_told((f'{what}=True', f'RESULTS_PATH={results}'), f'There is no run in {results / "roses"} yet: train')
    assert_told((f'{what}=True', f'RESULTS_PATH={results}', 'RUN=mine'), "RUN is 'mine', but there is no such")
    for name in ('cats', 'dogs'):
        saved = results / name / '2026-01-02_03-04-05_100_12_30_0.0002_0.5' / 'Saved_Models'
        saved.mkdir(parents=True)
        (saved / 'train-1.index').touch()
    assert_told((f'{what}=True', f'RESULTS_PATH={results}'),
                "DATASET_CHOSEN 'cats' or 'dogs' has some. Set it so, or train first")


@pytest.mark.parametrize(('words', 'name'), [
    (['RUN=latest2'], 'RUN'), (['CHECKPOINT=best'], 'CHECKPOINT'), (['SAMPLE_AS=images'], 'SAMPLE_AS'),
    (['N_FRAMES=60'], 'N_FRAMES'), (['PROJECT=rose.jpg'], 'PROJECT'),
    (['RESUME=True', 'SAMPLE_AS=images'], 'SAMPLE_AS')])
def test_settings_of_load_without_load_are_refused_on_the_command_line(words, name):
    assert_told((*words,), f'{name} is ', 'on the command line, but does nothing without LOAD=True', 'leave')


def test_settings_of_load_in_the_file_are_told(make_settings, pictures):
    settings = make_settings(dataset_path=str(pictures), batch_size=4, run='mine', checkpoint='best')
    assert remarks(settings) == [
        "RUN is 'mine' in mission_control.py, but does nothing without LOAD=True or RESUME=True.",
        "CHECKPOINT is 'best' in mission_control.py, but does nothing without LOAD=True or START_FROM."]
    assert remarks(make_settings(dataset_path=str(pictures), batch_size=4)) == []


@pytest.mark.parametrize('what', ['LOAD', 'RESUME'])
@pytest.mark.parametrize('word', ['START_FROM=roses', 'START_FROM=shipped', 'RECIPE=auto'])
def test_what_a_run_takes_when_it_begins_is_refused_later(results, what, word):
    assert_told((f'{what}=True', f'RESULTS_PATH={results}', word), f'{word.partition("=")[0]} is ',
                f'on the command line, but does nothing with {what}=True, only where a run begins: leave')


@pytest.mark.parametrize('words', [
    ['SMOOTH=True'], ['IMAGE_SIZE=128', 'Z_DIM=50'], ['IMAGE_SIZE=64'], ['BATCH_SIZE=3'], ['N_ITERATIONS=5'],
    ['LEARNING_RATE=0.1'], ['MIRROR=True'], ['AUGMENT=color'], ['EMA_DECAY=0.9'], ['PRECISION=bfloat16'],
    ['STOP_WHEN=no better'], ['GRID_EVERY=3'], ['CHECKPOINTS_KEPT=3'], ['RUN=shipped', 'IMAGE_SIZE=128']],
    ids=lambda words: words[-1])
def test_what_load_is_told_of_training_is_refused(results, words):
    names = ', '.join(word.partition('=')[0] for word in words if not word.startswith('RUN='))
    assert_told(('LOAD=True', f'RESULTS_PATH={results}', *words), f'The command line sets {names}, which does nothing '
                'with LOAD=True', f'Leave {names} out')


def test_load_may_be_added_to_the_words_that_a_run_was_begun_with(results):
    """What the run has, and what means "not set", passes."""
    words = [f'RESULTS_PATH={results}', 'DATASET_CHOSEN=roses', f'DATASET_PATH={results}', 'IMAGE_SIZE=32', 'Z_DIM=50',
             'BATCH_SIZE=3', 'N_ITERATIONS=1e3', 'LEARNING_RATE=1e-3', 'MIRROR=True', 'AUGMENT=color', 'N_SAMPLES=3',
             'RECIPE=article', 'START_FROM=']
    record_options(find_run(str(results), 'roses', 'latest'), None, read_settings(REPO / 'mission_control.py', words),
                   Dataset(np.zeros([20, 16, 16, 3], np.uint8), [], 0, 0, 'these'), 0)
    assert planned(*words, 'LOAD=True', 'SEED=4', 'PRECISION=auto').remarks == ()
    assert_told((*words, 'LOAD=True', 'BATCH_SIZE=4'), 'The command line sets BATCH_SIZE, which does nothing')


def test_what_a_run_takes_when_it_begins_may_stay_in_the_file(make_settings, results):
    assert remarks(make_settings(load=True, results_path=str(results), start_from='no such run', recipe='auto')) == []


def test_no_checkpoint_of_the_shipped_model_is_chosen(make_settings, tmp_path):
    assert remarks(make_settings(load=True, run='shipped', results_path=str(tmp_path), checkpoint='best')) == [
        "CHECKPOINT is 'best' in mission_control.py, but does nothing with the shipped model, which has no other."]
    assert_told(('LOAD=True', 'RUN=shipped', 'CHECKPOINT=best'), 'CHECKPOINT is', 'shipped model', 'leave')


def test_the_shipped_model_where_there_is_none_or_where_a_run_is_wanted(make_settings, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, 'FILE', tmp_path / 'none.npz')
    for changes, named in (({'load': True, 'run': 'shipped'}, 'RUN'), ({'start_from': 'shipped'}, 'START_FROM')):
        with pytest.raises(BadInput, match=f"^{named} is 'shipped', but this copy of the project has no shipped model: "
                                           f'there is no .*none.npz.*leave {named} out.$'):
            remarks(make_settings(dataset_path=str(pictures), batch_size=4, **changes))
    with pytest.raises(BadInput, match=r"^RUN is 'shipped' .*RESUME goes on with a run of your own: START_FROM="):
        remarks(make_settings(resume=True, run='shipped'))


def test_a_run_to_start_from_that_is_not_there(pictures, results):
    words = [f'DATASET_PATH={pictures}', 'BATCH_SIZE=4', f'RESULTS_PATH={results}']
    assert_told((*words, 'START_FROM=mine'), "START_FROM is 'mine', but there is no such folder")
    assert_told((*words, 'START_FROM=latest'), f'There is no run in {results / "pictures"} yet',
                "START_FROM 'roses' or 'two' has some. Set it so, or set START_FROM = ''")


def test_a_folder_that_gives_its_name_to_the_runs_is_told(pictures):
    arguments = [f'DATASET_PATH={pictures}', 'BATCH_SIZE=4']
    sentence, = planned(*arguments).remarks
    assert sentence == ("Runs are kept under 'pictures', the name of the folder of pictures: DATASET_CHOSEN=… gives "
                        'another.')
    assert planned(*arguments, 'DATASET_CHOSEN=mine').remarks == ()


@pytest.mark.parametrize('name', ['Z_DIM', 'N_SAMPLES'])
def test_what_does_not_fit_into_memory(pictures, name):
    assert_told((f'DATASET_PATH={pictures}', 'BATCH_SIZE=4', f'{name}=1e9'),
                f'{name} is 1000000000 on the command line, which needs', 'GB of memory', f'lower {name}')


def test_any_number_of_iterations_fits_into_memory(pictures):
    assert planned(f'DATASET_PATH={pictures}', 'BATCH_SIZE=4', 'N_ITERATIONS=1e9').settings.n_iterations == 10**9


def test_a_batch_that_does_not_fit_into_memory(make_settings, tmp_path, monkeypatch):
    for number in range(500):
        (tmp_path / f'{number}.png').touch()
    monkeypatch.setattr(planning.os, 'sysconf', {'SC_PHYS_PAGES': 2**18, 'SC_PAGE_SIZE': 2**12}.get)
    assert remarks(make_settings(dataset_path=str(tmp_path), batch_size=12)) == []
    with pytest.raises(BadInput, match=r'BATCH_SIZE is 400 in mission_control\.py, which needs some 1\.7 GB of '
                                       r'memory, but this program may have 1\.0 GB: lower BATCH_SIZE\.'):
        make_plan(make_settings(dataset_path=str(tmp_path), batch_size=400))


@pytest.mark.parametrize(('groups', 'files', 'bytes_allowed'), [
    ('0::/\n', {'memory.max': '12345'}, 12345),  # as a container sees itself
    ('0::/\n', {'memory.max': 'max'}, 2**30),
    ('0::/a.slice/b.scope\n', {'a.slice/memory.max': '12345', 'a.slice/b.scope/memory.max': '99999'}, 12345),
    ('5:cpu:/b\n4:memory:/b\n0::/\n', {'memory/b/memory.limit_in_bytes': '12345'}, 12345),
    ('4:hugetlb,memory:/not/seen/here\n', {'memory/memory.limit_in_bytes': '12345'}, 12345),
    ('4:memory:/\n', {'memory/memory.limit_in_bytes': str(2**63 - 4096)}, 2**30),
    ('', {}, 2**30)])
def test_a_containers_limit_of_memory_is_known(tmp_path, monkeypatch, groups, files, bytes_allowed):
    monkeypatch.setattr(planning.os, 'sysconf', {'SC_PHYS_PAGES': 2**18, 'SC_PAGE_SIZE': 2**12}.get)
    for name, text in {'groups': groups, **{f'root/{file}': text for file, text in files.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert planning._memory(tmp_path / 'groups', tmp_path / 'root') == bytes_allowed


def test_a_users_limit_of_memory_is_known(tmp_path, monkeypatch):
    resource = pytest.importorskip('resource')
    monkeypatch.setattr(resource, 'getrlimit', lambda _: (12345, resource.RLIM_INFINITY))
    assert planning._memory(tmp_path / 'no groups') == 12345


@pytest.fixture
def results(tmp_path):
    """A RESULTS_PATH with two data sets that have a run each."""
    for name in ('roses', 'two'):
        saved = tmp_path / name / '2026-01-02_03-04-05_100_12_30_0.0002_0.5' / 'Saved_Models'
        saved.mkdir(parents=True)
        (saved / 'train-1.index').touch()
    return tmp_path


@pytest.mark.parametrize(('words', 'name'), [
    (['SAMPLE_AS=images', 'N_SAMPLES=1e9'], 'N_SAMPLES'), (['SAMPLE_AS=interpolation', 'N_FRAMES=1e9'], 'N_FRAMES'),
    (['SAMPLE_AS=frames', 'N_FRAMES=1e9'], 'N_FRAMES')])
def test_what_load_has_no_room_for(results, words, name):
    assert_told(('LOAD=True', f'RESULTS_PATH={results}', *words), f'{name} is 1000000000 on the command line', 'GB')


@pytest.mark.parametrize('kind', ['interpolation', 'frames', 'grid,frames'])
@pytest.mark.parametrize(('words', 'said'), [
    (['N_SAMPLES=1'], 'N_SAMPLES is 1'), (['SEED=7,'], 'SEED is [7]'),
    (['SEED=7,12,40', 'N_FRAMES=2'], 'SEED is [7, 12, 40]')])
def test_a_walk_from_one_rose_or_of_fewer_frames_than_roses_is_refused(results, kind, words, said):
    assert_told(('LOAD=True', f'RESULTS_PATH={results}', f'SAMPLE_AS={kind}', *words), f'{said} on the command line',
                'at least 2 roses')


# Chosen seeds

@pytest.mark.parametrize('words', [['SEED=7,12,40'], ['SEED=7,12,40', 'N_SAMPLES=3']])
def test_a_list_of_seeds_says_how_many_roses(results, words):
    plan = planned('LOAD=True', f'RESULTS_PATH={results}', *words)
    assert (plan.settings.seed, plan.settings.n_samples, plan.remarks) == ([7, 12, 40], 3, ())


def test_another_number_of_roses_than_seeds_is_refused(results, make_settings):
    assert_told(('LOAD=True', f'RESULTS_PATH={results}', 'SEED=7,12,40', 'N_SAMPLES=12'), 'N_SAMPLES is 12 on the '
                'command line, but SEED lists 3 on the command line', 'leave N_SAMPLES out')
    plan = make_plan(make_settings(load=True, results_path=str(results), seed=[7, 12], n_samples=40))  # in the file
    assert plan.settings.n_samples == 2


@pytest.mark.parametrize('words', [[], ['RESUME=True'], ['RECIPE=auto'], ['START_FROM=latest']], ids=str)
def test_a_list_of_seeds_is_for_load_alone(results, pictures, make_settings, words):
    here = [f'RESULTS_PATH={results}', f'DATASET_PATH={pictures}', 'BATCH_SIZE=4', *words]
    assert_told((*here, 'SEED=7,12'), 'SEED is [7, 12] on the command line, but only LOAD=True makes roses of a list')
    with pytest.raises(BadInput, match=r'^SEED is \[7\] in mission_control.py, but only LOAD=True'):
        make_plan(make_settings(seed=[7], resume='RESUME=True' in words))


# The iteration of a checkpoint

@pytest.mark.parametrize(('iteration', 'name'), [(600, 'train-600'), (500, 'train-500'), (400, 'best-400')])
@pytest.mark.parametrize('run', ['2026-01-02_03', 'path', 'Saved_Models'])
def test_checkpoint_may_be_an_iteration(several, pictures, tmp_path, iteration, name, run):
    folder = several('roses/2026-01-02_03-04-05')
    run = {'path': folder, 'Saved_Models': folder / 'Saved_Models'}.get(run, run)
    words = [f'RESULTS_PATH={tmp_path}', f'CHECKPOINT={iteration}']
    assert planned('LOAD=True', f'RUN={run}', *words).run == RunFolder(folder, name)
    here = [f'DATASET_PATH={pictures}', 'DATASET_CHOSEN=roses', 'BATCH_SIZE=4']
    assert planned(f'START_FROM={run}', *here, *words).start == RunFolder(folder, name)


def test_of_one_iteration_the_best_checkpoint_comes_after_the_other(several):
    folder = several('roses/2026-01-02_03-04-05')
    (folder / 'Saved_Models' / 'best-600.index').touch()
    assert planned('LOAD=True', f'RUN={folder}', 'CHECKPOINT=600').run.checkpoint == 'train-600'


@pytest.mark.parametrize('setting', ['RUN', 'START_FROM'])
def test_an_iteration_without_a_checkpoint_is_told_with_those_there_are(several, pictures, setting):
    folder = several('roses/2026-01-02_03-04-05')
    words = ['LOAD=True'] if setting == 'RUN' else [f'DATASET_PATH={pictures}', 'BATCH_SIZE=4']
    assert_told((*words, f'{setting}={folder}', 'CHECKPOINT=1234'), 'CHECKPOINT is 1234 on the command line, but there '
                f'is no such checkpoint in {folder}/Saved_Models: there are best-400, train-500, train-600.')


def test_an_iteration_does_nothing_where_no_checkpoint_is_chosen(several, tmp_path, make_settings):
    named = several('roses/2026-01-02_03-04-05') / 'Saved_Models' / 'train-500'
    for run, why in ((str(named), 'train-500, which is a checkpoint itself'), ('shipped', 'which has no other')):
        assert_told(('LOAD=True', f'RUN={run}', 'CHECKPOINT=600'), 'CHECKPOINT is 600 on the command line', why)
        plan = make_plan(make_settings(load=True, run=run, checkpoint=600, results_path=str(tmp_path)))
        assert why in plan.remarks[0] and plan.run.checkpoint in ('', 'train-500')
    for words in ([], ['RESUME=True']):
        assert_told((*words, 'CHECKPOINT=600'), 'CHECKPOINT is 600', 'does nothing without LOAD=True or START_FROM')


def test_what_no_rose_is_looked_for_is_refused(results, monkeypatch):
    monkeypatch.chdir(results)
    words = ('LOAD=True', f'RESULTS_PATH={results}')
    for wrong in ('nothing.jpg', 'roses/nothing', 'a' * 300, 'a/' * 3000):
        assert_told((*words, f'PROJECT={wrong}'), "PROJECT is '", ' on the command line, but there is no such '
                    'file or folder')
    for kinds in ('page', 'grid,images', 'interpolation,measures', 'savedmodel'):
        assert_told((*words, 'PROJECT=roses', f'SAMPLE_AS={kinds}'), f'SAMPLE_AS is {kinds!r} on the command line',
                    "'interpolation' for a walk from picture to picture")
    planned(*words, 'PROJECT=roses', 'SAMPLE_AS=interpolation', 'N_SAMPLES=1')  # pictures are counted when read


@pytest.mark.parametrize('words', [
    [f'RESULTS_PATH={"a" * 300}'], ['RESULTS_PATH=' + 'a/' * 3000], [f'RUN={"a" * 300}'], [f'RUN=x/{"a" * 300}']],
    ids=['results', 'long results', 'run', 'path'])
def test_names_that_are_too_long_for_the_system(words):
    assert_told(('LOAD=True', *words))


def test_a_number_that_is_none_to_python_in_the_name_of_a_folder(results):
    (results / 'roses' / '2026-01-02_00-00-00_4_4_3_0.1_0.5_²').mkdir()
    assert find_run(str(results), 'roses', 'latest').path.name == '2026-01-02_03-04-05_100_12_30_0.0002_0.5'


def test_run_may_be_the_folder_of_a_data_set(results):
    for run in (str(results / 'two'), 'two'):
        assert find_run(str(results), 'roses', run).path.parent == results / 'two'


# The names of runs

@pytest.fixture
def several(tmp_path, monkeypatch):
    """Function: path of one of the runs in a RESULTS_PATH, by its data set and its name up to the '_100'."""
    for place, checkpoints in {'roses/2026-01-02_03-04-05': ['train-600', 'best-400', 'train-500'],
                               'roses/2026-01-02_16-15-01': ['train-20'], 'roses/2026-01-02_16-15-07': ['train-7'],
                               'roses/2026-03-01_00-00-00': ['train-1'], 'roses/2026-03-02_00-00-00': ['train-1'],
                               'two/2026-05-01_00-00-00': ['train-9'], 'two/2026-01-02_03-04-05': ['train-3']}.items():
        saved = tmp_path / f'{place}_100_12_30_0.0002_0.5' / 'Saved_Models'
        saved.mkdir(parents=True)
        for name in checkpoints:
            (saved / f'{name}.index').touch()
            (saved / f'{name}.data-00000-of-00001').touch()
    (tmp_path / 'roses' / '2026-03-02_00-00-00_100_12_30_0.0002_0.5_2' / 'Saved_Models').mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return lambda place: tmp_path / f'{place}_100_12_30_0.0002_0.5'


@pytest.mark.parametrize(('run', 'means'), [
    ('2026-01-02_03', 'roses/2026-01-02_03-04-05'), ('2026-01-02_16-15-07', 'roses/2026-01-02_16-15-07'),
    ('2026-01-02_16-15-07_100_12', 'roses/2026-01-02_16-15-07'),
    ('2026-05', 'two/2026-05-01_00-00-00'),  # none in DATASET_CHOSEN begins so
    ('two/2026-01', 'two/2026-01-02_03-04-05'), ('./roses/2026-01-02_03', 'roses/2026-01-02_03-04-05'),
    ('2026-03-02_00-00-00_100_12_30_0.0002_0.5', 'roses/2026-03-02_00-00-00')])  # a whole name
@pytest.mark.parametrize('setting', ['RUN', 'START_FROM'])
def test_a_run_may_be_named_by_the_beginning_of_its_name(several, tmp_path, run, means, setting):
    run = run if '/' not in run else str(tmp_path / run)
    assert find_run(str(tmp_path), 'roses', run, setting) == RunFolder(several(means))


def test_a_beginning_of_several_names_is_refused_with_these(several, tmp_path):
    here = ['LOAD=True', f'RESULTS_PATH={tmp_path}']
    both = [several(f'roses/2026-01-02_16-15-0{second}').name for second in (1, 7)]
    assert_told((*here, 'RUN=2026-01-02_16-15'), "RUN is '2026-01-02_16-15', but 2 runs in", *both, 'more of the name')
    assert_told((*here, 'RUN=2026'), '6 runs in', '… 2026-01-02_16-15-01')
    assert_told((*here, 'RUN=2027'), "RUN is '2027', but there is no such folder")


@pytest.mark.parametrize(('path', 'checkpoint'), [
    ('Saved_Models', ''), ('Saved_Models/', ''), ('Saved_Models/train-600', 'train-600'),
    ('Saved_Models/train-500', 'train-500'), ('Saved_Models/best-400', 'best-400'),
    ('Saved_Models/train-600.index', 'train-600'), ('Saved_Models/train-500.data-00000-of-00001', 'train-500'),
    ('Saved_Models/train-600.', 'train-600')])
@pytest.mark.parametrize('setting', ['RUN', 'START_FROM'])
def test_a_checkpoint_and_its_folder_name_their_run(several, path, checkpoint, setting):
    run = several('roses/2026-01-02_03-04-05')
    assert find_run('Results', 'roses', f'{run}/{path}', setting) == RunFolder(run, checkpoint)


def test_a_run_that_was_renamed_like_a_checkpoint_is_a_run(several, tmp_path):
    renamed = several('roses/2026-01-02_03-04-05').rename(tmp_path / 'roses' / 'best-1')
    for run in ('best-1', str(renamed)):
        plan = planned('LOAD=True', f'RESULTS_PATH={tmp_path}', f'RUN={run}', 'CHECKPOINT=best')
        assert plan.run == RunFolder(renamed)


def test_checkpoints_that_are_not_there_or_not_the_one_to_go_on_from(several):
    saved = several('roses/2026-01-02_03-04-05') / 'Saved_Models'
    assert_told(('LOAD=True', f'RUN={saved}/train-60'), 'but there is no such checkpoint in',
                'there are best-400, train-500, train-600.')
    assert_told(('LOAD=True', f'RUN={saved.parent}x/Saved_Models/train-60'), 'there is no such folder')
    assert_told(('RESUME=True', f'RUN={saved}/train-500'), 'RUN names train-500, but RESUME goes on from the newest '
                f'checkpoint, train-600: give RUN={saved.parent}')
    assert_told(('LOAD=True', f'RUN={saved}/train-500', 'CHECKPOINT=best'), "CHECKPOINT is 'best' on the command line, "
                'but does nothing with train-500, which is a checkpoint itself')


def test_a_latest_run_that_made_less_than_another_is_told_with_the_others_command(several, pictures, tmp_path):
    here, most = f'RESULTS_PATH={tmp_path}', several('roses/2026-01-02_03-04-05')
    shutil.rmtree(tmp_path / 'roses' / '2026-03-02_00-00-00_100_12_30_0.0002_0.5_2')
    said = planned('LOAD=True', here, 'SEED=3').remarks[-1]
    assert said.startswith('The latest run is at iteration 1. The one that made most, 600: ')
    again = shlex.split(said.partition('600: ')[2])[2:]
    assert again == ['LOAD=True', here, 'SEED=3', f'RUN={most}']
    assert planned(*again).remarks == ()
    words = ['START_FROM=latest', f'DATASET_PATH={pictures}', 'BATCH_SIZE=4', 'DATASET_CHOSEN=roses', here]
    assert planned(*words).remarks[-1].endswith(f'START_FROM={most} {shlex.join(words[1:])}')
    assert planned('LOAD=True', here, 'RUN=2026-03-01').remarks == ()  # asked for
