"""How much a client may send, told in headers, over a real socket."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from server.app import create_app
from server.controllers.rate_limits import UnusableRateLimitStore
from server.settings import Settings
from tests.live import ROUTE, Json, live
from tests.process import running

LIMITED = {"lyria_model": "ticking", "rate_limit_requests_per_minute": 3}


def generate(url: str, **options: object) -> httpx.Response:
    return httpx.post(url + "/generate-music", json={"prompt": "x"}, **options)  # type: ignore[arg-type]


def test_more_than_the_limit_is_a_429_that_says_when() -> None:
    with live(**LIMITED) as server:
        begun = time.time()
        answers = [generate(server.url) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-limit"] for answer in answers] == ["3"] * 4
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in answers] == [2, 1, 0, 0]
    for answer in answers:
        assert 58 <= int(answer.headers["x-ratelimit-reset"]) - begun <= 75
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert "at most 3 per 1 minute" in answers[-1].json()["detail"]


def test_requests_that_cannot_be_met_count_too() -> None:
    with live(**LIMITED) as server:
        answers = [httpx.post(server.url + "/generate-music", json={}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 429]
    assert answers[0].headers["x-ratelimit-remaining"] == "2"


def test_the_hour_has_a_limit_of_its_own() -> None:
    with live(**LIMITED, rate_limit_requests_per_hour=2) as server:
        answers = [generate(server.url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "at most 2 per 1 hour" in answers[-1].json()["detail"]
    assert answers[-1].headers["x-ratelimit-limit"] == "2"
    assert int(answers[-1].headers["retry-after"]) > 60


def test_the_published_limits_are_the_defaults() -> None:
    settings = Settings()
    assert settings.rate_limit_requests_per_minute == 60
    assert settings.rate_limit_requests_per_hour == 1000
    assert settings.rate_limit_others_per_minute == 0


def test_only_new_music_counts() -> None:
    with live(**LIMITED) as server:
        for _ in range(5):
            assert httpx.get(server.url + "/music-status/x").status_code == 404
            assert httpx.post(server.url + "/generate", json={}).status_code == 422
        assert generate(server.url).headers["x-ratelimit-remaining"] == "2"


@pytest.mark.parametrize(
    ("path", "message"), [(ROUTE, "message"), ("/api/v1/jobs", "detail"), ("/generate", "detail")]
)
def test_other_dialects_have_a_limit_if_one_is_set(path: str, message: str) -> None:
    with live(rate_limit_others_per_minute=1) as server:
        first, second = (httpx.post(server.url + path, json={}) for _ in range(2))
        assert first.status_code in (400, 422)
        assert first.headers["x-ratelimit-remaining"] == "0"
        assert second.status_code == 429
        assert "at most 1 per 1 minute" in second.json()[message]
        assert int(second.headers["retry-after"]) >= 1


def test_every_request_on_a_websocket_counts() -> None:
    with (
        live(rate_limit_others_per_minute=1) as server,
        connect(f"ws://127.0.0.1:{server.port}{ROUTE}") as socket,
    ):
        socket.send('{"description": "x", "duration": 1}')
        assert last_event(socket)["event"] == "completed"
        socket.send('{"description": "x", "duration": 1}')
        refusal = last_event(socket)
        assert refusal["error"] == "rate_limited"
        assert refusal["retry_after"] >= 1


def last_event(socket: ClientConnection) -> Json:
    while True:
        frame = socket.recv(timeout=20)
        told = json.loads(frame) if isinstance(frame, str) else {"event": "sound"}
        if told["event"] in ("completed", "error"):
            return told


def test_proxies_that_are_believed_name_their_clients(tmp_path: Path) -> None:
    limits = {"LYRIA_MODEL": "ticking", "RATE_LIMIT_REQUESTS_PER_MINUTE": "1"}
    with running(tmp_path, **limits) as server:
        assert statuses(server.url, "203.0.113.1", "203.0.113.2") == [200, 200]
        assert statuses(server.url, "203.0.113.1") == [429]
    with running(tmp_path, **limits, FORWARDED_ALLOW_IPS="192.0.2.1") as server:
        assert statuses(server.url, "203.0.113.1", "203.0.113.2") == [200, 429]


def statuses(url: str, *clients: str) -> list[int]:
    return [generate(url, headers={"X-Forwarded-For": name}).status_code for name in clients]


def test_while_counts_cannot_be_reached_nobody_is_refused() -> None:
    nowhere = "redis://127.0.0.1:1"
    with live(**LIMITED, rate_limit_storage_url=nowhere) as server:
        assert [generate(server.url).status_code for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("url", ["nowhere://x", "memory", "redis://:secret@host:port"])
def test_a_place_that_does_not_exist_stops_the_start(url: str) -> None:
    with pytest.raises(UnusableRateLimitStore) as raised:
        create_app(Settings(rate_limit_storage_url=url))
    assert str(raised.value).startswith("RATE_LIMIT_STORAGE_URL must be memory://, redis://")
    assert "secret" not in str(raised.value)


def test_pages_may_read_the_headers() -> None:
    with live(**LIMITED) as server:
        answer = generate(server.url, headers={"Origin": "https://x.example"})
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert "x-ratelimit-remaining" in exposed
