"""Which settings a resumed run goes on with: options.json and the merge alone, without TensorFlow."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import REPO
from launching import command_in

from gans_n_roses.command_line import read_settings
from gans_n_roses.errors import BadInput
from gans_n_roses.pictures.folder import Dataset
from gans_n_roses.plan import make_plan
from gans_n_roses.runs.folders import RunFolder, how_to_go_on
from gans_n_roses.runs.options import read_options, record_options
from gans_n_roses.runs.resuming import merge_settings
from gans_n_roses.settings import RETIRED, RULES

OLD_OPTIONS = {path.parent.name: path for path in (
    Path(__file__).with_name('format_2') / 'options.json',  # as version 1.5.0 wrote it
    *Path(__file__).with_name('format_1').glob('*/options.json'))}
PICTURES = Dataset(np.zeros([20, 16, 16, 3], np.uint8), [], 0, 0, 'these')


@pytest.fixture
def project(tmp_path):
    """A project's folder with mission_control.py and two folders of pictures."""
    folder = tmp_path / 'project'
    for name in ('Dataset/Roses', 'Dataset/flowers'):
        (folder / name).mkdir(parents=True)
    (folder / 'mission_control.py').write_text((REPO / 'mission_control.py').read_text(encoding='utf-8'))
    return folder


def edit(project, **lines):
    """Change lines of mission_control.py."""
    path = project / 'mission_control.py'
    text = path.read_text(encoding='utf-8')
    for name, value in lines.items():
        text, count = re.subn(rf'(?m)^{name} = [^#]*', f'{name} = {value!r}  ', text)
        assert count == 1
    path.write_text(text, encoding='utf-8')


def begun(project, *words):
    """(run folder, options.json) of a run that was begun with this command line; nothing was trained."""
    settings = read_settings(project / 'mission_control.py', words).changed({'SEED': 1, 'PRECISION': 'float32'})
    run = RunFolder(project / 'run')
    run.path.mkdir()
    record_options(run, None, settings, PICTURES, 0)
    return run, read_options(run)


def resumed(project, run, *words):
    """(Settings that the run goes on with, remarks)."""
    settings = read_settings(project / 'mission_control.py', ['RESUME=True', *words])
    return merge_settings(settings, read_options(run), run.options)


def go_on(project, run, *words):
    """(those settings that differ from the file's, remarks); options.json records them, as a training does."""
    settings, remarks = resumed(project, run, *words)
    record_options(run, read_options(run), settings, PICTURES, 2)
    control = settings.origin.control
    return {name: value for name, value in settings.of_training().items() if value != control[name]}, remarks


def test_each_setting_comes_from_the_command_line_else_from_a_changed_line_else_from_the_run(project):
    edit(project, BATCH_SIZE=5)
    run, _ = begun(project, 'N_ITERATIONS=2', 'BATCH_SIZE=4', 'MIRROR=True', 'AUGMENT=color', 'Z_DIM=3')
    told = {'SEED': 1, 'PRECISION': 'float32', 'BATCH_SIZE': 4, 'MIRROR': True, 'AUGMENT': 'color', 'Z_DIM': 3}
    assert go_on(project, run, 'N_ITERATIONS=4') == (
        {**told, 'N_ITERATIONS': 4}, ['N_ITERATIONS: the run has 2, you set 4; the new one is used from here on'])
    # A changed line, and one that is as it was; a setting of the run itself; the command line before both.
    edit(project, BATCH_SIZE=6, GRID_EVERY=2, Z_DIM=7)
    goes_on, remarks = go_on(project, run, 'N_ITERATIONS=6', 'AUGMENT=cutout', 'SEED=9')
    del told['BATCH_SIZE']  # as the file says it now, like GRID_EVERY
    assert goes_on == {**told, 'N_ITERATIONS': 6, 'AUGMENT': 'cutout'}
    assert sorted(remarks) == [
        "AUGMENT: the run has 'color', you set 'cutout'; the new one is used from here on",
        'BATCH_SIZE: the run has 4, you set 6; the new one is used from here on',
        'GRID_EVERY: the run has 20, you set 2; the new one is used from here on',
        'N_ITERATIONS: the run has 4, you set 6; the new one is used from here on',
        "SEED: the run has 1, you set 9; the run's is used",
        "Z_DIM: the run has 3, you set 7; the run's is used"]
    assert go_on(project, run) == ({**told, 'N_ITERATIONS': 6, 'AUGMENT': 'cutout'}, [])

    history = read_options(run)['history']
    assert [entry['command_line'].get('AUGMENT') for entry in history] == ['color', None, 'cutout', None]
    assert [entry['mission_control']['BATCH_SIZE'] for entry in history] == [5, 5, 6, 6]
    assert [entry['changes'] for entry in history] == [
        {}, {'N_ITERATIONS': [2, 4]},
        {'N_ITERATIONS': [4, 6], 'BATCH_SIZE': [4, 6], 'AUGMENT': ['color', 'cutout'], 'GRID_EVERY': [20, 2]}, {}]


