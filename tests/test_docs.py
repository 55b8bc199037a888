"""The pages: every command on them is run, tiny; every link and picture is there; every setting exists.

A command that is new on a page and known to none of the `run_…` functions fails here: add what runs it to RUNNERS.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import REPO
from launching import make_pictures, only_run
from packaging.requirements import Requirement

from gans_n_roses.command_line import read_settings
from gans_n_roses.runs.shipped import SHIPPED
from gans_n_roses.settings import RETIRED, RULES
from gans_n_roses.workers.cluster import read_cluster

PAGES = [REPO / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'Dataset/README.md')]
PAGES += [*sorted((REPO / 'docs').rglob('*.md')), *(REPO / 'gans_n_roses/shipped').glob('*.md')]
SMALL = {'IMAGE_SIZE': 16, 'BATCH_SIZE': 4, 'Z_DIM': 4, 'N_ITERATIONS': 2, 'CHECKPOINT_EVERY': 1, 'N_SAMPLES': 4,
         'PRECISION': 'float32', 'SEED': 1}
KINDS = ('daisy', 'roses', 'tulips')  # of pictures, where a page has LABELS
LOAD_SMALL = {'N_SAMPLES': 4, 'N_FRAMES': 5}
# Capitals in code that mean something else.
NO_SETTINGS = {'NAME', 'FRAMES', 'VALUES', 'KINDS', 'AUGMENT_KINDS', 'TF_CONFIG', 'SLURM_PROCID',
               'TF_ENABLE_ONEDNN_OPTS', 'ONEDNN_MAX_CPU_ISA', 'MKL_ENABLE_INSTRUCTIONS'}


def blocks(text):
    """(language, lines) of every code block, fenced or indented by four spaces."""
    fenced = r'(?ms)^```(\w*)\n(.*?)^```$'
    for language, code in re.findall(fenced, text):
        yield language, code.splitlines()
    for code in re.findall(r'(?m)(?:\A|\n)\n((?: {4}.*\n?)+)', re.sub(fenced, '', text)):
        yield '', [line[4:] for line in code.splitlines()]


def commands(text):
    """Every command on a page: the lines of its blocks, and what reads like one within a sentence."""
    for language, lines in blocks(text):
        if language != 'python':
            yield from lines
    yield from re.findall(r'`((?:python|make) [^`]+)`', text)


def read(page):
    return page.read_text(encoding='utf-8')


def name_of(page):
    return page.relative_to(REPO).as_posix()


NAMES = [name_of(page) for page in PAGES]
COMMANDS = sorted({command for page in PAGES for command in commands(read(page))})
CODE = {page: '\n'.join('\n'.join(lines) for language, lines in blocks(read(page)) if language == 'python')
        for page in PAGES}
LINKS = [(page, *found) for page in PAGES for found in re.findall(r'\[([^\[\]]*)\]\(([^()\s]+)\)', read(page))]


@pytest.fixture(scope='module')
def main_once(launcher, tmp_path_factory):
    """Function: runs main.py with words NAME=value, made tiny, but only once where that makes them the same.

    It returns (Ended, RESULTS_PATH). LOAD, RESUME and START_FROM open a copy of the run that `python main.py` makes.
    """
    done, pictures = {}, tmp_path_factory.mktemp('pictures')

    def run(words):
        settings, results = dict(word.split('=', 1) for word in words), tmp_path_factory.mktemp('results') / 'Results'
        opens = {'LOAD', 'RESUME', 'START_FROM'} & settings.keys()
        if settings.get('RUN') == SHIPPED:
            opens = set()
        kinds = ['LABELS=folders'] if 'LABEL' in settings else []  # what LOAD opens
        if 'LOAD' in settings:
            settings |= {'PROJECT': REPO / settings['PROJECT']} if 'PROJECT' in settings else {}
            settings |= {name: min(value, int(settings.get(name, value))) for name, value in LOAD_SMALL.items()}
            if ',' in settings.get('SEED', ''):  # which says how many
                del settings['N_SAMPLES']
        elif 'RESUME' in settings:
            settings |= {'N_ITERATIONS': SMALL['N_ITERATIONS'] + 1}
        else:
            folder = pictures / settings.get('LABELS', '') / Path(settings.get('DATASET_PATH', 'roses')).name
            settings |= {**SMALL, 'DATASET_PATH': folder}
            if not folder.exists():
                for kind in KINDS if 'LABELS' in settings else ['']:
                    make_pictures(folder / kind)
        key = tuple(sorted(settings.items()))
        if key not in done:
            if opens:
                shutil.copytree(run(kinds)[1], results)
            done[key] = launcher.run({**settings, 'RESULTS_PATH': results}), results
        return done[key]
    return run


@pytest.fixture
def world(request):
    """Function: the fixture of a name, made when a command needs it."""
    return request.getfixturevalue


def run_main(words, world):
    if words == ['--help']:
        assert 'N_ITERATIONS = 30000' in run([sys.executable, 'main.py', *words])
        return
    ended, results = world('main_once')(words)
    assert ended.code == 0, ended.text
    given = dict(word.split('=', 1) for word in words)
    expected = {'LOAD': '\nMade   ', 'RESUME': ', from iteration 2\n'}
    assert next((text for name, text in expected.items() if name in given), '\nDone') in ended.text
    there = {'roses'} if 'START_FROM' in given else set()
    made = SHIPPED if given.get('RUN') == SHIPPED else Path(given.get('DATASET_PATH', 'roses')).name
    assert set(os.listdir(results)) == {made} | there  # where the pages say


def run_make(words, _):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(('MAKE', 'MFLAGS'))}
    run(['make', '-n', *words], env=environment)


def run_venv(words, world):
    run([sys.executable, '-m', 'venv', '--without-pip', *words], world('tmp_path'))


def run_source(words, world):
    folder = world('tmp_path')
    run_venv(['.venv'], world)
    found = run(['bash', '-c', f'source {shlex.join(words)} && python -c "import sys; print(sys.prefix)"'], folder)
    assert Path(found.strip()) == folder / '.venv'


def run_pip(words, _):
    while words:
        first, *words = words
        if first == '-r':
            assert (REPO / words.pop(0)).is_file()
            continue
        wanted = Requirement(first)
        assert not wanted.extras or wanted.extras <= set(metadata.metadata(wanted.name).get_all('Provides-Extra'))


def run_pytest(words, _):
    """Collected, not run; of all tests those of one file."""
    some = [] if any((REPO / word).exists() for word in words) else ['tests/test_makefile.py']
    run([sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '--collect-only', *words, *some])


def run_ruff(words, _):
    run([sys.executable, '-m', 'ruff', *words[:1], '--help'])


def run_pre_commit(words, _):
    assert words == ['install']
    assert 'ruff check' in read(REPO / '.pre-commit-config.yaml')


def run_tensorboard(words, world):
    """Not started, since it serves until it is stopped: here there has to be what it shows."""
    assert find_spec('tensorboard.main')
    assert words == ['--logdir', 'Results']
    assert list(world('main_once')([])[1].rglob('events.out.tfevents.*'))


def run_draw(words, world):
    given = dict(zip(words[::2], words[1::2], strict=True))
    given |= {'--count': '1', '--out': str(world('tmp_path') / 'drawn')}
    run([sys.executable, REPO / 'Dataset/draw_roses.py', *(word for pair in given.items() for word in pair)])
    assert list((world('tmp_path') / 'drawn').iterdir())


def run_download(words, _):
    run([sys.executable, '-m', 'gans_n_roses.tools.download', *words, '--help'])


def run_ship(words, world):
    """As it stands on the page, but for the run, and for where it goes."""
    run_folder, out = only_run(world('main_once')([])[1]).path, world('tmp_path') / 'roses.npz'
    run([sys.executable, '-m', 'gans_n_roses.tools.ship', run_folder, *words[1:], '--out', out])
    assert out.is_file() and out.with_suffix('.md').is_file()


def run_launch(words, _):
    """That several workers train one run is another test's: here the options and the settings have to be there."""
    run([sys.executable, '-m', 'gans_n_roses.tools.launch', *words, '--help'])
    read_settings(REPO / 'mission_control.py', [word for word in words if '=' in word])


