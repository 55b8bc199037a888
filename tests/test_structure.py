"""The package's shape: who may import whom, what loads without TensorFlow, how long a file may be."""

import ast
import re
import subprocess
import sys

import pytest
from conftest import REPO

PACKAGE = 'gans_n_roses'
FILES = sorted((REPO / PACKAGE).glob('**/*.py'))
MODULES = sorted(path.stem for path in FILES if path.stem != '__init__')
# Imports go down only: a module imports from lines below its own.
LAYERS = [
    ['main'],
    ['training', 'sampling'],
    ['measuring'],
    ['saved_generator', 'graph', 'monitor', 'introduction', 'resuming'],
    ['restoring'],
    ['checkpoints'],
    ['models', 'data', 'images', 'results', 'precision', 'stopping', 'noise', 'augment', 'penalty', 'metrics',
     'download'],
    ['session'],
    ['ops', 'settings', 'usage', 'advice', 'files', 'quiet', 'output'],
    ['errors'],
]
LAYER = {module: depth for depth, modules in enumerate(LAYERS) for module in modules}
WITHOUT_TENSORFLOW = ['advice', 'data', 'download', 'errors', 'files', 'images', 'metrics', 'noise', 'output', 'quiet',
                      'results', 'resuming', 'settings', 'stopping', 'usage']


def parse(path):
    return ast.parse(path.read_text(encoding='utf-8'))


def imports(tree):
    """(full name of the imported module, names taken from it), for imports inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'imports name the package in full'
            yield node.module, [alias.name for alias in node.names]


def own_imports(tree):
    """The package's modules that are imported."""
    for name, taken in imports(tree):
        if name == PACKAGE:
            yield from taken
        elif name.startswith(PACKAGE + '.'):
            yield name.split('.')[1]


def each_file(paths):
    return pytest.mark.parametrize('path', paths, ids=[path.stem for path in paths])


def test_every_module_has_its_layer():
    assert MODULES
    assert set(MODULES) <= LAYER.keys()


@each_file([REPO / 'main.py', *FILES])
def test_imports_go_down_the_layers(path):
    for imported in own_imports(parse(path)):
        assert LAYER[imported] > LAYER[path.stem], f'{path.stem} imports {imported}'


@each_file(FILES)
def test_nothing_in_the_package_imports_mission_control_or_main(path):
    for name, taken in imports(parse(path)):
        assert not {'mission_control', 'main'} & {name, *taken}


def test_mission_control_imports_nothing():
    assert not list(imports(parse(REPO / 'mission_control.py')))


def test_the_layers_of_the_networks_know_no_other_module():
    assert not list(own_imports(parse(REPO / PACKAGE / 'ops.py')))


@each_file([REPO / 'main.py', *FILES])
def test_no_star_imports(path):
    assert all('*' not in taken for _, taken in imports(parse(path)))


@pytest.mark.parametrize('modules', [
    [f'{PACKAGE}.{name}' for name in WITHOUT_TENSORFLOW if name in MODULES], ['main']], ids=['package', 'main'])
def test_loads_without_tensorflow(modules):
    code = f'import sys, {", ".join(modules)}; print([name for name in sys.modules if name.startswith("tensor")])'
    found = subprocess.run([sys.executable, '-c', code], cwd=REPO, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == '[]'


@each_file(FILES)
def test_a_file_is_at_most_300_lines(path):
    assert len(path.read_text(encoding='utf-8').splitlines()) <= 300


def test_main_is_under_40_lines():
    assert len((REPO / 'main.py').read_text(encoding='utf-8').splitlines()) < 40


@each_file([REPO / 'main.py', *FILES])
def test_a_broad_except_says_why_on_its_line_or_raises_again(path):
    lines = path.read_text(encoding='utf-8').splitlines()
    for node in ast.walk(parse(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {'all'}
        raises_again = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
        if caught & {'Exception', 'BaseException', 'all'} and not raises_again:
            line = lines[node.lineno - 1]
            assert re.search(r'except \(?Exception\b.*:  # \w', line), f'{path.name}, line {node.lineno}: {line}'


@pytest.mark.parametrize('name', ['few_pictures', 'loading', 'start_up', 'training_step'])
def test_benchmarks_find_what_they_import(name):
    process = subprocess.run([sys.executable, REPO / 'benchmarks' / f'{name}.py', '--help'], capture_output=True,
                             text=True, cwd=REPO)
    assert process.returncode == 0, process.stderr
