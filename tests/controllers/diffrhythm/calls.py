"""What a client of the published DiffRhythm job dialect does."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import soundfile

from tests.audio.test_recordings import file_of, noise
from tests.fakes import SAMPLE_RATE
from tests.live import Json, Live, until

LRC = "[00:10.00]Paper lanterns on the water\n[00:15.5]Every one a quiet name\n"
PLAIN = "[verse]\nPaper lanterns on the water\nEvery one a quiet name\n"
STYLE, SONG = file_of(noise(31), SAMPLE_RATE), file_of(noise(95), SAMPLE_RATE)
FOLK = {"ref_prompt": "folk"}
#: A field in a form: its text, or a file.
Part = str | bytes


def send(server: Live, route: str, **fields: Part) -> httpx.Response:
    """Each field as a part of its own: a text, or a file."""
    parts: list[tuple[str, Any]] = []
    for name, value in fields.items():
        file = (f"{name}.lrc", value) if isinstance(value, bytes) else (None, value)
        parts.append((name, file))
    return httpx.post(server.url + route, files=parts, timeout=60)


def generate(server: Live, **fields: Part) -> httpx.Response:
    return send(server, "/api/generate", **{"lyrics": LRC.encode(), **fields})


def edit(server: Live, **fields: Part) -> httpx.Response:
    known: dict[str, Part] = {"ref_song": SONG, "edit_segments": "[[-1, 25], [50.0, -1]]", **FOLK}
    return send(server, "/api/edit", **{"lyrics": LRC.encode(), **known, **fields})


def queued(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.json()["task_id"])


def moment(text: str) -> datetime:
    """Python before 3.11 does not read the Z that ends one in UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def status(server: Live, task_id: str) -> Json:
    found: Json = httpx.get(f"{server.url}/api/status/{task_id}").json()
    return found


def ended(server: Live, task_id: str) -> Json:
    until(lambda: status(server, task_id)["status"] not in ("queued", "processing"), 30)
    return status(server, task_id)


def download(server: Live, task_id: str, **query: object) -> httpx.Response:
    return httpx.get(f"{server.url}/api/download/{task_id}", params=query, timeout=30)  # type: ignore[arg-type]


def sound_of(server: Live, task_id: str, **query: object) -> np.ndarray:
    """[channels, n]"""
    response = download(server, task_id, **query)
    assert response.status_code == 200, response.text
    return soundfile.read(io.BytesIO(response.content))[0].T


def leveled(samples: np.ndarray) -> np.ndarray:
    """At full scale: songs come at full level, whatever the model made."""
    return samples / np.abs(samples).max()


def detail(response: httpx.Response, expected_status: int = 400) -> str:
    assert response.status_code == expected_status, response.text
    assert set(response.json()) == {"detail"}
    return str(response.json()["detail"])