def run_ffmpeg(words, world):
    """As it stands on the page, but for the folder of frames."""
    if not shutil.which('ffmpeg'):
        pytest.skip('no ffmpeg on this machine')
    _, results = world('main_once')(['LOAD=True', 'SAMPLE_AS=frames'])
    frames, = only_run(results).generated_images.glob('Trained_model_frames_*')
    film = world('tmp_path') / words[-1]
    words = [word.replace('FRAMES', str(frames)) for word in words[:-1]]
    run(['ffmpeg', *words, film], stdin=subprocess.DEVNULL)
    assert film.stat().st_size > 1000


def run_export(words, _):
    name, _, value = words[0].partition('=')
    assert name == 'TF_CONFIG' and read_cluster({name: value}).count == 2


def run_benchmark(words, _):
    """That they start is another test's: here the options have to be there. They take minutes, or hours."""
    script, *given = words
    assert {word for word in given if word.startswith('--')} <= set(
        re.findall(r"add_argument\('(--[\w-]+)'", read(REPO / 'benchmarks' / f'{script}.py')))


def run(command, folder=REPO, **how):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


RUNNERS = {  # how a command begins → what runs the words after it
    'python main.py': run_main,
    'make': run_make,
    'python3 -m venv': run_venv,
    'source': run_source,
    'python -m pip install': run_pip,
    'python -m pytest': run_pytest,
    'ruff': run_ruff,
    'pre-commit': run_pre_commit,
    'python -m tensorboard.main': run_tensorboard,
    'python -m gans_n_roses.tools.download': run_download,
    'python -m gans_n_roses.tools.ship': run_ship,
    'python -m gans_n_roses.tools.launch': run_launch,
    'export': run_export,
    'ffmpeg': run_ffmpeg,
    'python Dataset/draw_roses.py': run_draw,
    'python -m benchmarks.': run_benchmark,
}


