"""One request, one file: the published dialect over a real socket."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import soundfile

from tests.fakes import SAMPLE_RATE, Ticking
from tests.live import Live, live, read_until, until


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with live(max_batch=4) as running:
        yield running


def generate(server: Live, **body: object) -> httpx.Response:
    known = {"model": "ticking", "prompt": "x"}
    return httpx.post(server.url + "/generate", json={**known, **body}, timeout=30)


def open_request(server: Live, **body: object) -> socket.socket:
    raw = json.dumps({"model": "ticking", **body}).encode()
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = f"POST /generate HTTP/1.1\r\nHost: test\r\nContent-Length: {len(raw)}\r\n\r\n"
    connection.sendall(head.encode() + raw)
    return connection


def test_a_file_at_the_models_rate(server: Live) -> None:
    response = generate(server, duration=3)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "audio/wav"
    assert int(response.headers["content-length"]) == len(response.content)
    info = soundfile.info(io.BytesIO(response.content))
    assert (info.samplerate, info.channels, info.frames) == (SAMPLE_RATE, 2, 3 * SAMPLE_RATE)
    assert info.subtype == "PCM_16"


def test_a_duration_that_was_not_sent_is_the_models_own(server: Live) -> None:
    assert soundfile.info(io.BytesIO(generate(server).content)).duration == 2


def test_nothing_is_kept(server: Live) -> None:
    generate(server)
    assert httpx.get(server.url + "/api/v1/jobs").json() == {"jobs": [], "next_cursor": None}
    assert not server.service._jobs


BAD = [
    ({"model": None}, "model must be a string"),
    ({"model": "nope"}, "model 'nope' is not served here"),
    ({"prompt": 7}, "prompt must be a string; got 7"),
    ({"duration": 10.5}, "duration must be an integer; got 10.5"),
    ({"duration": "10"}, "duration must be an integer"),
    ({"duration": True}, "duration must be an integer"),
    ({"duration": 0}, "duration must be an integer from 1 to 60"),
    ({"duration": 61}, "the limits of ticking"),
    ({"durration": 1}, "did you mean duration?"),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_a_bad_field(server: Live, changes: dict[str, object], words: str) -> None:
    response = generate(server, **changes)
    assert response.status_code == 422
    assert words in response.json()["detail"]


@pytest.mark.parametrize("missing", ["model", "prompt"])
def test_what_is_required(server: Live, missing: str) -> None:
    body = {"model": "ticking", "prompt": "x"}
    del body[missing]
    response = httpx.post(server.url + "/generate", json=body)
    assert response.status_code == 422
    assert response.json() == {"detail": f"{missing} is required: a string"}


def test_a_model_that_fails_is_a_500_with_a_message(server: Live) -> None:
    response = generate(server, prompt="explode", duration=3)
    assert response.status_code == 500
    assert response.json() == {"detail": "the model failed; the server's log says why"}


def test_with_debug_the_message_says_more() -> None:
    with live(debug=True) as server:
        response = generate(server, prompt="explode", duration=3)
        assert "RuntimeError: the prompt said so" in response.json()["detail"]


def test_a_model_that_cannot_run_here(server: Live) -> None:
    response = generate(server, model="missing")
    assert response.status_code == 503
    assert response.json()["detail"].endswith("Run: fetch-weights NAME")


def test_no_place_is_a_503_that_says_when() -> None:
    with live() as server:
        running = open_request(server, prompt="step 0.2", duration=60)
        until(lambda: server.num_running() == 1)
        response = generate(server)
        assert response.status_code == 503
        assert "busy" in response.json()["detail"]
        assert int(response.headers["retry-after"]) >= 1
        running.close()


def test_a_model_is_loaded_on_first_use_and_kept() -> None:
    with live() as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(generate, server, model="slow-to-load")
        room = server.service.room(server.service.registry.entry("slow-to-load"))
        until(lambda: room.num_waiting == 1)
        assert generate(server, model="slow-to-load").status_code == 503  # one waits, no more
        assert first.result().status_code == 200
        assert generate(server, model="slow-to-load").status_code == 200


def test_a_model_that_cannot_be_loaded_is_told_to_who_waits_for_it(server: Live) -> None:
    response = generate(server, model="broken-load")
    assert response.status_code == 503
    assert "broken-load failed to load" in response.json()["detail"]


def test_who_leaves_ends_the_work(server: Live) -> None:
    connection = open_request(server, prompt="step 0.1", duration=60)
    until(lambda: Ticking.active == 1)
    connection.close()
    assert until(lambda: Ticking.active == 0) < 1
    until(lambda: not server.service._jobs)


def test_who_leaves_while_the_model_is_loaded_leaves_no_place_behind() -> None:
    with live() as server:
        room = server.service.room(server.service.registry.entry("slow-to-load"))
        connection = open_request(server, model="slow-to-load", prompt="x")
        until(lambda: room.num_waiting == 1)
        connection.close()
        until(lambda: room.num_waiting == 0)
        assert not server.service._jobs


def test_who_stops_reading_is_gone_after_a_while() -> None:
    with live(music_model_name="sketch", send_timeout_seconds=0.5) as server:
        connection = open_request(server, model="sketch", prompt="house", duration=120)
        read_until(connection, b"RIFF")
        until(lambda: not server.service._jobs, 20)
        connection.settimeout(10)
        num_bytes = sum(len(piece) for piece in iter(lambda: connection.recv(1 << 20), b""))
        assert num_bytes < 120 * 48_000 * 4
        connection.close()
