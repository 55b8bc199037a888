"""The download against a real server on this machine: whole, cut, corrupt, refused, interrupted."""

import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gans_n_roses import download
from gans_n_roses.download import CLASSES, FLOWER_PHOTOS, Archive, main

REPO = Path(__file__).resolve().parent.parent
PICTURES = {
    f'{name}/{number}.jpg': hashlib.shake_256(f'{name}{number}'.encode()).digest(40_000)
    for name in CLASSES for number in range(2)
}
LICENCE_TEXT = b'All images are licensed under CC BY 2.0.\n'
DEADLINE_S = 60.0


def tgz(files, extra=()):
    """A .tgz of `files` (path below flower_photos: bytes), then of the given (TarInfo, bytes)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz') as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f'flower_photos/{name}')
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info, data in extra:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


WHOLE = tgz({'LICENSE.txt': LICENCE_TEXT, **PICTURES})


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        start = int(asked[1]) if asked and server.ranges == 'yes' else 0
        server.asked.append(self.headers.get('Range'))
        rest, size = server.body[start:], len(server.body)
        if server.status != 200 or (asked and server.ranges == 'refused'):
            rest = b'no'
            self.send_response(server.status if server.status != 200 else 416)
        elif asked and server.ranges in ('yes', 'wrong'):
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {start}-{size - 1}/{size}')
        else:
            self.send_response(200)
        if server.tells_length:
            self.send_header('Content-Length', str(len(rest)))
        self.end_headers()
        part = rest[:server.cuts.pop(0)] if server.cuts else rest
        self.wfile.write(part)
        self.wfile.flush()
        server.sent.append(len(part))
        if len(part) < len(rest):
            server.go_on.wait(DEADLINE_S)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    """Serves `body`; `cuts` are the bytes after which the next answers stop, one by one."""

    daemon_threads = True

    def __init__(self, body):
        super().__init__(('127.0.0.1', 0), Handler)
        self.body, self.status, self.ranges, self.tells_length = body, 200, 'yes', True
        self.cuts, self.asked, self.sent = [], [], []
        self.go_on = threading.Event()  # Set: a cut closes; clear: it keeps the client waiting.
        self.go_on.set()

    def handle_error(self, request, client_address):
        pass  # A client that goes away is what many of these tests are about.

    def archive(self, expected=None):
        """What the client is to expect: `expected` bytes instead of those really served."""
        body = self.body if expected is None else expected
        url = f'http://127.0.0.1:{self.server_port}/flower_photos.tgz'
        return Archive(url, len(body), hashlib.sha256(body).hexdigest())


@pytest.fixture
def serve(monkeypatch):
    """Start servers, each with a body, and stop them after the test."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    servers = []

    def start(body=WHOLE):
        server = Server(body)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02}).start()
        return server

    yield start
    for server in servers:
        server.go_on.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'Dataset'


