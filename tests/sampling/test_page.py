"""SAMPLE_AS=page: in a real browser, the page makes the roses of LOAD, and what its visitors do with them works."""

import base64
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from conftest import REPO
from PIL import Image

from gans_n_roses.errors import BadInput, RunFailed
from gans_n_roses.networks.noise import walk, z_of_seed
from gans_n_roses.networks.ops import SMOOTHING
from gans_n_roses.networks.transfer import weight_shapes
from gans_n_roses.plan import Plan
from gans_n_roses.runs.folders import RunFolder
from gans_n_roses.runs.shipped import ShippedModel
from gans_n_roses.sampling import roses, saved_generator
from gans_n_roses.sampling.roses import sample
from gans_n_roses.sampling.saved_generator import make_rose, open_generator
from gans_n_roses.sampling.web_page import web_page

SEEDS = [0, 1, 7, 2**32 - 1]
READY = 'document.getElementById("waiting").textContent === "" && document.querySelector("#wall canvas").width > 0'
browser_only = pytest.mark.skipif(CHROMIUM is None, reason='there is no Chromium here')


def random_model(image_size, z_dim, width, smoothed):
    """A generator's values by name, such that its roses differ; none is a float16 already."""
    rng = np.random.RandomState(0)
    values = {name: rng.normal(0, 0.05, shape).astype(np.float32)
              for name, shape in weight_shapes(image_size, z_dim, width).items() if name.startswith('g_')}
    for name in values:
        values[name] += name.endswith('gamma')
    layers = image_size.bit_length() - 3
    names = ['g_smooth', *(f'g_smooth{layer}' for layer in reversed(range(1, layers)))]
    return values | {f'{name}/taps': np.float32(SMOOTHING) for name in names[:smoothed]}


@pytest.fixture(scope='module')
def load_plan(tmp_path_factory, make_settings):
    """Function: the Plan of LOAD for a random model, in a run folder that has no options.json."""
    def make(image_size=16, z_dim=8, width=64, smoothed=0, **changes):
        run = RunFolder(tmp_path_factory.mktemp('run'))
        model = ShippedModel(run.path / 'random.npz', random_model(image_size, z_dim, width, smoothed), image_size,
                             z_dim, '')
        model.values['global_step'] = np.int64(3)
        settings = make_settings(load=True, seed=0, **changes)
        return Plan(settings, settings, run=run, shipped=model)
    return make


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp('browser')) as browser:
        yield browser
        assert browser.errors == []
        assert {url.split(':')[0] for url in browser.requests} <= {'file', 'blob', 'about'}


@pytest.fixture(scope='module')
def made(load_plan):
    """(Path of a page of 16 pixels, what LOAD makes: seed → uint8 [16, 16, 3])."""
    page, folder = sample(load_plan(n_samples=48, sample_as='page,images'))
    return page, {int(path.stem.removeprefix('seed_')): np.asarray(Image.open(path)) for path in folder.iterdir()}


def pixels(browser, selector):
    """A canvas of the page: uint8 [height, width, 4]."""
    url = browser.evaluate(f'document.querySelector({json.dumps(selector)}).toDataURL()')
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(',')[2]))).convert('RGBA'))


def assert_same_rose(found, expected):
    difference = np.abs(found[..., :3].astype(int) - expected)
    assert difference.max() <= 2 and difference.mean() <= 0.1
    assert found[..., 3].min() == 255


def shown(browser, text):
    """The bench's picture, once it shows what the text says."""
    browser.until(f'document.getElementById("shown").getAttribute("aria-label") === {json.dumps(text)}')
    return pixels(browser, '#shown')


def slide(browser, selector, value):
    browser.evaluate(f"""(() => {{
        const slider = document.querySelector({json.dumps(selector)});
        slider.value = {value};
        slider.dispatchEvent(new Event('input', {{bubbles: true}}));
    }})()""")


# The same roses


@browser_only
@pytest.mark.parametrize(('image_size', 'z_dim', 'width', 'smoothed'), [
    (16, 8, 64, 1), (16, 1, 16, 2), (32, 100, 32, 3), (64, 20, 16, 0), (128, 8, 16, 2)])
