"""Fetch TensorFlow's flower_photos (CC BY 2.0) and keep the wanted classes, roses by default."""

import argparse
import contextlib
import errno
import hashlib
import platform
import re
import shutil
import sys
import tarfile
import tempfile
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from gans_n_roses.errors import BadInput, RunFailed, Stop, missing_package
from gans_n_roses.machine import output

ROOT = Path(__file__).resolve().parent.parent
FOLDER, LICENSE = 'flower_photos', 'LICENSE.txt'
CLASSES = ('daisy', 'dandelion', 'roses', 'sunflowers', 'tulips')
TIMEOUT_S, RETRIES, CHUNK_BYTES = 30.0, 3, 1 << 14
DISK_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # other faults of a disk are a wrong --out


class Archive(NamedTuple):
    """Where an archive lies and how to know it."""

    url: str
    size: int  # in bytes
    sha256: str  # in lower-case hex


FLOWER_PHOTOS = Archive(
    'https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz',
    228_813_984, '4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c')


def main(arguments, archive=FLOWER_PHOTOS):
    """Fetch what is missing of the wanted classes and their licence.

    Args:
      arguments: list of str, the command line without the program's name.
      archive: Archive to fetch; `--url` replaces its address only.
    Returns:
      Exit code: 0 all there, 1 network, archive or disk failed, 2 bad input, 130 interrupted.
    """
    parser = argparse.ArgumentParser(prog='python -m gans_n_roses.download', description=__doc__)
    parser.add_argument('--classes', nargs='+', choices=CLASSES, default=['roses'],
                        metavar='CLASS', help=f"out of {', '.join(CLASSES)}; default: roses")
    parser.add_argument('--out', type=Path, default=ROOT / 'Dataset', help='default: %(default)s')
    parser.add_argument('--url', default=archive.url, help='a mirror; default: %(default)s')
    args = parser.parse_args(arguments)
    if not re.fullmatch(r'https?://([\w.-]+|\[[\da-fA-F:]+\])(:\d+)?(/\S*)?', args.url):
        parser.error(f'--url is {args.url!r}, expected is one like {FLOWER_PHOTOS.url}')
    try:
        with _disk_faults_told(args.out), missing_package(ROOT / 'requirements.txt'):
            _provide(archive._replace(url=args.url), args.out, list(dict.fromkeys(args.classes)))
    except KeyboardInterrupt:
        print('\nInterrupted: run the same command again to go on from here.', file=sys.stderr)
        return 130
    except Stop as stop:
        print(f'error: {stop}', file=sys.stderr)
        return stop.exit_code
    return 0


@contextlib.contextmanager
def _disk_faults_told(out):
    try:
        yield
    except OSError as problem:
        kind = RunFailed if problem.errno in DISK_FAILED else BadInput
        raise kind(f'{problem.filename or out} cannot be written ({problem.strerror}): expected is a writable folder '
                   'with 500 MB free, make room or choose another with --out, then run the same command '
                   'again.') from None


def _provide(archive, out, classes):
    """Bring licence and classes into out/flower_photos and say how to train on them.

    Raises:
      BadInput, RunFailed, OSError.
    """
    photos = out / FOLDER
    # The licence goes first, so that no picture is ever in place without it.
    missing = [name for name in (LICENSE, *classes) if not _present(photos / name)]
    if missing:
        _check_python()
        out.mkdir(parents=True, exist_ok=True)
        with _alone(out) as work:
            _fetch_missing(archive, out, work, missing)
    print(f"{'All is there' if missing else 'Nothing to do'}: {', '.join(classes)} in {photos}.")
    folder = photos / classes[0] if len(classes) == 1 else photos
    path = folder.resolve()  # relative paths in mission_control.py begin at its own folder
    shown = f'./{path.relative_to(ROOT).as_posix()}/' if path.is_relative_to(ROOT) else f'{path.as_posix()}/'
    print(f'For mission_control.py:\nDATASET_PATH = {shown!r}\nDATASET_CHOSEN = {folder.name!r}')


def _present(path):
    # Classes appear by one rename of a finished folder, so one picture there means all of them.
    return path.is_file() if path.name == LICENSE else any(path.glob('*.jpg'))


def _check_python():
    if not hasattr(tarfile, 'data_filter'):
        raise BadInput(f'Python {platform.python_version()} cannot tell a harmful archive from a good one: use Python '
                       '3.11.4 or a newer one.')


@contextlib.contextmanager
def _alone(out):
    """Hold the hidden folder in which the archive is unpacked, so that no second download works in `out`."""
    from gans_n_roses.machine.files import lock_folder  # here: it needs a package that may be missing
    work = out / f'.{FOLDER}.partial'
    work.mkdir(exist_ok=True)
    claim = lock_folder(work)
    if claim is None:
        raise BadInput(f'Another download into {out} is running: wait until it has ended, then run the same command '
                       'again.')
    with claim:
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _fetch_missing(archive, out, work, missing):
    photos, part_path = out / FOLDER, out / f'{FOLDER}.tgz.part'
    if photos.exists():  # better refused now than at the end
        tempfile.TemporaryFile(dir=photos).close()
    for path in filter(Path.exists, (photos / name for name in missing)):
        path.rmdir()  # an empty folder is no loss; anything else in the way is refused
    print(f"Fetching {', '.join(missing)} from {archive.url}.", flush=True)
    _fetch(archive, part_path)
    _unpack(part_path, work, missing)
    photos.mkdir(exist_ok=True)
    for name in missing:
        (work / FOLDER / name).replace(photos / name)
    part_path.unlink()