def files_in(folder):
    """All files below `folder` with their content; also shows what should not be left there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob('*') if path.is_file()}


def expected_files(*classes):
    wanted = {f'flower_photos/{name}': data for name, data in PICTURES.items()
              if name.split('/')[0] in classes}
    return {**wanted, 'flower_photos/LICENSE.txt': LICENCE_TEXT}


def run(server, out, *options, expected=None):
    return main(['--out', str(out), *options], server.archive(expected))


def one_sentence(capsys, *words):
    """What stderr says: one line with all of `words` in it."""
    text = capsys.readouterr().err
    assert text.startswith('error: ') and text.count('\n') == 1, text
    assert 'Traceback' not in text
    for word in words:
        assert str(word) in text
    return text


# All well.


def test_the_archive_is_the_published_one():
    assert FLOWER_PHOTOS.url == ('https://storage.googleapis.com/download.tensorflow.org/'
                                 'example_images/flower_photos.tgz')
    assert FLOWER_PHOTOS.size == 228_813_984
    assert FLOWER_PHOTOS.sha256 == (
        '4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c')


def test_roses_and_licence_only_and_no_archive_left(serve, out, capsys):
    assert run(serve(), out) == 0
    assert files_in(out) == expected_files('roses')
    assert [path.name for path in out.iterdir()] == ['flower_photos']
    printed, errors = capsys.readouterr()
    folder = (out / 'flower_photos' / 'roses').as_posix()
    assert printed.endswith(f"DATASET_PATH = '{folder}/'\nDATASET_CHOSEN = 'roses'\n")
    assert errors == ''  # No bar where there is no terminal.


def test_several_classes_name_the_folder_above(serve, out, capsys):
    assert run(serve(), out, '--classes', 'roses', 'tulips', 'roses') == 0
    assert files_in(out) == expected_files('roses', 'tulips')
    folder = (out / 'flower_photos').as_posix()
    assert capsys.readouterr().out.endswith(
        f"DATASET_PATH = '{folder}/'\nDATASET_CHOSEN = 'flower_photos'\n")


def test_path_is_short_and_portable_below_the_project(serve, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, 'ROOT', tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(serve(), Path('Dataset')) == 0
    assert "\nDATASET_PATH = './Dataset/flower_photos/roses/'\n" in capsys.readouterr().out


@pytest.mark.parametrize('project, cwd', [('project', '.'), ('.', 'elsewhere')])
def test_path_is_absolute_where_a_short_one_would_mislead(
        serve, tmp_path, monkeypatch, capsys, project, cwd):
    (tmp_path / cwd).mkdir(exist_ok=True)
    monkeypatch.setattr(download, 'ROOT', tmp_path / project)
    monkeypatch.chdir(tmp_path / cwd)
    assert run(serve(), tmp_path / 'Dataset') == 0
    folder = (tmp_path / 'Dataset' / 'flower_photos' / 'roses').as_posix()
    assert f"\nDATASET_PATH = '{folder}/'\n" in capsys.readouterr().out


def test_default_folder_is_beside_the_package_whatever_the_cwd(tmp_path):
    done = subprocess.run([sys.executable, '-m', 'gans_n_roses.download', '--help'], text=True,
                          capture_output=True, cwd=tmp_path,
                          env={**os.environ, 'PYTHONPATH': str(REPO), 'COLUMNS': '500'})
    assert done.returncode == 0
    assert f"default: {REPO / 'Dataset'}" in done.stdout


def test_second_run_asks_the_server_nothing(serve, out, capsys):
    server = serve()
    assert run(server, out) == 0
    before = files_in(out)
    capsys.readouterr()
    assert run(server, out) == 0
    assert len(server.asked) == 1
    assert files_in(out) == before
    printed = capsys.readouterr().out
    assert 'Nothing to do' in printed and 'DATASET_PATH = ' in printed


def test_another_class_is_fetched_and_the_first_left_alone(serve, out):
    server = serve()
    assert run(server, out) == 0
    mark = out / 'flower_photos' / 'roses' / '0.jpg'
    mark.write_bytes(b"the user's own")
    assert run(server, out, '--classes', 'roses', 'tulips') == 0
    assert len(server.asked) == 2
    assert mark.read_bytes() == b"the user's own"
    assert files_in(out).keys() == expected_files('roses', 'tulips').keys()


@pytest.mark.parametrize('lost', ['LICENSE.txt', 'roses/0.jpg roses/1.jpg'])
def test_what_was_lost_is_fetched_again(serve, out, lost):
    server = serve()
    assert run(server, out) == 0
    for name in lost.split():
        (out / 'flower_photos' / name).unlink()
    assert run(server, out) == 0
    assert len(server.asked) == 2
    assert files_in(out) == expected_files('roses')


def test_mirror_is_used(serve, out):
    elsewhere, mirror = serve(), serve()
    assert run(elsewhere, out, '--url', mirror.archive().url) == 0
    assert (len(elsewhere.asked), len(mirror.asked)) == (0, 1)


def test_leftovers_of_a_killed_run_are_swept(serve, out):
    stale = out / '.flower_photos.partial' / 'roses'
    stale.mkdir(parents=True)
    (stale / 'half.jpg').write_bytes(b'half')
    assert run(serve(), out) == 0
    assert files_in(out) == expected_files('roses')


# Cut, and going on.


def test_resume_asks_for_the_rest_and_gets_only_that(serve, out):
    server = serve()
    out.mkdir()
    (out / 'flower_photos.tgz.part').write_bytes(WHOLE[:150_000])
    assert run(server, out) == 0
    assert server.asked == ['bytes=150000-']
    assert server.sent == [len(WHOLE) - 150_000]
    assert files_in(out) == expected_files('roses')


def test_whole_part_needs_no_server(serve, out):
    server = serve()
    out.mkdir()
    (out / 'flower_photos.tgz.part').write_bytes(WHOLE)
    assert run(server, out) == 0
    assert server.asked == []
    assert files_in(out) == expected_files('roses')


@pytest.mark.parametrize('ranges', ['ignored', 'refused', 'wrong'])
def test_without_usable_ranges_it_starts_again_from_zero(serve, out, ranges):
    server = serve()
    server.ranges = ranges  # Answers to a range: 200, 416, or 206 from another byte.
    out.mkdir()
    (out / 'flower_photos.tgz.part').write_bytes(b'x' * 150_000)
    assert run(server, out) == 0
    assert server.asked[0] == 'bytes=150000-' and server.asked[1:] in ([], [None])
    assert server.sent[-1] == len(WHOLE)
    assert files_in(out) == expected_files('roses')


def test_a_server_that_delivers_nothing_destroys_nothing(serve, out, capsys):
    server = serve()
    server.ranges, server.cuts = 'ignored', [0]
    out.mkdir()
    part = out / 'flower_photos.tgz.part'
    part.write_bytes(WHOLE[:150_000])
    assert run(server, out) == 1
    one_sentence(capsys, 'cut')
    assert part.read_bytes() == WHOLE[:150_000]


def test_cuts_are_gone_on_from_at_once(serve, out):
    server = serve()
    server.cuts = [100_000, 50_000, 1]
    assert run(server, out) == 0
    assert server.asked == [None, 'bytes=100000-', 'bytes=150000-', 'bytes=150001-']
    assert sum(server.sent) == len(WHOLE)
    assert files_in(out) == expected_files('roses')


def test_too_many_cuts_are_told_and_the_part_kept(serve, out, capsys):
    server = serve()
    server.cuts = [10_000] * 5
    assert run(server, out) == 1
    assert len(server.asked) == 4  # Once and three times more.
    one_sentence(capsys, 'cut', 40_000, len(WHOLE), 'again')
    assert files_in(out) == {'flower_photos.tgz.part': WHOLE[:40_000]}
    server.cuts = []
    assert run(server, out) == 0
    assert server.asked[4:] == ['bytes=40000-']
    assert files_in(out) == expected_files('roses')


def test_cut_without_progress_is_not_tried_again(serve, out, capsys):
    server = serve()
    server.cuts = [0, 0]
    assert run(server, out) == 1
    assert len(server.asked) == 1
    one_sentence(capsys, 'cut', 'byte 0 of')
    assert files_in(out) == {}


def test_silent_server_is_given_up(serve, out, capsys, monkeypatch):
    monkeypatch.setattr(download, 'TIMEOUT_S', 0.2)
    server = serve()
    server.go_on.clear()
    server.cuts = [0]
    assert run(server, out) == 1
    one_sentence(capsys, 'silent for 0.2 s')
    assert files_in(out) == {}


SMALL_DISK = """
import resource, sys
from gans_n_roses.download import Archive, main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(["--out", sys.argv[2]], Archive(sys.argv[3], int(sys.argv[4]), sys.argv[5])))
"""
INTERRUPTED = """
import signal, sys
from gans_n_roses.download import Archive, main
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background job ignores it.
sys.exit(main(["--out", sys.argv[1]], Archive(sys.argv[2], int(sys.argv[3]), sys.argv[4])))
"""


def child(code, *arguments):
    return subprocess.Popen([sys.executable, '-c', code, *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPO)


@pytest.mark.skipif(os.name != 'posix', reason='signals as POSIX has them')
def test_interrupted_then_resumed(serve, out):
    server = serve()
    server.cuts = [160_000]
    server.go_on.clear()
    process = child(INTERRUPTED, out, *server.archive())
    part, end = out / 'flower_photos.tgz.part', time.monotonic() + DEADLINE_S
    while not (part.exists() and part.stat().st_size) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert errors.strip() == 'Interrupted: run the same command again to go on from here.'
    kept = part.stat().st_size
    assert 0 < kept <= 160_000
    assert files_in(out) == {'flower_photos.tgz.part': WHOLE[:kept]}
    assert run(server, out) == 0
    assert server.asked == [None, f'bytes={kept}-']
    assert server.sent[1] == len(WHOLE) - kept
    assert files_in(out) == expected_files('roses')


# A wrong archive.


def test_corrupt_archive_is_deleted_and_nothing_unpacked(serve, out, capsys):
    server = serve(WHOLE[:-1] + bytes([WHOLE[-1] ^ 1]))
    assert run(server, out, expected=WHOLE) == 1
    found = hashlib.sha256(server.body).hexdigest()
    one_sentence(capsys, found, hashlib.sha256(WHOLE).hexdigest(), 'deleted')
    assert files_in(out) == {}


def test_corrupt_part_is_deleted_and_the_next_run_succeeds(serve, out, capsys):
    server = serve()
    out.mkdir()
    (out / 'flower_photos.tgz.part').write_bytes(b'x' * 150_000)
    assert run(server, out) == 1
    one_sentence(capsys, 'SHA-256', 'deleted')
    assert files_in(out) == {}
    assert run(server, out) == 0
    assert files_in(out) == expected_files('roses')


def test_part_longer_than_the_archive_is_deleted(serve, out, capsys):
    out.mkdir()
    (out / 'flower_photos.tgz.part').write_bytes(WHOLE + b'x')
    assert run(serve(), out) == 1
    one_sentence(capsys, f'{len(WHOLE) + 1} bytes', len(WHOLE), 'deleted')
    assert files_in(out) == {}


@pytest.mark.parametrize('body', [WHOLE + b'x', WHOLE[:-1], b'<html>log in</html>'])
def test_wrong_size_is_refused_before_it_is_fetched(serve, out, capsys, body):
    assert run(serve(body), out, expected=WHOLE) == 1
    one_sentence(capsys, f'{len(body)} bytes', f'expected were 200 and {len(WHOLE)}', '--url')
    assert files_in(out) == {}


def test_unknown_size_is_refused(serve, out, capsys):
    server = serve()
    server.tells_length = False
    assert run(server, out) == 1
    one_sentence(capsys, 'an unknown number of bytes', len(WHOLE))
    assert files_in(out) == {}


def member(name, kind=tarfile.REGTYPE, link=''):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize('bad', [
    member('/flower_photos/roses/evil.jpg'),
    member('flower_photos/roses/../../../evil.jpg'),
    member('flower_photos/roses/..\\..\\evil.jpg'),
    member('flower_photos/roses/C:evil.jpg'),
    member('flower_photos/roses/evil.jpg', tarfile.SYMTYPE, '/etc/passwd'),
    member('flower_photos/roses/evil.jpg', tarfile.LNKTYPE, 'flower_photos/LICENSE.txt'),
    member('flower_photos/roses/evil.jpg', tarfile.CHRTYPE),
    member('flower_photos/roses/evil.jpg', tarfile.FIFOTYPE),
], ids=lambda info: f'{info.name} {info.type.decode()}')
def test_unsafe_member_is_refused(serve, tmp_path, out, capsys, bad):
    good = {'LICENSE.txt': LICENCE_TEXT, **PICTURES}
    assert run(serve(tgz(good, [(bad, b'')])), out) == 1
    one_sentence(capsys, 'unsafe member', bad.name)
    assert files_in(tmp_path) == {}
    assert list(out.iterdir()) == []


def test_archive_without_the_class_is_refused(serve, out, capsys):
    roses = {name: data for name, data in PICTURES.items() if name.startswith('roses')}
    server = serve(tgz({'LICENSE.txt': LICENCE_TEXT, **roses}))
    assert run(server, out, '--classes', 'roses', 'tulips') == 1
    one_sentence(capsys, 'tulips')
    assert list(out.iterdir()) == []


@pytest.mark.parametrize('body', [b'no archive at all', WHOLE[:len(WHOLE) // 2]])
def test_archive_that_is_none_is_refused(serve, out, capsys, body):
    assert run(serve(body), out) == 1
    one_sentence(capsys, 'cannot be unpacked')
    assert list(out.iterdir()) == []


# No network, no disk, no sense.


@pytest.mark.parametrize('status', [403, 404, 503])
def test_http_errors(serve, out, capsys, status):
    server = serve()
    server.status = status
    assert run(server, out) == 1
    one_sentence(capsys, f'answers {status}', '--url')
    assert files_in(out) == {}


@pytest.mark.parametrize('part', [None, WHOLE[:1000]])
def test_connection_refused(serve, out, capsys, part):
    server = serve()
    archive = server.archive()
    server.shutdown()
    server.server_close()
    out.mkdir()
    if part:
        (out / 'flower_photos.tgz.part').write_bytes(part)
    assert main(['--out', str(out)], archive) == 1
    one_sentence(capsys, 'gives no answer', 'refused', 'network')
    assert files_in(out) == ({'flower_photos.tgz.part': part} if part else {})


@pytest.mark.parametrize('url', ['http://a..b/', 'http://127.0.0.1:99999/', 'http://[1]/',
                                 'http://127.0.0.1/\u00e9'])
def test_address_that_leads_nowhere(serve, out, capsys, url):
    assert run(serve(), out, '--url', url) == 1
    one_sentence(capsys, url, 'gives no answer', 'address')
    assert files_in(out) == {}


def test_full_disk_while_fetching_then_room(serve, out):
    pytest.importorskip('resource')
    server = serve()
    process = child(SMALL_DISK, 100_000, out, *server.archive())
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert errors.startswith('error: ') and errors.count('\n') == 1 and 'make room' in errors
    assert files_in(out) == {'flower_photos.tgz.part': WHOLE[:100_000]}
    assert run(server, out) == 0
    assert server.asked == [None, 'bytes=100000-']
    assert files_in(out) == expected_files('roses')


def test_full_disk_while_unpacking_then_room(serve, out):
    pytest.importorskip('resource')
    big = {'LICENSE.txt': LICENCE_TEXT, 'roses/0.jpg': b'0', 'roses/1.jpg': bytes(1_000_000)}
    server = serve(tgz(big))
    assert len(server.body) < 100_000  # So the archive finds room and the second picture none.
    process = child(SMALL_DISK, 100_000, out, *server.archive())
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert errors.startswith('error: ') and errors.count('\n') == 1 and 'make room' in errors
    assert files_in(out) == {'flower_photos.tgz.part': server.body}
    assert [path.name for path in out.iterdir()] == ['flower_photos.tgz.part']
    assert run(server, out) == 0
    assert len(server.asked) == 1
    assert files_in(out) == {f'flower_photos/{name}': data for name, data in big.items()}


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full here')
def test_no_space_left_on_device(serve, out, capsys):
    out.mkdir()
    (out / 'flower_photos.tgz.part').symlink_to('/dev/full')
    assert run(serve(), out) == 1
    one_sentence(capsys, 'No space left on device', 'make room')
    assert [path.name for path in out.iterdir()] == ['flower_photos.tgz.part']


@pytest.mark.parametrize('place', ['file', 'file/below'])
def test_out_that_is_no_folder(serve, tmp_path, capsys, place):
    (tmp_path / 'file').write_bytes(b'mine')
    server = serve()
    assert run(server, tmp_path / place) == 2
    one_sentence(capsys, tmp_path / 'file', '--out')
    assert server.asked == []
    assert files_in(tmp_path) == {'file': b'mine'}


@pytest.mark.parametrize('folder', ['', 'flower_photos'])
def test_out_that_may_not_be_written(serve, out, capsys, folder):
    closed = out / folder
    closed.mkdir(parents=True)
    closed.chmod(0o500)
    if os.access(closed, os.W_OK):
        pytest.skip('this user may write anywhere')
    server = serve()
    assert run(server, out) == 2
    one_sentence(capsys, closed, 'Permission denied', '--out')
    assert server.asked == []


@pytest.mark.parametrize('in_the_way', ['flower_photos', 'flower_photos/roses',
                                        'flower_photos/roses/notes.txt'])
def test_what_is_in_the_way_is_refused_before_fetching(serve, out, capsys, in_the_way):
    path = out / in_the_way
    path.parent.mkdir(parents=True)
    path.write_bytes(b'mine')
    server = serve()
    assert run(server, out) == 2
    one_sentence(capsys, out / 'flower_photos', 'cannot be written')
    assert server.asked == []
    assert files_in(out) == {in_the_way: b'mine'}


def test_empty_class_folder_is_not_taken_for_whole(serve, out):
    (out / 'flower_photos' / 'roses').mkdir(parents=True)
    assert run(serve(), out) == 0
    assert files_in(out) == expected_files('roses')


@pytest.mark.parametrize('options, words', [
    (['--classes', 'roses', 'lilies'], ['lilies', *CLASSES]),
    (['--classes'], ['--classes']),
    (['--url', 'file:///etc/passwd'], ['file:///etc/passwd', FLOWER_PHOTOS.url]),
    (['--url', 'http://'], ["'http://'", FLOWER_PHOTOS.url]),
    (['--url', 'http://[::1'], ['http://[::1', FLOWER_PHOTOS.url]),
    (['--url', 'http://localhost:port/'], ['localhost:port', FLOWER_PHOTOS.url]),
    (['--url', 'http://localhost/a b'], ['localhost/a b', FLOWER_PHOTOS.url]),
    (['--fast'], ['--fast']),
])
def test_bad_arguments(serve, out, capsys, options, words):
    server = serve()
    with pytest.raises(SystemExit) as stop:
        run(server, out, *options)
    assert stop.value.code == 2
    errors = capsys.readouterr().err
    assert all(word in errors for word in words)
    assert server.asked == [] and not out.exists()


def test_a_server_that_sends_more_than_the_archive_is_not_listened_to(serve, out):
    server = serve(WHOLE + b'x' * 1_000_000)
    response = io.BytesIO(server.body)
    assert b''.join(download._chunks(response, len(WHOLE))) == WHOLE
    assert response.tell() == len(WHOLE)
