"""No key is ever shown, whatever goes wrong and however much is logged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx

from tests.live import until
from tests.models.lyria.fake_google import (
    FakeGoogle,
    Session,
    closes,
    opens_then,
    plays_then,
    refuses,
    refuses_to_sing,
    sings,
)
from tests.process import Process, running

CANARY = "CANARY-5f2e"
#: What happens to each key; the service's own words name it.
GOOD, BAD, SPENT, ILL, LEAKED, ABORTED, REFUSED, UNSENDABLE = (
    f"{CANARY}-{fate}"
    for fate in ("good", "bad", "spent", "ill", "leaked", "aborted", "refused", "unsendable-ü")
)
#: In turn they all come up: the ill ones are tried, then left; the last one works.
KEYS = (UNSENDABLE, BAD, SPENT, ILL, LEAKED, ABORTED, REFUSED, GOOD)
DETAILED = {
    "LOG_LEVEL": "TRACE",
    "GOOGLE_GENAI_DEBUG": "1",
    "RETRY_DELAY_SECONDS": "0",
    "MAX_RETRIES": "1",
    "PYTHONWARNINGS": "default",
}


def misbehave(google: FakeGoogle) -> None:
    async def sends_junk(session: Session) -> None:
        await session.open()
        await session.send_text(f"no JSON, {ILL}")
        await session.silence()

    async def aborts(session: Session) -> None:
        await session.abort()

    google.behave(BAD, refuses(400, f"API key not valid: {BAD}"))
    google.behave(SPENT, opens_then(closes(1011, f"quota of {SPENT} exceeded")))
    google.behave(ILL, sends_junk)
    google.behave(LEAKED, refuses(403, f"The API key {LEAKED} was reported as leaked"))
    google.behave(REFUSED, opens_then(closes(1007, f"invalid argument with {REFUSED}")))
    google.behave(ABORTED, plays_then(2, aborts))
    for key in KEYS:
        google.songs[key] = refuses_to_sing(500, f"failed with {key}")
    google.songs[GOOD] = sings(seconds=1)


def answers(server: Process) -> list[str]:
    """All that a client can be told, after requests to every kind of model and interface."""
    client = httpx.Client(base_url=server.url, timeout=60)
    found: list[httpx.Response] = []

    def post(path: str, **body: Any) -> httpx.Response:
        found.append(client.post(path, json=body))
        return found[-1]

    for model in ("lyria-realtime", "lyria-3.5"):
        post("/api/v1/generate_music", description="rain", model=model, duration=1)
        until(lambda: '"ready"' in client.get("/api/v1/models").text, 20)
        for _ in range(2):
            post("/api/v1/generate_music", description="rain", model=model, duration=3)
            post("/generate", prompt="rain", model=model, duration=1)
    task_id = post("/generate-music", prompt="rain", duration_seconds=1).json()["task_id"]
    status = f"/music-status/{task_id}"
    until(lambda: client.get(status).json()["status"] != "generating", 20)
    paths = ["/metrics", "/health", "/ready", "/api-keys/stats", "/api/v1/models", "/openapi.json"]
    found += [client.get(path) for path in [*paths, status, f"/api/v1/jobs/{task_id}/events"]]
    return [f"{answer.headers}{answer.text}" for answer in found]


def test_no_key_is_shown_by_the_shipped_server(google: FakeGoogle, tmp_path: Path) -> None:
    misbehave(google)
    keys = {f"GENAI_API_KEY_{number}": key for number, key in enumerate(KEYS, 1)}
    settings = {**DETAILED, **keys, **google.environment, "DEFAULT_MODEL": "sketch"}
    with running(tmp_path, **settings) as server:
        told = answers(server)
        terminal = server.log
    used = {session.key for session in google.sessions}
    assert used == set(KEYS) - {UNSENDABLE}  # or the test would prove little
    assert {key for key, _ in google.song_requests} >= {ILL, GOOD}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    kept = [path.read_bytes().decode("latin-1") for path in files]
    assert "x-goog-api-key" in terminal.lower()  # libraries do log what they send
    assert any("invalid argument with [key]" in text for text in told)
    for text in [*told, terminal, *kept]:
        assert CANARY not in text, re.findall(rf".{{0,200}}{CANARY}.{{0,80}}", text)[:3]


def test_no_key_is_shown_in_logs_of_json(google: FakeGoogle, tmp_path: Path) -> None:
    google.songs[BAD] = refuses_to_sing(500, f"failed with {BAD}")
    settings = {**DETAILED, **google.environment, "GENAI_API_KEY_1": BAD, "MAX_RETRIES": "0"}
    model = {"DEFAULT_MODEL": "lyria-3.5", "LOG_FORMAT": "json"}
    with running(tmp_path, **settings, **model) as server:
        wish = {"description": "rain", "duration": 1}
        told = httpx.post(server.url + "/api/v1/generate_music", json=wish, timeout=30).text
        lines = server.log.splitlines()
    messages = [json.loads(line)["message"] for line in lines]
    assert any("x-goog-api-key" in message.lower() for message in messages)
    assert "failed with [key]" in told
    assert not [text for text in [told, *lines] if CANARY in text]
