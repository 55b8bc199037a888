"""The package's shape: who may import whom, what loads without TensorFlow, how long a file may be."""

import ast
import re
import subprocess
import sys

import pytest
from conftest import REPO

PACKAGE = 'gans_n_roses'
FILES = sorted((REPO / PACKAGE).glob('**/*.py'))
# From the top to the ground: a module imports from its own floor and from those below. What everybody knows lies in the
# ground: settings and where they come from, and the sentences to the user.
FLOORS = ['front door', 'training', 'sampling', 'quality', 'networks', 'runs', 'pictures', 'machine', 'ground']
GROUND = ['settings', 'origin', 'errors', PACKAGE]
WITHOUT_TENSORFLOW = [
    f'{PACKAGE}.{name}' for name in (
        'checks', 'download', 'errors', 'launch', 'origin', 'settings', 'ship', 'usage', 'quality.advice',
        'quality.copying', 'quality.distance', 'quality.metrics', 'quality.nearest', 'quality.plateau',
        'quality.recipe', 'quality.statistics', 'networks.noise', 'runs.folders', 'runs.resuming', 'runs.shipped',
        'runs.weights', 'pictures.cache', 'pictures.decoding', 'pictures.folder', 'pictures.images',
        'pictures.reading', 'machine.cluster', 'machine.files', 'machine.loading', 'machine.output', 'machine.quiet',
        'machine.stopping')]


def floor_of(module):
    """Index of a module's floor: 'gans_n_roses.networks.ops' is on 'networks', 'gans_n_roses.checks' at the front door.
    """
    _, *folders, name = module.split('.') if '.' in module else ['', module]
    return FLOORS.index(folders[0] if folders else 'ground' if name in GROUND else 'front door')


def name_of(path):
    return '.'.join(path.relative_to(REPO).with_suffix('').parts).removesuffix('.__init__')


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
    """The package's modules that are imported, in full."""
    for name, taken in imports(tree):
        if name == PACKAGE or name.startswith(PACKAGE + '.'):
            inside = [f'{name}.{each}' for each in taken]
            modules = [each for each in inside if (REPO / each.replace('.', '/')).with_suffix('.py').exists()]
            yield from modules or [name]


def each_file(paths):
    return pytest.mark.parametrize('path', paths, ids=[name_of(path) for path in paths])


def test_every_floor_is_there():
    assert {path.parent.name for path in FILES} == {PACKAGE, *FLOORS} - {'front door', 'ground'}


@each_file([REPO / 'main.py', *FILES])
def test_imports_go_down_the_floors(path):
    for imported in own_imports(parse(path)):
        assert floor_of(imported) >= floor_of(name_of(path)), f'{name_of(path)} imports {imported}'


@each_file([path for path in FILES if path.name == '__init__.py'])
def test_a_floor_begins_with_what_it_is_for_and_with_nothing_else(path):
    docstring, *others = parse(path).body
    assert docstring.value.value
    assert [ast.unparse(each).partition(' =')[0] for each in others] == ['__version__'] * (path.parent.name == PACKAGE)


@each_file(FILES)
def test_nothing_in_the_package_imports_mission_control_or_main(path):
    for name, taken in imports(parse(path)):
        assert not {'mission_control', 'main'} & {name, *taken}


def test_mission_control_imports_nothing():
    assert not list(imports(parse(REPO / 'mission_control.py')))


def test_the_layers_of_the_networks_know_no_other_module():
    assert not list(own_imports(parse(REPO / PACKAGE / 'networks' / 'ops.py')))


@each_file([REPO / 'main.py', *FILES])
def test_no_star_imports(path):
    assert all('*' not in taken for _, taken in imports(parse(path)))


@pytest.mark.parametrize('modules', [WITHOUT_TENSORFLOW, ['main']], ids=['package', 'main'])
def test_loads_without_tensorflow(modules):
    code = f'import sys, {", ".join(modules)}; print([name for name in sys.modules if name.startswith("tensor")])'
    found = subprocess.run([sys.executable, '-c', code], cwd=REPO, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == '[]'


@each_file(FILES)
def test_a_file_is_at_most_300_lines(path):
    assert len(path.read_text(encoding='utf-8').splitlines()) <= 300


@each_file([REPO / 'main.py', *FILES])
def test_nothing_rests_on_an_assert(path):
    """PYTHONOPTIMIZE leaves them out."""
    assert not [node.lineno for node in ast.walk(parse(path)) if isinstance(node, ast.Assert)]


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


@pytest.mark.parametrize('name', ['few_pictures', 'loading', 'loss_curves', 'scaling', 'start_up', 'training_step'])
def test_benchmarks_find_what_they_import(name):
    process = subprocess.run([sys.executable, '-m', f'benchmarks.{name}', '--help'], capture_output=True, text=True,
                             cwd=REPO)
    assert process.returncode == 0, process.stderr
