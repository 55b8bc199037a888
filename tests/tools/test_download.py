"""The download from a server on this machine: what arrives, and the one sentence for each fault."""

import os
import signal
import subprocess
import sys
import tarfile
import threading

import pytest
from conftest import REPO
from download_server import LICENCE, PICTURES, Server

from gans_n_roses.tools import download
from gans_n_roses.tools.download import main


@pytest.fixture
def serve(monkeypatch):
    """Function: starts a Server, which is stopped after the test."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    servers = []

    def start(*more):
        servers.append(Server(*more))
        threading.Thread(target=servers[-1].serve_forever, kwargs={'poll_interval': 0.02}).start()
        return servers[-1]

    yield start
    for server in servers:
        server.go_on.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def out(tmp_path):
    """Where a download goes."""
    return tmp_path / 'Dataset'


def run(server, out, *options):
    return main(['--out', str(out), *options], server.archive)


def files_in(folder):
    """Path below the folder → bytes of every file, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def expected(*classes):
    return LICENCE | {name: data for name, data in PICTURES.items() if name.split('/')[1] in classes}


def one_sentence(text, *words):
    assert text.startswith('error: ') and text.count('\n') == 1, text
    for word in words:
        assert str(word) in text


def test_roses_and_licence_arrive_and_nothing_else_and_are_not_fetched_again(serve, out, capsys):
    server = serve()
    assert run(server, out) == 0
    assert files_in(out) == expected('roses')
    folder = (out / 'flower_photos' / 'roses').as_posix()
    printed, errors = capsys.readouterr()
    assert printed.endswith(f"DATASET_PATH = '{folder}/'\nDATASET_CHOSEN = 'roses'\n")
    assert errors == ''  # no bar where there is no terminal
    assert run(server, out) == 0
    assert server.asked == 1
    assert 'Nothing to do' in capsys.readouterr().out


def test_another_class_joins_the_first_and_the_folder_of_both_is_named(serve, out, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, 'ROOT', tmp_path)
    server = serve()
    assert run(server, out) == 0
    mark = out / 'flower_photos/roses/0.jpg'
    mark.write_bytes(b"the user's own")
    assert run(server, out, '--classes', 'roses', 'tulips', 'roses') == 0
    assert files_in(out) == expected('roses', 'tulips') | {'flower_photos/roses/0.jpg': b"the user's own"}
    assert capsys.readouterr().out.endswith(  # below the project the path begins there
        "DATASET_PATH = './Dataset/flower_photos/'\nDATASET_CHOSEN = 'flower_photos'\n")


@pytest.mark.parametrize(('fault', 'words'), [
    ({'status': 404}, ['cannot be fetched', '404', 'check network']),
    ({'cut': 100_000}, ['100000 of ', 'SHA-256', 'run it again']),
    ({'endless': True}, ['an unknown number of bytes']),
    ({'body': b'<html>log in</html>'}, ['19 bytes', 'log-in page', '--url']),
])
def test_a_wrong_answer_is_told_and_nothing_stays(serve, out, capsys, fault, words):
    server = serve()
    vars(server).update(fault)
    assert run(server, out) == 1
    one_sentence(capsys.readouterr().err, *words)
    assert files_in(out) == {}


def test_a_wrong_checksum_is_told_and_nothing_is_unpacked(serve, out, capsys):
    server = serve()
    server.body = bytes(len(server.body))
    assert run(server, out) == 1
    one_sentence(capsys.readouterr().err, 'SHA-256', server.archive.sha256, '--url')
    assert files_in(out) == {}


def test_a_silent_server_is_given_up(serve, out, capsys, monkeypatch):
    monkeypatch.setattr(download, 'TIMEOUT_S', 0.2)
    server = serve()
    server.cut = 0
    server.go_on.clear()
    assert run(server, out) == 1
    one_sentence(capsys.readouterr().err, 'timed out')


@pytest.mark.parametrize('url', ['http://127.0.0.1:1/', 'http://127.0.0.1:99999/', 'http://127.0.0.1/\u00e9',
                                 'http://[1/', 'http://', 'http://a..b/', 'roses.tgz'])
def test_an_address_that_leads_nowhere_is_told(serve, out, capsys, url):
    assert run(serve(), out, '--url', url) == 1
    one_sentence(capsys.readouterr().err, url, 'cannot be fetched', 'address')


def member(name, kind=tarfile.REGTYPE, link=''):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize('bad', [
    member('flower_photos/roses/../../../../../evil.jpg'),
    member('flower_photos/roses/evil.jpg', tarfile.SYMTYPE, '/etc/passwd'),
    member('flower_photos/roses/evil.jpg', tarfile.FIFOTYPE),
], ids=lambda info: f'{info.name} {info.type.decode()}')
def test_a_harmful_archive_is_refused(serve, tmp_path, out, capsys, bad):
    assert run(serve((bad, b'')), out) == 1
    one_sentence(capsys.readouterr().err, 'The archive is refused', 'evil.jpg')
    assert files_in(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_told_before_the_download(serve, out, capsys):
    out.write_bytes(b'mine')
    server = serve()
    assert run(server, out) == 2
    one_sentence(capsys.readouterr().err, out, 'Not a directory', '--out')
    assert server.asked == 0 and out.read_bytes() == b'mine'


CHILD = """
import resource, signal, sys
from gans_n_roses.tools.download import Archive, main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(['--out', sys.argv[2]], Archive(sys.argv[3], int(sys.argv[4]), sys.argv[5])))
"""


def child(server, out, largest):
    """A process that downloads and cannot write files above a size."""
    return subprocess.Popen([sys.executable, '-c', CHILD, *map(str, [largest, out, *server.archive])], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPO)


@pytest.mark.skipif(os.name != 'posix', reason='limits as POSIX has them')
def test_a_full_disk_while_fetching_or_unpacking_is_told_and_nothing_stays(serve, out):
    unpacked_is_large = serve((tarfile.TarInfo('flower_photos/roses/2.jpg'), bytes(1_000_000)))
    for server, largest in ((serve(), 100_000), (unpacked_is_large, 900_000)):
        process = child(server, out, largest)
        one_sentence(process.communicate(timeout=60)[1], 'File too large', 'make room')
        assert process.returncode == 1
        assert files_in(out) == {}


@pytest.mark.skipif(os.name != 'posix', reason='signals as POSIX has them')
def test_ctrl_c_is_told_and_nothing_stays(serve, out):
    server = serve()
    server.cut = 160_000
    server.go_on.clear()
    process = child(server, out, 10**9)
    assert process.stdout.readline().startswith('Fetching LICENSE.txt, roses from ')
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == '\nInterrupted: the same command begins again.\n'
    assert process.returncode == 130
    assert files_in(out) == {}
