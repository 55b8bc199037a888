"""Fetch TensorFlow's flower_photos (CC BY 2.0) and keep the wanted classes, roses by default."""
import argparse
import errno
import hashlib
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
FOLDER, LICENSE = 'flower_photos', 'LICENSE.txt'
CLASSES = ('daisy', 'dandelion', 'roses', 'sunflowers', 'tulips')
TIMEOUT_S, RETRIES, CHUNK_BYTES = 30.0, 3, 1 << 14


class Archive(NamedTuple):
    """Where an archive lies, its length in bytes and its SHA-256 in lower-case hex."""
    url: str
    size: int
    sha256: str


FLOWER_PHOTOS = Archive(
    'https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz',
    228_813_984, '4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c')


class DownloadError(RuntimeError):
    """An expected fault of network, server or archive, told in one sentence."""


def _refused(archive_path: Path, why: str) -> DownloadError:
    archive_path.unlink()  # No later run could use it.
    return DownloadError(f'{why}: it is deleted, run again or name another mirror with --url.')


def _open(archive: Archive, start: int) -> tuple[HTTPResponse, int]:
    """Ask for the bytes from `start` on; return the answer and where it really starts."""
    headers = {'Range': f'bytes={start}-'} if start else {}
    try:
        response = urlopen(Request(archive.url, headers=headers), timeout=TIMEOUT_S)
    except HTTPError as error:
        response = error  # It has status, reason and headers like any other answer.
    except (OSError, HTTPException, ValueError) as error:
        raise DownloadError(f"{archive.url} gives no answer ({getattr(error, 'reason', error)}): "
                            "check network and address, then run it again.") from error
    length = response.headers.get('Content-Length', 'an unknown number of')
    rest = f'bytes {start}-{archive.size - 1}/{archive.size}'
    if response.status == 206 and response.headers.get('Content-Range') == rest:
        return response, start
    if response.status == 200 and length == str(archive.size):
        return response, 0
    response.close()
    if start:  # Ranges are refused (416) or wrong here: ask for the whole.
        return _open(archive, 0)
    raise DownloadError(f'{archive.url} answers {response.status} {response.reason} with {length} '
                        f'bytes, expected were 200 and {archive.size}: check the network (a log-in'
                        ' page?), try later or name another mirror with --url.')


def _chunks(response: HTTPResponse, most: int) -> Iterator[bytes]:
    """Yield what comes until the end, a cut or a silence, and at most so many bytes, however many the server sends."""
    with suppress(OSError, HTTPException):
        while most and (chunk := response.read(min(CHUNK_BYTES, most))):
            most -= len(chunk)
            yield chunk


def _fetch(archive: Archive, part_path: Path) -> None:
    """Bring the archive to `part_path`, going on from what is there, and check size and hash.

    The partial file is kept after a cut and deleted when its content is wrong.
    """
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
            raise DownloadError(f'The connection was cut or silent for {TIMEOUT_S:g} s at byte '
                                f'{have} of {archive.size}: run it again to go on from there.')
        retries -= 1
    with part_path.open('rb') as file:
        sha256 = hashlib.file_digest(file, 'sha256').hexdigest()
    if (have, sha256) != (archive.size, archive.sha256):
        raise _refused(part_path, f'The file fetched has {have} bytes and SHA-256 {sha256}, '
                                  f'expected were {archive.size} and {archive.sha256}')


def _present(path: Path) -> bool:
    # Classes appear by one rename of a finished folder, so one picture there means all of them.
    return path.is_file() if path.name == LICENSE else any(path.glob('*.jpg'))


