"""The download from a server that cuts, is silent, begins again or never ends."""

import os
import signal
import time

import pytest
from download_server import (
    DEADLINE_S,
    INTERRUPTED,
    MANY,
    WHOLE,
    child,
    expected_files,
    files_in,
    one_sentence,
    run,
)

from gans_n_roses import download


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


def test_a_server_that_sends_without_end_is_left_when_the_archive_is_whole(serve, out):
    server = serve()
    server.endless = True
    assert run(server, out) == 0
    assert len(server.sent) < MANY
    assert files_in(out) == expected_files('roses')
