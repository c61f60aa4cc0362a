"""The Lyria models through the server's interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.live import Json, Live, live, until

QUOTA = "You exceeded your current quota"
MODEL = "lyria-realtime"


@contextmanager
def serving(*keys: str, **settings: Any) -> Iterator[Live]:
    known = {"music_model_name": "sketch", "max_retries": 0, "retry_delay_seconds": 0}
    with live(genai_api_keys=keys, **{**known, **settings}) as server:
        yield server


def stream(server: Live, **body: Any) -> list[Json]:
    """The events of a request, which may have to wait until Google's client is imported."""
    until(lambda: loaded(server, body.get("model", MODEL)))
    return server.events(**{"description": "rain", "model": MODEL, **body})


def loaded(server: Live, model: str) -> bool:
    entry = server.service.registry.entry(model)
    server.loop.call_soon_threadsafe(server.service.loader.want, entry)
    return entry.loaded


def submitted(server: Live, **body: Any) -> str:
    response = httpx.post(server.url + "/generate-music", json={"prompt": "rain", **body})
    assert response.status_code == 200, response.text
    return str(response.json()["task_id"])


def ended(server: Live, task_id: str) -> Json:
    def status() -> Json:
        found: Json = httpx.get(f"{server.url}/music-status/{task_id}").json()
        return found

    until(lambda: status()["status"] != "generating", 20)
    return status()
