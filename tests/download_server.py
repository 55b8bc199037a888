"""What the tests of the download share: a server on this machine, an archive, and what comes of it."""

import hashlib
import io
import re
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from conftest import REPO

from gans_n_roses.download import CLASSES, Archive, main

PICTURES = {
    f'{name}/{number}.jpg': hashlib.shake_256(f'{name}{number}'.encode()).digest(40_000)
    for name in CLASSES for number in range(2)
}
LICENCE_TEXT = b'All images are licensed under CC BY 2.0.\n'
DEADLINE_S, MANY = 60.0, 100


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
        if server.endless:  # which makes a client forget the length
            self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        if server.endless:
            self.send_without_end(rest)
        part = rest[:server.cuts.pop(0)] if server.cuts else rest
        server.sent.append(len(part))  # before it is seen
        self.wfile.write(part)
        self.wfile.flush()
        if len(part) < len(rest):
            server.go_on.wait(DEADLINE_S)

    def send_without_end(self, chunk):
        """Send chunk after chunk until the client goes away, or has taken so many that it takes all."""
        while len(self.server.sent) < MANY:
            self.server.sent.append(len(chunk))
            self.wfile.write(b'%x\r\n%b\r\n' % (len(chunk), chunk))

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    """Serves `body`; `cuts` are the bytes after which the next answers stop, one by one."""

    daemon_threads = True

    def __init__(self, body):
        super().__init__(('127.0.0.1', 0), Handler)
        self.body, self.status, self.ranges = body, 200, 'yes'
        self.tells_length, self.endless = True, False
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
