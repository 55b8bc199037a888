"""A package that is missing: told with the Python that has it, or with the command that installs it."""

import sys

import pytest

from gans_n_roses.errors import BadInput, missing_package


def told(requirements):
    with pytest.raises(BadInput) as refused, missing_package(requirements):
        import nosuch_package  # noqa: F401
    sentence = str(refused.value)
    assert sentence.startswith(f"The package 'nosuch_package' is not installed for this Python ({sys.executable}). ")
    return sentence


@pytest.fixture
def environment(tmp_path):
    """A .venv with its interpreter."""
    python = tmp_path / '.venv/bin/python'
    python.parent.mkdir(parents=True)
    python.touch()
    return tmp_path / '.venv'


def test_the_environment_beside_main_is_named(environment):
    sentence = told(environment.with_name('requirements.txt'))
    assert f'start with {environment}/bin/python instead.' in sentence and 'pip' not in sentence


def test_a_package_that_the_environment_itself_lacks_is_installed(monkeypatch, environment):
    monkeypatch.setattr(sys, 'prefix', str(environment))
    requirements = environment.with_name('requirements.txt')
    assert told(requirements).endswith(f': {sys.executable} -m pip install -r {requirements}')


@pytest.mark.parametrize('place', ['.', '.venv'])
def test_without_an_environment_that_works_packages_are_installed(tmp_path, place):
    (tmp_path / place).mkdir(exist_ok=True)
    requirements = tmp_path / 'requirements.txt'
    assert told(requirements).endswith(f': {sys.executable} -m pip install -r {requirements}')
