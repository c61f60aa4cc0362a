"""What a client of the published Lyria job dialect does."""

from __future__ import annotations

import httpx

from tests.live import Json, Live, until

UNLIMITED = {"rate_limit_requests_per_minute": 0, "rate_limit_requests_per_hour": 0}
#: What published clients send, each time.
ALL_FIELDS = {
    "prompt": "a calm evening",
    "duration_seconds": 2,
    "bpm": 110,
    "temperature": 1.2,
    "density": 0.8,
    "brightness": 0.6,
    "scale": "G_MAJOR_E_MINOR",
    "guidance": 4.5,
}


def generate(server: Live, **body: object) -> httpx.Response:
    return httpx.post(server.url + "/generate-music", json={"prompt": "x", **body}, timeout=30)


def started(server: Live, **body: object) -> str:
    response = generate(server, **body)
    assert response.status_code == 200, response.text
    return str(response.json()["task_id"])


def get(server: Live, path: str) -> httpx.Response:
    return httpx.get(server.url + path, timeout=30)


def ended(server: Live, task_id: str) -> Json:
    def status() -> Json:
        found: Json = get(server, f"/music-status/{task_id}").json()
        return found

    until(lambda: status()["status"] != "generating", 20)
    return status()