def test_the_printed_command_goes_on_with_what_the_command_line_set(project):
    run, options = begun(project, 'BATCH_SIZE=4', 'LEARNING_RATE=0.0004', f'RESULTS_PATH={project / "a folder"}')
    (run.path / 'Saved_Models').mkdir()
    (run.saved_models / 'train-7.index').touch()
    for _ in range(2):  # the second time with the origin of the resumed run
        origin = resumed(project, run)[0].origin
        words = command_in(how_to_go_on(run.saved_models, origin))
        settings, remarks = resumed(project, run, *words[1:])
        assert (words[0], remarks) == ('RESUME=True', [])
        assert settings.of_training() == {name: options['settings'][name] for name in settings.of_training()}
        record_options(run, read_options(run), settings, PICTURES, 7)
    assert read_options(run)['history'][-1]['changes'] == {}


def test_a_project_that_was_moved_goes_on_with_the_runs_own_pictures(project):
    begun(project, f'DATASET_PATH={project / "Dataset" / "flowers"}')
    moved = project.rename(project.with_name('moved'))
    settings, remarks = resumed(moved, RunFolder(moved / 'run'))
    assert settings.dataset_path == str(moved / 'Dataset' / 'flowers')
    assert remarks == []


def test_pictures_that_are_gone_are_not_replaced_by_those_of_the_file(project):
    run, _ = begun(project, f'DATASET_PATH={project / "Dataset" / "flowers"}')
    (project / 'Dataset' / 'flowers').rmdir()
    settings, remarks = resumed(project, run)
    assert (settings.dataset_path, remarks) == (str(project / 'Dataset' / 'flowers'), [])
    assert settings.origin.place('DATASET_PATH') == 'in the run'
    settings, remarks = resumed(project, run, f'DATASET_PATH={project / "Dataset" / "Roses"}')
    assert settings.dataset_path == str(project / 'Dataset' / 'Roses')
    assert 'the new one is used from here on' in remarks[0]
    assert settings.origin.place('DATASET_PATH') == 'on the command line'


def test_other_pictures_than_the_runs_are_refused(project):
    run, _ = begun(project)
    with pytest.raises(BadInput, match=r'on the command line, but the run .*run is trained on .*Roses.*name another'):
        resumed(project, run, f'DATASET_PATH={project / "Dataset" / "flowers"}')


def test_a_setting_that_the_run_brought_is_in_the_run(project):
    run, _ = begun(project, 'BATCH_SIZE=5', 'Z_DIM=7')
    settings, _ = resumed(project, run, 'MIRROR=True')
    places = {name: settings.origin.place(name) for name in ('BATCH_SIZE', 'Z_DIM', 'MIRROR', 'N_ITERATIONS')}
    assert places == {'BATCH_SIZE': 'in the run', 'Z_DIM': 'in the run', 'MIRROR': 'on the command line',
                      'N_ITERATIONS': 'in mission_control.py'}


# Runs of earlier versions


@pytest.fixture(params=list(OLD_OPTIONS), ids=['1.5.0', 'format 1'])
def old(request, project):
    """(run folder with the options.json of an earlier version, what it says), with pictures that are there."""
    path = OLD_OPTIONS[request.param]
    run = RunFolder(project / 'Results' / 'roses' / '2026-11-24_10-00-00_4_4_3_0.0002_0.5')
    (run.path / 'Saved_Models').mkdir(parents=True)
    (run.saved_models / 'train-3.index').touch()
    shutil.copy(path, run.options)
    for k in range(12):
        (project / 'Dataset' / 'flowers' / f'{k}.png').touch()
    return run, json.loads(path.read_text())


def test_an_earlier_versions_run_goes_on_and_what_is_retired_is_left_out(old, project):
    run, options = old
    assert len(options['settings'].keys() & RETIRED.keys()) >= 4
    words = ['RESUME=True', f'DATASET_PATH={project / "Dataset" / "flowers"}', f'RUN={run.path}', 'N_ITERATIONS=5']
    plan = make_plan(read_settings(project / 'mission_control.py', words))
    assert (plan.run, plan.options) == (run, options)
    assert any(line.startswith('The run was last trained by version ') for line in plan.remarks)
    every = options['settings']['SCALARS_EVERY']
    told = f'SCALARS_EVERY: the run has {every}; from here on losses are recorded every 10 iterations'
    assert (told in plan.remarks) == (every != 10)
    assert plan.settings.constants().keys() == RULES.keys()
    for name in ('IMAGE_SIZE', 'Z_DIM', 'SEED', 'EMA_DECAY', 'N_SAMPLES'):
        assert getattr(plan.settings, name.lower()) == options['settings'][name]
    said = options['history'][0].get('mission_control', {})
    assert plan.settings.batch_size == (options['settings']['BATCH_SIZE'] if said else 12)
    assert plan.settings.smooth == options['settings'].get('SMOOTH', 0) and plan.settings.width == 64

    record_options(run, plan.options, plan.settings, PICTURES, 3)
    after = read_options(run)
    assert (after['format'], after['settings'].keys()) == (options['format'], RULES.keys())
    assert after['history'][:-1] == options['history']
    changes = after['history'][-1]['changes']
    assert changes['N_ITERATIONS'] == [3, 5] and not changes.keys() & RETIRED.keys()


def test_an_earlier_versions_run_makes_roses(old, project):
    run, options = old
    plan = make_plan(read_settings(project / 'mission_control.py', ['LOAD=True', f'RUN={run.path}', 'SEED=5']))
    assert (plan.run, plan.options, plan.settings.seed) == (run, options, 5)
