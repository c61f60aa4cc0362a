"""What a client of /api/v1/jobs does."""

from __future__ import annotations

import base64
import json

import httpx

from server.audio.waveform import to_pcm16
from tests.fakes import tone
from tests.live import Json, Live, until

ROUTE = "/api/v1/jobs"


def post(server: Live, body: object, **headers: str) -> httpx.Response:
    return httpx.post(server.url + ROUTE, json=body, headers=headers, timeout=30)


def submit(server: Live, description: str = "x", **fields: object) -> Json:
    answer = post(server, {"description": description, **fields})
    assert answer.status_code == 202, answer.text
    return answer.json()


def get(server: Live, job: Json) -> Json:
    return httpx.get(f"{server.url}{ROUTE}/{job['id']}").json()


def ended(server: Live, job: Json) -> Json:
    until(lambda: get(server, job)["ended_at"] is not None)
    return get(server, job)


def events(server: Live, job: Json, query: str = "", last_event_id: str = "") -> list[Json]:
    """The stream, each message's parts in the form that EventSource wants."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    answer = httpx.get(server.url + job["events_url"] + query, headers=headers, timeout=30)
    assert answer.headers["content-type"].startswith("text/event-stream")
    return parsed_events(answer.text)


def parsed_events(text: str) -> list[Json]:
    assert "\r" not in text
    messages = text.removesuffix("\n\n").split("\n\n")
    assert messages.pop(0) == "retry: 1000"
    parsed = []
    for message in messages:
        parts = dict(line.split(": ", 1) for line in message.split("\n"))
        told = json.loads(parts["data"])
        assert told["event"] == parts["event"]
        parsed.append(told | {"id": parts.get("id")})
    return parsed


def sound(told: list[Json]) -> bytes:
    return b"".join(base64.b64decode(e["audio"]) for e in told if e["event"] == "audio")


def is_problem(answer: httpx.Response, status: int, error: str, field: str | None = None) -> str:
    """A problem of that kind; its words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["error"], body["field"]) == (status, error, field)
    assert body["title"]
    return body["detail"]


def pcm(seed: int, seconds: int) -> bytes:
    return b"".join(to_pcm16(tone(seed, second)).tobytes() for second in range(seconds))
