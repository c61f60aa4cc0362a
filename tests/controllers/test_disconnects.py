"""A client that leaves, at each of the four moments, ends its own work and nobody else's."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from loguru import logger

from server.service.jobs import Job
from tests.fakes import Ticking
from tests.live import Live, live, open_stream, read_until, until

#: Steps of the fake model in these tests, and what a slot may take to be free: one step and a bit.
STEP_SECONDS = 0.2
FREED_WITHIN_SECONDS = STEP_SECONDS + 0.3

Leave = Callable[[socket.socket], None]


def close(connection: socket.socket) -> None:
    connection.close()


def reset(connection: socket.socket) -> None:
    """As a crashed client or a lost network does: RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture(params=[close, reset], ids=["close", "reset"])
def leave(request: pytest.FixtureRequest) -> Leave:
    found: Leave = request.param
    return found


@pytest.fixture(params=[0, 2], ids=["alone", "under load"], scope="module")
def num_others(request: pytest.FixtureRequest) -> int:
    """Listeners who ask for song after song; between two songs one of them may have no slot."""
    found: int = request.param
    return found


@pytest.fixture(scope="module")
def server(num_others: int) -> Iterator[Live]:
    """Four slots and waiting places."""
    with live(max_batch=4, waiting_places=8) as running, ThreadPoolExecutor(2) as pool:
        stop: list[bool] = []

        def listen() -> int:
            num_songs = 0
            while not stop:
                events = running.events(description="step 0.02", duration=5, stream_audio=True)
                assert events[-1]["event"] == "completed"
                num_songs += 1
            return num_songs

        others = [pool.submit(listen) for _ in range(num_others)]
        yield running
        stop.append(True)
        for other in others:
            assert other.result() > 0


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged, level first."""
    found: list[str] = []
    sink = logger.add(lambda line: found.append(line), format="{level} {message}", level="INFO")
    yield found
    logger.remove(sink)


def cancelled(server: Live, phase: str) -> float:
    return server.metric(f'continuo_cancellations_total{{model="ticking",phase="{phase}"}}')


def jobs_of(server: Live) -> list[Job]:
    return list(server.service._jobs)


def assert_freed(server: Live, lines: list[str], phase: str, before: float) -> None:
    """The cancellation is counted, its slot is free within a step, and it is no error."""
    assert until(lambda: cancelled(server, phase) > before) < FREED_WITHIN_SECONDS
    until(lambda: any("cancelled: the client disconnected" in line for line in lines))
    assert not [line for line in lines if line.startswith(("ERROR", "WARNING"))]


def test_in_the_middle(server: Live, num_others: int, leave: Leave, lines: list[str]) -> None:
    before = cancelled(server, "running")
    connection = open_stream(server.port, description=f"step {STEP_SECONDS}", duration=60)
    read_until(connection, b'"progress"')
    leave(connection)
    assert_freed(server, lines, "running", before)
    assert until(lambda: server.num_running() <= num_others) < FREED_WITHIN_SECONDS
    until(lambda: Ticking.active <= num_others)


def test_before_the_first_byte(server: Live, leave: Leave, lines: list[str]) -> None:
    """Gone as soon as the request is sent: the server may see that before or after it starts."""
    for _ in range(20):
        leave(open_stream(server.port, description=f"step {STEP_SECONDS}", duration=60))
    if leave is close:  # a reset may take the request itself along
        until(lambda: any("cancelled: the client disconnected" in line for line in lines), 20)
    until(lambda: server.num_running() <= 2, 20)
    room = server.service.room(server.service.registry.entry("ticking"))
    until(lambda: room.num_waiting == 0, 20)
    assert not [line for line in lines if line.startswith(("ERROR", "WARNING"))]


def test_while_queued(server: Live, leave: Leave, lines: list[str]) -> None:
    blockers = []
    room = server.service.room(server.service.registry.entry("ticking"))
    while room.num_waiting < 3 or len(blockers) < 5:  # those two under load free two slots at most
        blockers.append(open_stream(server.port, description=f"step {STEP_SECONDS}", duration=60))
        time.sleep(0.05)
    before = cancelled(server, "queued")
    connection = open_stream(server.port, description="never runs", duration=60)
    read_until(connection, b'"queued"')
    leave(connection)
    assert_freed(server, lines, "queued", before)
    until(lambda: "never runs" not in [job.request.prompt for job in jobs_of(server)])
    for blocker in blockers:
        blocker.close()
    until(lambda: room.num_waiting == 0)


def test_while_the_file_is_encoded(server: Live, leave: Leave, lines: list[str]) -> None:
    before = cancelled(server, "delivering")
    body = {"description": "x", "duration": 60, "format": "mp3"}
    connection = open_stream(server.port, **body)
    read_until(connection, b'"progress":100.0')
    leave(connection)
    until(lambda: cancelled(server, "delivering") > before)
    assert not [line for line in lines if line.startswith(("ERROR", "WARNING"))]


def test_a_client_that_stops_reading_counts_as_gone_after_a_while() -> None:
    with live(send_timeout_seconds=0.5) as server:
        connection = open_stream(server.port, description="x", duration=60, stream_audio=True)
        until(lambda: cancelled(server, "delivering") == 1, 20)
        assert not server.service._jobs
        connection.close()


def test_a_slow_reader_holds_nobody_up() -> None:
    """Its slot is free when the music is made, however slowly it reads."""
    with live() as server:
        slow = open_stream(server.port, description="x", duration=60, stream_audio=True)
        read_until(slow, b'"start"')
        assert until(lambda: server.num_running() == 0) < 5
        assert server.events(description="another")[-1]["event"] == "completed"
        received = b""
        while b'"completed"' not in received[-1000:] and (piece := slow.recv(1 << 20)):
            received += piece
        assert b'"event":"completed"' in received
        slow.close()


def test_a_request_that_is_never_finished(server: Live, lines: list[str]) -> None:
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(
        b"POST /api/v1/generate_music HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
    )
    time.sleep(0.1)
    connection.close()
    time.sleep(0.1)
    assert httpx.get(server.url + "/health").status_code == 200
    assert not [line for line in lines if line.startswith("ERROR")]