def test_a_seed_gives_the_rose_of_load(load_plan, browser, tmp_path, monkeypatch, image_size, z_dim, width, smoothed):
    monkeypatch.setattr(saved_generator, 'MOMENT_BATCHES', 1)  # rough statistics, which take less time
    plan = load_plan(image_size, z_dim, width, smoothed)
    with open_generator(plan.shipped.values, plan.shipped.path) as saved:
        (tmp_path / 'page.html').write_bytes(web_page(saved, plan))
        expected = [make_rose(saved, z_of_seed(seed, z_dim)) for seed in SEEDS]
    browser.open(f'{(tmp_path / "page.html").as_uri()}#seeds={",".join(map(str, SEEDS))}')
    browser.until(READY)
    for seed, rose in zip(SEEDS, expected, strict=True):
        assert rose.std() > 1
        assert_same_rose(pixels(browser, f'#pins [data-seed="{seed}"] canvas'), rose)


@browser_only
def test_both_tellings_of_the_innermost_loop_agree(made, browser):
    browser.open(made[0].as_uri())
    found = browser.evaluate("""(() => {
        (0, eval)(document.querySelector('script.worker').textContent +
                  '; Object.assign(window, {loopInJavaScript, loopInWebAssembly})');
        return [loopInJavaScript, loopInWebAssembly].map((tell) => {
            const memory = new WebAssembly.Memory({initial: 1}), floats = new Float32Array(memory.buffer);
            floats.forEach((_, k) => { floats[k] = Math.sin(k * k); });
            tell(memory)(0, 64, 256, 288, 320, 352, 288);  // 8 numbers for each of 4 places
            return [...floats.slice(0, 100)];
        });
    })()""")
    floats = np.sin(np.arange(100.0)**2)
    weights, places = floats[16:48].reshape(8, 4), floats[64:96].reshape(4, 8)
    floats[:16] += (places @ weights).ravel()
    np.testing.assert_allclose(found, [floats, floats], atol=1e-5)


@browser_only
@pytest.mark.parametrize(('values', 'rgba'), [
    ([0], [128, 128, 128, 255]), ([9, 0, -9], [255, 128, 0, 255]), ([9, 0, -9, 9], [255, 128, 0, 255]),
    ([0.25, 0, -9, 0], [190, 128, 0, 128])])  # 159 laid on grey at half is 190
def test_pictures_may_have_one_three_or_four_channels(made, browser, values, rgba):
    browser.open(made[0].as_uri())
    found = browser.evaluate(f"""(() => {{
        (0, eval)(document.querySelectorAll('script.worker')[1].textContent + '; window.toPicture = toPicture');
        return [...toPicture({{size: 1, channels: {len(values)}, values: {values}}})];
    }})()""")
    assert found == rgba


@browser_only
def test_the_way_between_two_seeds_is_that_of_the_interpolation(made, browser):
    browser.open(made[0].as_uri())
    found = browser.evaluate("""(() => {
        const [a, b] = [7, 12].map((seed) => toNormal(zOfSeed(seed, 8)));
        return [0, 0.25, 0.5, 0.75].map((share) => [...fromNormal(between(a, b, share))]);
    })()""")
    np.testing.assert_allclose(found, walk([z_of_seed(seed, 8) for seed in (7, 12)], 8)[:4], atol=1e-6)


# What visitors do