@pytest.mark.parametrize('command', COMMANDS, ids=COMMANDS)
def test_command(command, world):
    begins = next((begins for begins in RUNNERS if command.startswith(begins)), None)
    assert begins, f'no runner for {command!r}: add one to RUNNERS'
    RUNNERS[begins](shlex.split(command.removeprefix(begins)), world)


def test_all_code_is_run():
    assert {page.name for page, code in CODE.items() if code} == {'roses_from_a_model.md', 'from_python.md'}


def test_code_runs_on_an_exported_model(main_once):
    _, results = main_once(['LOAD=True', 'SAMPLE_AS=savedmodel'])
    code = CODE[REPO / 'docs/roses_from_a_model.md']
    tiny = code.replace('train-2000', 'train-2').replace('100', str(SMALL['Z_DIM']))
    found = run([sys.executable, '-c', f'{tiny}\nprint(images.shape)'], only_run(results).path)
    assert found.strip() == '(12, 16, 16, 3)'


def test_code_uses_the_package(tmp_path):
    """As on the page, but for the settings, and in a thread, where the page says that training works too."""
    code = CODE[REPO / 'docs/from_python.md'].replace('N_ITERATIONS=200', 'N_ITERATIONS=2').replace('% 100', '% 1')
    small = SMALL | {'DATASET_PATH': make_pictures(tmp_path / 'roses'), 'RESULTS_PATH': tmp_path / 'Results'}
    words = ', '.join(repr(f'{name}={value}') for name, value in small.items())
    tiny = code.replace("['SEED=1'", f'[{words}')
    shown = 'print(images.shape, len(weights), *[path.is_file() for path in paths], pictures.dtype)'
    work = f'work = threading.Thread(target=exec, args=[{tiny!r}, globals()])'
    found = run([sys.executable, '-c', f'import threading\n{work}\nwork.start()\nwork.join()\n{shown}'])
    assert re.search(r'(?m)^2 \S+ \S+\n', found)
    assert found.splitlines()[-1] == '(4, 16, 16, 3) 18 True uint8'


@pytest.mark.parametrize(('page', 'text', 'target'), LINKS, ids=[f'{name_of(page)}: {to}' for page, _, to in LINKS])
def test_link_leads_somewhere(page, text, target):
    if target.startswith(('https://', 'http://')):
        return
    path, _, anchor = target.partition('#')
    found = page.parent / path if path else page
    assert found.exists()
    if anchor:
        assert anchor in {slug(heading) for heading in re.findall(r'(?m)^#+ (.*)$', read(found))}
    if found.suffix == '.py' and (name := re.fullmatch(r'`(\w+)`', text)):
        assert re.search(rf'(?m)^(def|class) {name[1]}\b', read(found)), f'no {name[1]} in {target}'


def slug(heading):
    """The anchor that GitHub gives to a heading."""
    return re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-')


def test_every_picture_is_shown_on_a_page():
    shown = {(page.parent / target).resolve() for page, _, target in LINKS}
    assert not {path for path in (REPO / 'docs').rglob('*.*') if path.suffix != '.md'} - shown


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_settings_exist(page):
    in_code = re.findall(r'`([A-Z][A-Z_0-9]+)(?: = [^`]*|=[^`]*)?`', read(page))
    known = {*RULES, *(RETIRED if page.name == 'CHANGELOG.md' or page.parent.name == 'notes' else ())}
    assert set(in_code) - NO_SETTINGS <= known


def test_contributing_names_the_floors_and_rooms_of_the_package():
    table = re.findall(r'(?m)^\| \[(\w+)/\]\(gans_n_roses/\w+\) \| ([^|]*) \|', read(REPO / 'CONTRIBUTING.md'))
    named = {floor: set(re.findall(r'`(\w+)`', rooms)) for floor, rooms in table}
    floors = [path.parent for path in (REPO / 'gans_n_roses').glob('*/__init__.py')]
    assert named == {floor.name: {path.stem for path in floor.glob('[a-z]*.py')} for floor in floors}
