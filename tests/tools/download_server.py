"""What the tests of the download share: an archive, and a server on this machine that sends it."""

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gans_n_roses.tools.download import CLASSES, Archive

PICTURES = {f'flower_photos/{name}/{number}.jpg': hashlib.shake_256(f'{name}{number}'.encode()).digest(40_000)
            for name in CLASSES for number in range(2)}
LICENCE = {'flower_photos/LICENSE.txt': b'All images are licensed under CC BY 2.0.\n'}


class Server(ThreadingHTTPServer):
    """Sends `body` with `status`, at most `cut` bytes of it; `endless`: over and over again, after its length."""

    daemon_threads = True

    def __init__(self, *more):
        """`more`: (TarInfo, bytes) that the archive has besides licence and pictures."""
        super().__init__(('127.0.0.1', 0), Handler)
        self.body = tgz({**LICENCE, **PICTURES}, more)
        self.archive = Archive(f'http://127.0.0.1:{self.server_port}/flower_photos.tgz', len(self.body),
                               hashlib.sha256(self.body).hexdigest())
        self.status, self.cut, self.endless, self.asked = 200, None, False, 0
        self.go_on = threading.Event()  # clear: after a cut the client is kept waiting
        self.go_on.set()

    def handle_error(self, request, client_address):
        """Say nothing: clients that go away are what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked += 1
        self.send_response(server.status)
        self.send_header('Content-Length', str(len(server.body)))
        if server.endless:  # which makes a client forget the length
            self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        while server.endless:
            self.wfile.write(b'%x\r\n%b\r\n' % (len(server.body), server.body))
        self.wfile.write(server.body[:server.cut])
        self.wfile.flush()
        server.go_on.wait(60)

    def log_message(self, *args):
        pass


def tgz(files, more):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz') as tar:
        for info, data in [*((tarfile.TarInfo(name), data) for name, data in files.items()), *more]:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
