"""The same events as over SSE, the sound in binary frames, over a real WebSocket."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM
from socket import SHUT_RDWR
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.fakes import Ticking
from tests.live import ROUTE, Live, live, until
from tests.process import running

Told = tuple[dict[str, Any], bytes]


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with live() as started:
        yield started


@pytest.fixture
def socket(server: Live) -> Iterator[ClientConnection]:
    with opened(server) as connection:
        yield connection
    until(lambda: server.num_running() == 0)


def opened(server: Live, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}{ROUTE}", **options)


def ask(socket: ClientConnection, **body: object) -> None:
    socket.send(json.dumps(body))


def hear(socket: ClientConnection) -> Told:
    """An event with its sound."""
    event = json.loads(socket.recv(timeout=20))
    sound = b""
    while len(sound) < event.get("audio_bytes", 0):
        frame = socket.recv(timeout=20)
        assert isinstance(frame, bytes)
        assert len(frame) <= 64 * 1024
        sound += frame
    assert len(sound) == event.get("audio_bytes", 0)
    return event, sound


def hear_all(socket: ClientConnection) -> list[Told]:
    told = [hear(socket)]
    while told[-1][0]["event"] not in ("completed", "error"):
        told.append(hear(socket))
    return told


def hear_until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while (event := hear(socket)[0])["event"] != kind:
        pass
    return event


def closed(socket: ClientConnection) -> ConnectionClosed:
    with pytest.raises(ConnectionClosed) as raised:
        socket.recv(timeout=20)
    return raised.value


def test_the_events_and_the_sound_are_those_of_the_sse_dialect(
    server: Live, socket: ClientConnection
) -> None:
    body = {"description": "warn", "duration": 3, "seed": 7, "stream_audio": True}
    ask(socket, **body)
    told = hear_all(socket)
    streamed = server.events(**body)
    kinds = [(event["event"], *sorted(event.keys() - {"audio_bytes"})) for event, _ in told]
    known = [(event["event"], *sorted(event.keys() - {"audio"})) for event in streamed]
    assert sorted(set(kinds)) == sorted(set(known))
    for kind in ("audio", "completed"):
        sounds = [sound for event, sound in told if event["event"] == kind]
        assert sounds == [
            base64.b64decode(event["audio"]) for event in streamed if event["event"] == kind
        ]


def test_requests_one_after_the_other(socket: ClientConnection) -> None:
    for seed in (1, 2, 1):
        ask(socket, description="x", duration=2, seed=seed)
        completed, sound = hear_all(socket)[-1]
        assert completed["seed"] == seed
        assert sound.startswith(b"RIFF")


def test_cancel_stops_the_music_and_not_the_talk(server: Live, socket: ClientConnection) -> None:
    ask(socket, description="step 0.1", duration=60)
    hear_until(socket, "progress")
    ask(socket, cancel=True)
    last = hear_until(socket, "error")
    assert (last["error"], last["message"]) == ("cancelled", "cancelled by the client")
    assert until(lambda: Ticking.active == 0) < 1
    ask(socket, cancel=True)  # too late: nothing happens
    ask(socket, description="x", duration=1)
    assert hear_all(socket)[-1][0]["event"] == "completed"


def test_a_failure_ends_the_music_and_not_the_talk(socket: ClientConnection) -> None:
    ask(socket, description="explode", duration=3)
    assert hear_all(socket)[-1][0]["error"] == "generation_failed"
    ask(socket, description="x", duration=1)
    assert hear_all(socket)[-1][0]["event"] == "completed"


def test_who_closes_ends_the_work(server: Live) -> None:
    with opened(server) as socket:
        ask(socket, description="step 0.1", duration=60)
        hear_until(socket, "progress")
    assert until(lambda: Ticking.active == 0) < 1
    until(lambda: not server.service._jobs)


def test_who_vanishes_ends_the_work(server: Live) -> None:
    with opened(server) as socket:
        ask(socket, description="step 0.1", duration=60)
        hear_until(socket, "progress")
        socket.socket.shutdown(SHUT_RDWR)  # without the closing words
        assert until(lambda: Ticking.active == 0) < 1
    until(lambda: not server.service._jobs)


BAD = [
    ('{"description": "x", "duration": 10.5}', "duration", "must be an integer; got 10.5"),
    ('{"description": "x", "durration": 1}', "'durration'", "did you mean duration?"),
    ('{"description": "x", "mbd": true}', "mbd", "no multiband diffusion"),
    ('{"duration": 1}', "description", "is required: a string"),
    ('{"description": "x", "cancel": false}', "'cancel'", "is not a field"),
    ("[]", None, "must be a JSON object"),
    ("{", None, "must be JSON"),
    ("[" * 100_000, None, "must be JSON"),
    (b"{}", None, "must be JSON as text"),
]


@pytest.mark.parametrize(("message", "field", "words"), BAD, ids=lambda part: str(part)[:20])
def test_a_bad_message(
    socket: ClientConnection, message: str | bytes, field: str | None, words: str
) -> None:
    socket.send(message)
    refusal, _ = hear(socket)
    assert refusal["event"] == "error"
    assert refusal["field"] == field
    assert words in refusal["message"]
    assert closed(socket).rcvd.code == 4400


def test_another_request_meanwhile_is_refused_and_ends_the_work(
    server: Live, socket: ClientConnection
) -> None:
    ask(socket, description="step 0.1", duration=60)
    hear_until(socket, "progress")
    ask(socket, description="y")
    assert '{"cancel": true}' in hear_until(socket, "error")["message"]
    assert closed(socket).rcvd.code == 4400


def test_no_place_says_when(server: Live, socket: ClientConnection) -> None:
    with opened(server) as other:
        ask(other, description="step 0.1", duration=60)
        hear_until(other, "progress")
        ask(socket, description="x")
        refusal, _ = hear(socket)
        assert refusal["error"] == "busy"
        assert refusal["retry_after"] >= 1
        assert closed(socket).rcvd.code == 4503


def test_who_reads_nothing_is_gone_after_a_while() -> None:
    impatient = {"max_queue": 1, "close_timeout": 0.1}
    with (
        live(music_model_name="sketch", send_timeout_seconds=0.5) as server,
        opened(server, **impatient) as socket,
    ):
        ask(socket, description="house", duration=120)
        hear(socket)
        until(lambda: not server.service._jobs, 20)
        assert server.metric('continuo_cancellations_total{model="sketch",phase="deliv') == 1


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [(None, True), ("https://music.example", True), ("https://evil.example", False)],
)
def test_pages_of_elsewhere(origin: str | None, welcome: bool) -> None:
    with live(cors_origins=("https://music.example",)) as server:
        if welcome:
            for known in (origin, server.url):
                with opened(server, origin=known) as socket:
                    ask(socket, description="x", duration=1)
                    assert hear_all(socket)[-1][0]["event"] == "completed"
        else:
            with pytest.raises(InvalidStatus) as raised, opened(server, origin=origin):
                pass
            assert raised.value.response.status_code == 403


def test_the_answer_carries_the_requests_id(server: Live) -> None:
    with opened(server, additional_headers={"X-Request-Id": "my-id"}) as socket:
        assert socket.response.headers["X-Request-Id"] == "my-id"


def test_a_message_that_is_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (
        running(tmp_path, MAX_BODY_BYTES="2048") as server,
        connect(f"ws://127.0.0.1:{server.port}{ROUTE}") as socket,
    ):
        ask(socket, description="x" * 4096)
        assert closed(socket).sent.code == 1009


def test_an_open_socket_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    with (
        running(tmp_path) as server,
        connect(f"ws://127.0.0.1:{server.port}{ROUTE}") as silent,
        connect(f"ws://127.0.0.1:{server.port}{ROUTE}") as socket,
    ):
        ask(socket, description="step 0.1", duration=5)
        hear_until(socket, "progress")
        server.signal(SIGTERM)
        assert hear_all(socket)[-1][0]["event"] == "completed"  # what runs may finish
        assert closed(silent).rcvd.code == 1012
        assert server.exit_code() == 0
