"""A small real server that speaks the MusicGen SSE dialect, as a test tells it to."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BEAT_SECONDS = 0.05
LONGEST_STREAM_SECONDS = 20.0


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer; a script of the test writes the answer with these methods."""

    protocol_version = "HTTP/1.1"
    server: DialectServer

    def do_POST(self) -> None:
        self.close_connection = True
        length = int(self.headers["Content-Length"])
        self.server.bodies.append(json.loads(self.rfile.read(length)))
        self.server.paths.append(self.path)
        self.chunked = True
        self.server.next_script()(self)

    def log_message(self, format: str, *args: object) -> None:
        """Silence: the output of a test run is for failures."""

    def refuse(self, status: int, body: dict[str, Any] | str, **headers: str) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text.encode())

    def begin(self, chunked: bool = True, content_type: str = "text/event-stream") -> None:
        self.chunked = chunked
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Connection", "close")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def write(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self.chunked else piece)
        self.wfile.flush()

    def tell(self, event: str, **fields: object) -> None:
        self.write(sse(event, **fields))

    def end(self) -> None:
        if self.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def drop(self) -> None:
        """End the connection as a server that dies does: with a reset."""
        no_lingering = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
        self.connection.close()

    def work_until_gone(self) -> None:
        """Send progress until the client has closed the connection; note when that was."""
        deadline = time.monotonic() + LONGEST_STREAM_SECONDS
        while time.monotonic() < deadline:
            if select.select([self.connection], [], [], BEAT_SECONDS)[0]:
                self.server.gone_at = time.monotonic()
                self.server.gone.set()
                return
            self.tell("progress", progress=10.0)


Script = Callable[[Exchange], None]


class DialectServer(ThreadingHTTPServer):
    """Answers each request with the next of `scripts`."""

    daemon_threads = True

    def __init__(self, *scripts: Script) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self._scripts = list(scripts)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.gone = threading.Event()
        self.gone_at = 0.0

    def next_script(self) -> Script:
        return self._scripts.pop(0)

    def handle_error(self, request: object, client_address: object) -> None:
        """Silence: clients that go away in the middle are what is tested."""


@contextmanager
def serving(*scripts: Script) -> Iterator[DialectServer]:
    """A server on a free port of 127.0.0.1 that answers with `scripts`, one a request."""
    server = DialectServer(*scripts)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sse(event: str, **fields: object) -> bytes:
    """One message of the dialect."""
    return b"data: " + json.dumps({"event": event, **fields}).encode() + b"\n\n"
