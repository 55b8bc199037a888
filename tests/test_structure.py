"""The package's shape: who may import whom, and what loads without TensorFlow."""

import ast
import re
import subprocess
import sys

import pytest
from conftest import REPO

PACKAGE = 'gans_n_roses'
FILES = sorted((REPO / PACKAGE).glob('**/*.py'))
# From the top to the ground: a module imports from its own floor and from those below.
FLOORS = ['tools', 'front door', 'training', 'sampling', 'quality', 'networks', 'workers', 'runs', 'pictures',
          'machine', 'ground']
GROUND = ['settings', 'errors', PACKAGE]
LIGHT_FLOORS = ['tools', 'front door', 'quality', 'pictures', 'ground']  # they load without TensorFlow
LIGHT = ['networks.noise', 'runs.folders', 'runs.options', 'runs.recipe', 'runs.resuming', 'runs.shipped',
         'runs.state', 'runs.weights', 'workers.cluster', 'machine.files', 'machine.quiet', 'machine.stopping',
         'machine.streams']


def floor_of(module):
    """A module's floor: 'gans_n_roses.networks.ops' is on 'networks', 'gans_n_roses.plan' at the front door."""
    _, *folders, name = module.split('.') if '.' in module else ['', module]
    return folders[0] if folders else 'ground' if name in GROUND else 'front door'


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
        own, other = (FLOORS.index(floor_of(name)) for name in (name_of(path), imported))
        assert other >= own, f'{name_of(path)} imports {imported}'


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
    networks = REPO / PACKAGE / 'networks'
    assert not list(own_imports(parse(networks / 'fast_convolutions.py')))
    assert set(own_imports(parse(networks / 'ops.py'))) == {f'{PACKAGE}.networks.fast_convolutions'}


@each_file([REPO / 'main.py', *FILES])
def test_no_star_imports(path):
    assert all('*' not in taken for _, taken in imports(parse(path)))


def test_loads_without_tensorflow():
    light = [name_of(path) for path in FILES if floor_of(name_of(path)) in LIGHT_FLOORS]
    light += ['main', *(f'{PACKAGE}.{name}' for name in LIGHT)]
    code = f'import sys, {", ".join(light)}; print([name for name in sys.modules if name.startswith("tensor")])'
    found = subprocess.run([sys.executable, '-c', code], cwd=REPO, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == '[]'


def test_one_worker_is_no_special_case_outside_the_workers():
    for path in FILES:
        if path.parent.name != 'workers':
            assert not re.search(r'(cluster|team)\.count (==|>|!=|<) [12]\b', path.read_text(encoding='utf-8')), path


def test_the_reading_path_is_an_evening():
    """README's table of seven files; at most 900 lines in all."""
    readme = (REPO / 'README.md').read_text(encoding='utf-8')
    table = readme[readme.index("## An evening's reading"):].split('\n## ')[0]
    files = re.findall(r'\| \[[\w./]+\]\(([\w./]+\.py)\)', table)
    assert [name.rpartition('/')[2] for name in files] == [
        'mission_control.py', 'models.py', 'losses.py', 'ops.py', 'graph.py', 'steps.py', 'loop.py']
    assert sum(len((REPO / name).read_text(encoding='utf-8').splitlines()) for name in files) <= 900


@each_file([REPO / 'main.py', *FILES])
def test_nothing_rests_on_an_assert(path):
    """PYTHONOPTIMIZE leaves them out."""
    assert not [node.lineno for node in ast.walk(parse(path)) if isinstance(node, ast.Assert)]


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