@browser_only
@pytest.mark.parametrize('width', [400, 1400])
def test_a_visitor_pins_changes_walks_mixes_and_saves(made, browser, width):
    page, expected = made
    browser.open(page.as_uri(), width, 800)
    browser.until(READY)
    assert browser.evaluate('document.documentElement.scrollWidth') <= width  # nothing sticks out
    for seed in (3, 7, 12):
        browser.click(f'#wall [data-seed="{seed}"]')
        assert_same_rose(shown(browser, f'Seed {seed}'), expected[seed])
    assert browser.evaluate('location.hash') == '#seeds=3,7,12'
    if width == 400:
        browser.click('#unfold')

    browser.click('#pins [data-seed="7"] button')
    assert_same_rose(shown(browser, 'Seed 7'), expected[7])
    slide(browser, '#directions input', 3)
    assert np.abs(shown(browser, 'Seed 7, changed').astype(int)[..., :3] - expected[7]).mean() > 1
    browser.click('#reset')
    assert_same_rose(shown(browser, 'Seed 7'), expected[7])

    browser.click('[data-mode=mix]')
    assert np.abs(shown(browser, '50 % of the way from seed 3 to seed 7').astype(int)[..., :3] - expected[3]).mean() > 1
    slide(browser, '#share', 1)
    assert_same_rose(shown(browser, 'Seed 7'), expected[7])

    browser.click('[data-mode=sum]')
    shown(browser, 'Seed 3 − 7 + 12')
    slide(browser, '.panel[data-mode=sum] [data-pin="1"]', 3)
    assert_same_rose(shown(browser, 'Seed 3 − 3 + 12'), expected[12])

    browser.click('[data-mode=walk]')
    assert_same_rose(shown(browser, 'Seed 3'), expected[3])
    slide(browser, '#position', 1)
    assert_same_rose(shown(browser, 'Seed 7'), expected[7])
    slide(browser, '#speed', 2)
    browser.click('#play')
    browser.until('document.getElementById("shown").getAttribute("aria-label").endsWith("from seed 12 to seed 3")')
    browser.click('#play')
    slide(browser, '#position', 1)
    shown(browser, 'Seed 7')

    for scale in (2, 4):
        slide(browser, '#scale', scale)
        browser.click('#save')
        assert_same_rose(saved(browser, f'seed_7_{scale}x.png')[::scale, ::scale], expected[7])
    browser.click('#strip')
    strip = saved(browser, 'seeds_3_7_12_4x.png')
    assert strip.shape == (64, 192, 4)
    np.testing.assert_array_equal(strip, strip[::4, ::4].repeat(4, 0).repeat(4, 1))  # by the nearest pixel
    for place, seed in enumerate((3, 7, 12)):
        assert_same_rose(strip[::4, 64 * place:64 * (place + 1):4], expected[seed])

    browser.click('#copy')
    link = browser.until('document.getElementById("link").value')
    assert link == f'{page.as_uri()}#seeds=3,7,12'
    browser.click('#pins [data-seed="7"] .unpin')
    assert browser.evaluate('location.hash') == '#seeds=3,12'
    browser.click('#clear')
    assert browser.evaluate('[location.hash, document.getElementById("caption").textContent]') == [
        '', 'Pin two pictures or more to walk between them.']


def saved(browser, name):
    """A picture that the page saves, taken away so that the name is free again."""
    browser.until(f'document.getElementById("notice").textContent === "Saved {name}"')
    path = browser.downloads / name
    while not path.exists():  # the browser renames it once it is whole
        browser.evaluate('0')
    picture = np.asarray(Image.open(path))
    path.unlink()
    return picture


@browser_only
def test_the_keyboard_is_enough(made, browser):
    browser.open(made[0].as_uri())
    browser.until(READY)
    browser.evaluate('document.querySelector("#wall button").focus()')
    for key in ('ArrowRight', 'ArrowRight', 'ArrowDown', 'Enter'):
        browser.press(key)
    columns = browser.evaluate('getComputedStyle(document.getElementById("wall")).gridTemplateColumns').count('px')
    assert browser.evaluate('location.hash') == f'#seeds={2 + columns}'
    browser.press('Tab')  # of the whole wall one picture is a stop
    assert browser.evaluate('document.activeElement.closest("#wall")') is None


@browser_only
def test_listed_seeds_are_pinned_where_a_link_names_no_others(load_plan, browser, tmp_path):
    plan, page = load_plan(), tmp_path / 'page.html'
    with open_generator(plan.shipped.values, plan.shipped.path) as saved:
        page.write_bytes(web_page(saved, plan._replace(asked=dataclasses.replace(plan.asked, seed=[40, 7]))))
    for hash, pinned in (('#seeds=3', '#seeds=3'), ('', '#seeds=40,7')):
        browser.open(page.as_uri() + hash)
        browser.until(READY)
        assert browser.evaluate('location.hash') == pinned
        assert browser.evaluate('document.querySelector("#wall button").dataset.seed') == '40'