def _extract(tar: tarfile.TarFile, work: Path, names: Sequence[str]) -> None:
    for member in tar:
        parts = PurePosixPath(member.name).parts
        if (not (member.isfile() or member.isdir()) or member.name.startswith('/')
                or '..' in parts or set(member.name) & set('\\:')):
            raise tarfile.ExtractError(f'unsafe member {member.name}')
        if member.isfile() and parts[:1] == (FOLDER,) and set(parts[1:2]) & set(names):
            target = work.joinpath(*parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(tar.extractfile(member).read())


def _unpack(archive_path: Path, out: Path, names: Sequence[str]) -> None:
    """Take classes and licence out of the checked archive, each into place whole or not at all."""
    work = out / f'.{FOLDER}.partial'
    shutil.rmtree(work, ignore_errors=True)  # What a killed run left.
    try:
        with tarfile.open(archive_path, 'r:gz') as tar:
            _extract(tar, work, names)
        if not all(_present(work / name) for name in names):
            raise tarfile.ExtractError(f"expected in it are {', '.join(names)}")
        (out / FOLDER).mkdir(exist_ok=True)
        for name in names:
            (work / name).replace(out / FOLDER / name)
    except (tarfile.TarError, EOFError) as error:
        raise _refused(archive_path, f'{archive_path} cannot be unpacked ({error})') from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _provide(archive: Archive, out: Path, classes: Sequence[str]) -> None:
    photos, part_path = out / FOLDER, out / f'{FOLDER}.tgz.part'
    # The licence goes first, so that no picture is ever in place without it.
    missing = [name for name in (LICENSE, *classes) if not _present(photos / name)]
    if missing:
        out.mkdir(parents=True, exist_ok=True)
        for folder in filter(Path.exists, (out, photos)):  # Better refused now than at the end.
            tempfile.TemporaryFile(dir=folder).close()
        for path in filter(Path.exists, (photos / name for name in missing)):
            path.rmdir()  # An empty folder is no loss; anything else in the way is refused.
        print(f"Fetching {', '.join(missing)} from {archive.url}.", flush=True)
        _fetch(archive, part_path)
        _unpack(part_path, out, missing)
        part_path.unlink()
    print(f"{'All is there' if missing else 'Nothing to do'}: {', '.join(classes)} in {photos}.")
    folder = photos / classes[0] if len(classes) == 1 else photos
    path, here = folder.resolve(), Path.cwd()
    below = path.is_relative_to(ROOT) and path.is_relative_to(here)
    shown = f'./{path.relative_to(here).as_posix()}/' if below else f'{path.as_posix()}/'
    print(f'For mission_control.py:\nDATASET_PATH = {shown!r}\nDATASET_CHOSEN = {folder.name!r}')


def main(argv: Sequence[str] | None = None, archive: Archive = FLOWER_PHOTOS) -> int:
    """Fetch what is missing of the wanted classes and their licence.

    Args:
        argv: arguments without the program's name; None takes them from sys.argv.
        archive: what to fetch; `--url` replaces its address only.

    Returns:
        Exit code: 0 all there, 1 network, archive or disk failed, 2 bad input, 130 interrupted.
    """
    parser = argparse.ArgumentParser(prog='python -m gans_n_roses.download', description=__doc__)
    parser.add_argument('--classes', nargs='+', choices=CLASSES, default=['roses'],
                        metavar='CLASS', help=f"out of {', '.join(CLASSES)}; default: roses")
    parser.add_argument('--out', type=Path, default=ROOT / 'Dataset', help='default: %(default)s')
    parser.add_argument('--url', default=archive.url, help='a mirror; default: %(default)s')
    args = parser.parse_args(argv)
    if not re.fullmatch(r'https?://([\w.-]+|\[[\da-fA-F:]+\])(:\d+)?(/\S*)?', args.url):
        parser.error(f'--url is {args.url!r}, expected is one like {FLOWER_PHOTOS.url}')
    try:
        _provide(archive._replace(url=args.url), args.out, list(dict.fromkeys(args.classes)))
    except KeyboardInterrupt:
        print('\nInterrupted: run the same command again to go on from here.', file=sys.stderr)
        return 130
    except DownloadError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except OSError as error:
        print(f'error: {error.filename or args.out} cannot be written ({error.strerror}): expected'
              ' is a writable folder with 500 MB free, make room or choose another with --out, '
              'then run the same command again.', file=sys.stderr)
        return 1 if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO) else 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
