"""The download with a wrong archive, without a network, and without room on the disk."""

import hashlib
import os
import tarfile
from pathlib import Path

import pytest
from download_server import (
    DEADLINE_S,
    LICENCE_TEXT,
    PICTURES,
    SMALL_DISK,
    WHOLE,
    child,
    expected_files,
    files_in,
    one_sentence,
    run,
    tgz,
)

from gans_n_roses.download import main

# A wrong archive

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


# No network, no disk

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