@browser_only
def test_the_wall_goes_on_and_begins_where_it_is_told(made, browser):
    browser.open(made[0].as_uri())
    browser.until(READY)
    before = browser.evaluate('document.querySelectorAll("#wall button").length')
    browser.evaluate('window.scrollTo(0, 1e6)')
    browser.until(f'document.querySelectorAll("#wall button").length > {before}')
    browser.until('document.querySelector("#wall button:last-child").drawn || window.scrollTo(0, 1e6)')
    browser.evaluate('window.scrollTo(0, 0)')
    slide(browser, '#first', 2**32 - 2)
    browser.click('#go button')
    assert browser.evaluate('[...document.querySelectorAll("#wall button")].slice(0, 4).map((b) => b.textContent)') == [
        '4294967294', '4294967295', '0', '1']


@browser_only
@pytest.mark.parametrize(('link', 'pinned', 'notice'), [
    ('#seeds=7,12,40', [7, 12, 40], ''), ('#seeds=7,7', [7], ''), ('#seeds=4294967295', [4294967295], ''),
    ('#seeds=7,x', [7], '“x”'), ('#seeds=4294967296', [], '“4294967296”'), ('#seeds=-1,2', [2], '“-1”'),
    ('#seeds=', [], ''), ('#other=1', [], ''), ('#%', [], '')])
def test_a_link_holds_the_seeds(made, browser, link, pinned, notice):
    browser.open(made[0].as_uri() + link)
    browser.until(READY)
    found = browser.evaluate('[...document.getElementById("pins").children].map((pin) => Number(pin.dataset.seed))')
    assert found == pinned
    said = browser.evaluate('document.getElementById("notice").textContent')
    assert notice in said and bool(said) == bool(notice)


@browser_only
def test_a_title_with_signs_of_html_is_text(load_plan, browser, tmp_path):
    plan = load_plan()
    options = {'settings': {'DATASET_CHOSEN': '</script><b>cats</b>', 'DATASET_PATH': '/home/me/cats'},
               'data': {'pictures': 1234}}
    (plan.run.path / 'licence.txt').write_text('CC BY 4.0, <b>me</b>\nmore')
    with open_generator(plan.shipped.values, plan.shipped.path) as saved:
        (tmp_path / 'page.html').write_bytes(web_page(saved, plan._replace(options=options, shipped=None)))
    browser.open((tmp_path / 'page.html').as_uri())
    browser.until(READY)
    text = browser.evaluate('document.querySelector("header").textContent')
    for part in ('</script><b>cats</b>', 'learnt from 1,234 pictures', 'Licence: CC BY 4.0, <b>me</b>'):
        assert part in text
    assert 'more' not in text
    assert '/home/me' not in (tmp_path / 'page.html').read_text()


# Without a browser


def test_the_page_is_one_file_that_asks_for_nothing(made):
    text = made[0].read_text()
    assert not re.search(r'<(script|link|img)[^>]* (src|href)="(?!data:)', text)
    assert '://' not in text
    assert str(REPO) not in text


def test_weights_too_large_for_float16_are_told(load_plan):
    plan = load_plan()
    plan.shipped.values['g_h1/w'][0, 0, 0, 0] = 1e6
    with pytest.raises(BadInput, match='g_h1/w holds weights beyond 65504'):
        sample(with_page(plan))


def with_page(plan):
    return plan._replace(settings=dataclasses.replace(plan.settings, sample_as='page'))


def test_a_licence_that_cannot_be_read_is_told(load_plan):
    plan = load_plan()
    (plan.run.path / 'licence.txt').mkdir()
    with pytest.raises(BadInput, match=r'licence\.txt cannot be read \(it is no file\)'):
        sample(with_page(plan))


def test_a_full_disk_leaves_no_page(load_plan, monkeypatch):
    plan = load_plan()

    def fail(path, content):
        raise OSError(28, 'No space left on device', str(path))
    monkeypatch.setattr(roses, 'write_file', fail)
    with pytest.raises(RunFailed, match=r'\.html cannot be written: No space left on device'):
        sample(with_page(plan))
    assert list(plan.run.generated_images.iterdir()) == []
