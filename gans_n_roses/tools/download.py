"""Fetch TensorFlow's flower_photos (CC BY 2.0) and keep the wanted classes, roses by default."""

import argparse
import errno
import hashlib
import shutil
import sys
import tarfile
import tempfile
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from gans_n_roses.errors import BadInput, RunFailed, Stop, missing_package
from gans_n_roses.machine import streams

ROOT = Path(__file__).resolve().parents[2]
FOLDER, LICENSE = 'flower_photos', 'LICENSE.txt'
CLASSES = ('daisy', 'dandelion', 'roses', 'sunflowers', 'tulips')
TIMEOUT_S = 30.0
DISK_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # any other fault of a folder is a wrong --out


class Archive(NamedTuple):
    """The address of an archive, and what it is known by."""

    url: str
    size: int  # in bytes
    sha256: str  # in lower-case hex


FLOWER_PHOTOS = Archive(
    'https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz',
    228_813_984, '4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c')


def main(arguments, archive=FLOWER_PHOTOS):
    """Fetch the wanted classes and their licence, as far as they are missing.

    Args:
      arguments: list of str, the command line without the program's name.
      archive: Archive to fetch; `--url` replaces its address only.
    Returns:
      Exit code: 0 all there, 1 network, archive or disk failed, 2 bad input, 130 interrupted.
    """
    parser = argparse.ArgumentParser(prog='python -m gans_n_roses.tools.download', description=__doc__)
    parser.add_argument('--classes', nargs='+', choices=CLASSES, default=['roses'],
                        metavar='CLASS', help=f"out of {', '.join(CLASSES)}; default: roses")
    parser.add_argument('--out', type=Path, default=ROOT / 'Dataset', help='default: %(default)s')
    parser.add_argument('--url', default=archive.url, help='a mirror; default: %(default)s')
    args = parser.parse_args(arguments)
    try:
        with missing_package(ROOT / 'requirements.txt'):
            provide(archive._replace(url=args.url), args.out / FOLDER, list(dict.fromkeys(args.classes)))
    except KeyboardInterrupt:
        print('\nInterrupted: the same command begins again.', file=sys.stderr)
        return 130
    except Stop as stop:
        print(f'error: {stop}', file=sys.stderr)
        return stop.exit_code
    return 0


def provide(archive, photos, classes):
    """Bring licence and classes into a folder, and say how to train on them.

    Args:
      archive: Archive.
      photos: Path of the folder; it is made where it is missing.
      classes: list of names out of CLASSES.
    Raises:
      BadInput: the folder cannot be written, or this Python is too old.
      RunFailed: network, archive or disk failed.
    """
    # The licence goes first, so that no picture is ever in place without it.
    missing = [name for name in (LICENSE, *classes) if not (photos / name).exists()]
    try:
        if missing:
            fetch_missing(archive, photos, missing)
    except OSError as problem:
        kind = RunFailed if problem.errno in DISK_FAILED else BadInput
        raise kind(f'{problem.filename or photos} cannot be written ({problem.strerror}): expected is a writable '
                   'folder with 500 MB free, make room or choose another with --out, then run the same command '
                   'again.') from None
    if not missing:
        print('Nothing to do: a class that is there is not fetched again, unless its folder is deleted.')
    folder = photos / classes[0] if len(classes) == 1 else photos
    path = folder.resolve()  # relative paths in mission_control.py begin at its own folder
    shown = f'./{path.relative_to(ROOT).as_posix()}/' if path.is_relative_to(ROOT) else f'{path.as_posix()}/'
    print(f"All of {', '.join(classes)} is in {photos}. For mission_control.py:\n"
          f'DATASET_PATH = {shown!r}\nDATASET_CHOSEN = {folder.name!r}')


def fetch_missing(archive, photos, missing):
    """Fetch the archive, take out what is missing, and put it in place, each class by one rename.

    Raises:
      BadInput, RunFailed, OSError.
    """
    if not hasattr(tarfile, 'data_filter'):
        raise BadInput('This Python cannot tell a harmful archive from a good one: use 3.11.4 or a newer one.')
    photos.mkdir(parents=True, exist_ok=True)
    # Both are hidden from whoever trains on this folder meanwhile.
    with (tempfile.TemporaryFile(dir=photos) as file,
          tempfile.TemporaryDirectory(dir=photos, prefix='.', ignore_cleanup_errors=True) as work):
        print(f"Fetching {', '.join(missing)} from {archive.url}.", flush=True)
        fetch(archive, file)
        try:
            with tarfile.open(fileobj=file) as tar:
                wanted = [member for member in tar if set(member.name.split('/')[1:2]) & set(missing)]
                tar.extractall(work, wanted, filter='data')
        except tarfile.TarError as problem:  # what a member is called or links to lies elsewhere, or is no plain file
            raise RunFailed(f'The archive is refused ({problem}): name another mirror with --url.') from None
        for name in missing:
            Path(work, FOLDER, name).replace(photos / name)


def fetch(archive, file):
    """Write the archive to an open file, and check that it is the one expected; no more than its size is fetched.

    keras.utils.get_file has neither a limit nor a timeout, and would write to /tmp where the folder cannot be written.

    Raises:
      RunFailed: there is no answer, another one, or one that was cut.
      OSError: the disk failed.
    """
    from tqdm import tqdm  # here, as it may be missing
    try:
        with urlopen(archive.url, timeout=TIMEOUT_S) as response:
            # The length is None where the server does not tell it, or sends in chunks, which need not end.
            length = getattr(response, 'length', None)
            if length != archive.size:
                raise RunFailed(f'{archive.url} answers with {length or "an unknown number of"} bytes, expected are '
                                f'{archive.size}: check the network (a log-in page?), try later or name another mirror '
                                'with --url.')
            with tqdm.wrapattr(response, 'read', length, desc=f'{FOLDER}.tgz', disable=None) as body:
                shutil.copyfileobj(body, file)
    except (OSError, HTTPException, ValueError) as problem:
        if getattr(problem, 'errno', None) in DISK_FAILED:
            raise
        raise RunFailed(f'{archive.url} cannot be fetched ({problem}): check network and address, then run it '
                        'again.') from None
    file.seek(0)
    sha256 = hashlib.file_digest(file, 'sha256').hexdigest()
    if sha256 != archive.sha256:
        raise RunFailed(f'{file.tell()} of {archive.size} bytes came, with SHA-256 {sha256}, expected is '
                        f'{archive.sha256}: run it again, or name another mirror with --url.')
    file.seek(0)


if __name__ == '__main__':
    streams.keep_going()
    sys.exit(main(sys.argv[1:]))
