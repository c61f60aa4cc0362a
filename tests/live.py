"""A real server on a free port of 127.0.0.1, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from server.app import create_app
from server.service.generation import GenerationService
from server.service.stored_jobs import StoredJobs
from server.settings import Settings

FAKES = (
    "ticking=tests.fakes:Ticking",
    "hanging=tests.fakes:Hanging",
    "missing=tests.fakes:Missing",
    "slow-to-load=tests.fakes:SlowToLoad",
    "broken-load=tests.fakes:BrokenLoad",
    "late-weights=tests.fakes:LateWeights",
    "weighted=tests.fakes:Weighted",
    "hearing=tests.fakes:Hearing",
    "singing=tests.fakes:Singing",
    "surprise=tests.fakes:Surprise",
    "heavy-3=tests.fakes:Heavy",
    "heavy-4=tests.fakes:Heavy",
    "heavy-5=tests.fakes:Heavy",
    "hearing=tests.fakes:Hearing",
)
ROUTE = "/api/v1/generate_music"
Json = dict[str, Any]


class Live:
    """The server's address, and its service to look inside."""

    def __init__(self, port: int, app: FastAPI, loop: asyncio.AbstractEventLoop) -> None:
        self.port = port
        self.app = app
        self.loop = loop
        self.service: GenerationService = app.state.service
        self.stored_jobs: StoredJobs = app.state.stored_jobs
        self.url = f"http://127.0.0.1:{port}"

    def post(self, **body: object) -> httpx.Response:
        return httpx.post(self.url + ROUTE, json=body, timeout=60)

    def events(self, **body: object) -> list[Json]:
        response = self.post(**body)
        assert response.status_code == 200, response.text
        return parse(response.content)

    def num_running(self, model: str = "ticking") -> int:
        entry = self.service.registry.entry(model)
        return self.service.room(entry).num_running

    def metric(self, line_start: str) -> float:
        """The value of the one metrics line that begins with `line_start`."""
        text = httpx.get(self.url + "/metrics").text
        values = [
            line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(line_start)
        ]
        return float(values[0]) if values else 0.0


@contextmanager
def live(ready: bool = True, **settings: object) -> Iterator[Live]:
    """A server with the fake models; `ticking` is the default. Waits until it is ready."""
    with TemporaryDirectory() as folder:
        known: dict[str, object] = {"music_model_name": "ticking", "extra_models": FAKES, "port": 0}
        app = create_app(Settings.model_validate({**known, "output_dir": folder, **settings}))
        with _serving(app, ready) as running:
            yield running


@contextmanager
def _serving(app: FastAPI, ready: bool) -> Iterator[Live]:
    config = uvicorn.Config(
        app, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="live server")
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        if ready:
            until(lambda: httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200)
        yield Live(port, app, server.servers[0].get_loop())
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server does not stop"


def until(holds: Callable[[], bool], within_seconds: float = 10.0) -> float:
    """Wait until `holds()`, and say how long that took; fail if it never does."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < within_seconds, "it never came to hold"
        time.sleep(0.002)
    return time.monotonic() - begun


def parse(stream: bytes) -> list[Json]:
    """The events of a stream, which must have the published form to the letter."""
    assert stream.endswith(b"\n\n")
    events = []
    for message in stream[:-2].split(b"\n\n"):
        assert message.startswith(b"data: "), message[:80]
        assert b"\n" not in message
        assert b"\r" not in message
        events.append(json.loads(message[len(b"data: ") :]))
    return events


def open_stream(port: int, **body: object) -> socket.socket:
    """A request sent over a bare socket, so that the test decides when to leave."""
    raw = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", port))
    head = f"POST {ROUTE} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(raw)}\r\n\r\n"
    connection.sendall(head.encode() + raw)
    return connection


def read_until(connection: socket.socket, word: bytes) -> bytes:
    received = b""
    while word not in received:
        piece = connection.recv(65536)
        assert piece, f"closed before {word!r}: {received[-300:]!r}"
        received += piece
    return received
