"""End to end over HTTP, with ENGINE=audiocraft."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytest.importorskip("audiocraft", reason="needs the audiocraft package: make test-audiocraft")

from tests.audiocraft.tiny_diffusion import write_diffusion
from tests.live import Live, live, open_stream, read_until, until
from tests.models.tiny_musicgen import TINY_NAME

BODY = {"description": "slow warm jazz", "duration": 2, "seed": 5}


@pytest.fixture
def server(models_dir: Path) -> Iterator[Live]:
    with live(music_model_name=TINY_NAME, models_dir=models_dir, engine="audiocraft") as running:
        yield running


def test_progress_and_sound(server: Live) -> None:
    events = server.events(**BODY, stream_audio=True)
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start"
    assert kinds.count("audio") == 2
    assert kinds.index("progress") < kinds.index("audio")
    assert kinds[-1] == "completed"
    assert server.events(**BODY)[-1]["audio"] == events[-1]["audio"]
    models = httpx.get(server.url + "/api/v1/models").json()["models"]
    listed = next(model for model in models if model["name"] == TINY_NAME)
    assert listed["licence"]["code"] == "MIT (the audiocraft package)"
    assert listed["abilities"] == ["multiband_diffusion"]
    assert listed["slots"] == 1


def test_a_client_that_leaves_frees_the_slot(server: Live) -> None:
    connection = open_stream(server.port, description="x", duration=60)
    read_until(connection, b'"progress"')
    assert server.post(**BODY).status_code == 503
    connection.close()
    until(lambda: server.num_running(TINY_NAME) == 0)
    assert server.events(**BODY)[-1]["event"] == "completed"


@pytest.mark.parametrize(
    "body",
    [{"description": ""}, {"top_k": 10**9}, {"temperature": 1e-9}, {"description": "\x00🎸"}],
)
def test_any_allowed_value_is_music(server: Live, body: dict[str, object]) -> None:
    assert server.events(**{**BODY, "duration": 1, **body})[-1]["event"] == "completed"


def test_multiband_diffusion(server: Live, models_dir: Path) -> None:
    missing = server.post(**BODY, mbd=True)
    assert missing.status_code == 503
    assert "`hf download facebook/multiband-diffusion" in missing.json()["message"]
    streamed = server.post(**BODY, mbd=True, stream_audio=True)
    assert (streamed.status_code, streamed.json()["field"]) == (400, "mbd")
    write_diffusion(models_dir)
    diffused, plain = server.events(**BODY, mbd=True), server.events(**BODY)
    assert diffused[-1]["event"] == "completed"
    assert diffused[-1]["audio"] != plain[-1]["audio"]
