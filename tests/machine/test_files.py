"""Files that are whole or not there, claimed names, locked folders, and work in a folder."""

import errno
import os
import threading

import pytest

from gans_n_roses.machine.files import claim_file, claim_folder, lock_folder, read_file, working_in, write_file

posix = pytest.mark.skipif(os.name != 'posix', reason='links and pipes as POSIX has them')


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / 'rose'
    for content in (b'old' * 1000, b'new'):
        write_file(path, content)
        assert read_file(path) == content
    assert names(tmp_path) == ['rose']


def test_a_write_that_fails_names_the_file_and_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / 'rose'
    write_file(path, b'old')

    def full(_):
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space left') as failed:
        write_file(path, b'new')
    assert (failed.value.errno, failed.value.filename) == (errno.ENOSPC, str(path))
    assert (read_file(path), names(tmp_path)) == (b'old', ['rose'])


@posix
def test_what_lies_in_the_place_of_the_file_aside_is_not_written_through(tmp_path):
    path, other = tmp_path / 'rose', tmp_path / 'other'
    other.write_bytes(b'mine')
    aside = tmp_path / '.rose.partial'
    for lay in (lambda: aside.symlink_to(other), lambda: os.link(other, aside), lambda: os.mkfifo(aside),
                lambda: aside.mkdir(), lambda: aside.write_bytes(b'left by a process that was killed')):
        lay()
        write_file(path, b'whole')
        assert path.is_file() and not path.is_symlink()
        assert (read_file(path), other.read_bytes(), names(tmp_path)) == (b'whole', b'mine', ['other', 'rose'])


@posix
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(OSError, match='it is no file'):
        read_file(tmp_path / 'pipe')


def test_a_pipe_in_the_place_of_a_lock_is_told_and_keeps_nobody_waiting(tmp_path, capsys):
    os.mkfifo(tmp_path / '.lock')
    with lock_folder(tmp_path):
        assert 'cannot be locked' in capsys.readouterr().out


def test_names_claimed_at_once_differ(tmp_path):
    """Sixteen threads claim one name for a file, and one for a folder, in the same moment."""
    start, claimed = threading.Barrier(16), []

    def make():
        start.wait()
        with claim_file(tmp_path / 'rose.png') as path:
            write_file(path, b'rose')
        with claim_folder(tmp_path / 'roses') as folder:
            claimed.extend([path.name, folder.name])
    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = ['rose.png', 'roses', *(f'rose_{k}.png' for k in range(2, 17)), *(f'roses_{k}' for k in range(2, 17))]
    assert sorted(claimed) == sorted(expected) == names(tmp_path)


@pytest.mark.parametrize('claim', [claim_file, claim_folder])
def test_a_claim_whose_block_fails_leaves_nothing(tmp_path, claim):
    with pytest.raises(KeyboardInterrupt), claim(tmp_path / 'rose.png'):
        assert any(tmp_path.iterdir())
        raise KeyboardInterrupt
    assert not any(tmp_path.iterdir())


def test_a_folder_that_has_files_stays_where_the_block_fails(tmp_path):
    with pytest.raises(KeyboardInterrupt), claim_folder(tmp_path / 'roses') as folder:
        write_file(folder / '1.png', b'whole')
        raise KeyboardInterrupt
    assert names(folder) == ['1.png']


def test_a_claim_in_a_folder_that_is_not_there_names_the_file(tmp_path):
    path = tmp_path / 'none' / 'rose.png'
    with pytest.raises(FileNotFoundError) as failed, claim_file(path):
        pass
    assert failed.value.filename == str(path)


def test_a_folder_is_locked_by_one_until_the_block_ends(tmp_path, capsys):
    with lock_folder(tmp_path):
        assert lock_folder(tmp_path) is None
    with lock_folder(tmp_path):
        assert lock_folder(tmp_path) is None
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('number', [errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_on_a_file_system_without_locks_one_sentence_is_all(tmp_path, monkeypatch, capsys, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr('fcntl.flock', refuse)
    with lock_folder(tmp_path):
        assert capsys.readouterr().out == (f'{tmp_path} cannot be locked ({os.strerror(number)}): let one process at a '
                                           'time write there.\n')


def test_a_folder_that_is_not_there_cannot_be_locked(tmp_path):
    with pytest.raises(FileNotFoundError):
        lock_folder(tmp_path / 'none')


def test_work_in_a_folder_ends_where_it_began(tmp_path):
    before = os.getcwd()
    with pytest.raises(KeyboardInterrupt), working_in(tmp_path):
        assert os.path.samefile('.', tmp_path)
        raise KeyboardInterrupt
    assert os.getcwd() == before


@posix
def test_work_in_a_folder_begins_where_there_is_none_any_more(tmp_path, monkeypatch):
    gone = tmp_path / 'gone'
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with working_in(tmp_path):
        assert os.path.samefile('.', tmp_path)
