"""Which settings a resumed run goes on with: the merge alone, without a run."""

import dataclasses
from pathlib import Path

import pytest
from conftest import REPO

from gans_n_roses.errors import BadInput
from gans_n_roses.runs.resuming import merge_settings
from gans_n_roses.settings import read_settings

SOURCE = Path('run/options.json')


@pytest.fixture
def project(tmp_path):
    """A project's folder with mission_control.py and two folders of pictures."""
    folder = tmp_path / 'project'
    for name in ('Dataset/Roses', 'Dataset/flowers'):
        (folder / name).mkdir(parents=True)
    (folder / 'mission_control.py').write_text((REPO / 'mission_control.py').read_text(encoding='utf-8'))
    return folder


def begun(project, *arguments):
    """What options.json holds of a run that was begun with this command line."""
    settings = read_settings(project / 'mission_control.py', arguments)
    return {'settings': dataclasses.replace(settings, seed=1, precision='float32').constants(), 'history': [
        {'mission_control': settings.origin.control, 'folder': str(settings.origin.folder)}]}


def resumed(project, options, *arguments):
    return merge_settings(read_settings(project / 'mission_control.py', ['RESUME=True', *arguments]), options, SOURCE)


def test_a_project_that_was_moved_goes_on_with_the_runs_own_pictures(project):
    options = begun(project, f'DATASET_PATH={project / "Dataset" / "flowers"}')
    moved = project.rename(project.with_name('moved'))
    settings, remarks = resumed(moved, options)
    assert settings.dataset_path == str(moved / 'Dataset' / 'flowers')
    assert remarks == []


def test_pictures_that_are_gone_are_not_replaced_by_those_of_the_file(project):
    options = begun(project, f'DATASET_PATH={project / "Dataset" / "flowers"}')
    (project / 'Dataset' / 'flowers').rmdir()
    settings, remarks = resumed(project, options)
    assert (settings.dataset_path, remarks) == (str(project / 'Dataset' / 'flowers'), [])
    assert settings.origin.place('DATASET_PATH') == 'in the run'
    settings, remarks = resumed(project, options, f'DATASET_PATH={project / "Dataset" / "Roses"}')
    assert settings.dataset_path == str(project / 'Dataset' / 'Roses')
    assert 'the new one is used from here on' in remarks[0]
    assert settings.origin.place('DATASET_PATH') == 'on the command line'


def test_other_pictures_than_the_runs_are_refused(project):
    options = begun(project)
    with pytest.raises(BadInput, match=r'on the command line, but the run run is trained on .*Roses.*name another run'):
        resumed(project, options, f'DATASET_PATH={project / "Dataset" / "flowers"}')


def test_a_setting_that_the_run_brought_is_in_the_run(project):
    settings, _ = resumed(project, begun(project, 'BATCH_SIZE=5', 'Z_DIM=7'), 'MIRROR=True')
    places = {name: settings.origin.place(name) for name in ('BATCH_SIZE', 'Z_DIM', 'MIRROR', 'N_ITERATIONS')}
    assert places == {'BATCH_SIZE': 'in the run', 'Z_DIM': 'in the run', 'MIRROR': 'on the command line',
                      'N_ITERATIONS': 'in mission_control.py'}