def _fetch(archive, part_path):
    """Bring the archive to `part_path`, going on from what is there, and check size and hash.

    The partial file is kept after a cut and deleted when its content is wrong.

    Raises:
      RunFailed, OSError.
    """
    from tqdm import tqdm  # here, as it may be missing
    have, retries = part_path.stat().st_size if part_path.exists() else 0, RETRIES
    while have < archive.size:
        response, start = _open(archive, have)
        have = start
        with response, tqdm(total=archive.size, initial=start, unit='B', unit_scale=True,
                            desc=f'{FOLDER}.tgz', disable=None) as bar:
            for chunk in _chunks(response, archive.size - start):
                # Opened only now: a server that starts again destroys nothing before it delivers.
                with part_path.open('ab' if have else 'wb') as file:
                    file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))
        if have < archive.size and (have == start or not retries):
            raise RunFailed(f'The connection was cut or silent for {TIMEOUT_S:g} s at byte {have} of {archive.size}: '
                            'run it again to go on from there.')
        retries -= 1
    with part_path.open('rb') as file:
        sha256 = hashlib.file_digest(file, 'sha256').hexdigest()
    if (have, sha256) != (archive.size, archive.sha256):
        raise _refused(part_path, f'The file fetched has {have} bytes and SHA-256 {sha256}, '
                                  f'expected were {archive.size} and {archive.sha256}')


def _open(archive, start):
    """Ask for the bytes from `start` on; returns (response, where it really starts)."""
    headers = {'Range': f'bytes={start}-'} if start else {}
    try:
        response = urlopen(Request(archive.url, headers=headers), timeout=TIMEOUT_S)
    except HTTPError as problem:
        response = problem  # it has status, reason and headers like any other answer
    except (OSError, HTTPException, ValueError) as problem:
        raise RunFailed(f"{archive.url} gives no answer ({getattr(problem, 'reason', problem)}): "
                        'check network and address, then run it again.') from problem
    length = response.headers.get('Content-Length', 'an unknown number of')
    rest = f'bytes {start}-{archive.size - 1}/{archive.size}'
    if response.status == 206 and response.headers.get('Content-Range') == rest:
        return response, start
    if response.status == 200 and length == str(archive.size):
        return response, 0
    response.close()
    if start:  # ranges are refused (416) or wrong here: ask for the whole
        return _open(archive, 0)
    raise RunFailed(f'{archive.url} answers {response.status} {response.reason} with {length} bytes, expected were 200 '
                    f'and {archive.size}: check the network (a log-in page?), try later or name another mirror with '
                    '--url.')


def _chunks(response, most):
    """Yield what comes until the end, a cut or a silence, and at most so many bytes, however many the server sends."""
    with contextlib.suppress(OSError, HTTPException):
        while most and (chunk := response.read(min(CHUNK_BYTES, most))):
            most -= len(chunk)
            yield chunk


def _unpack(archive_path, work, names):
    """Take classes and licence out of the checked archive, into work/flower_photos.

    Raises:
      RunFailed: the archive is deleted.
      OSError.
    """
    shutil.rmtree(work / FOLDER, ignore_errors=True)  # what a killed run left
    try:
        with tarfile.open(archive_path, 'r:gz') as tar:
            for member in tar:
                _check_safe(member, work)
                parts = PurePosixPath(member.name).parts
                if member.isfile() and parts[0] == FOLDER and set(parts[1:2]) & set(names):
                    tar.extract(member, work, filter='data')
        if not all(_present(work / FOLDER / name) for name in names):
            raise tarfile.ExtractError(f"expected in it are {', '.join(names)}")
    except (tarfile.TarError, EOFError) as problem:
        raise _refused(archive_path, f'{archive_path} cannot be unpacked ({problem})') from problem


def _check_safe(member, folder):
    """Refuse what tarfile's data filter refuses or would rename, links, and names that mean more on Windows."""
    try:
        kept = tarfile.data_filter(member, str(folder)).name == member.name
    except tarfile.FilterError:
        kept = False
    if not kept or not (member.isfile() or member.isdir()) or set(member.name) & set('\\:'):
        raise tarfile.ExtractError(f'unsafe member {member.name}')


def _refused(archive_path, why):
    archive_path.unlink()  # no later run could use it
    return RunFailed(f'{why}: it is deleted, run again or name another mirror with --url.')


if __name__ == '__main__':
    output.keep_going()
    sys.exit(main(sys.argv[1:]))
