"""The published Lyria job dialect, over a real socket."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from datetime import datetime

import httpx
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.controllers.lyria_bodies import LyriaRequest
from server.models.sketch.composition.theory import SIGNATURES
from tests.controllers.test_bad_bodies import BAD_BODIES, JSON
from tests.fakes import tone
from tests.live import Json, Live, live, until

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


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """The dialect over `ticking`, which makes 8 kHz stereo and knows only `bpm`."""
    with live(lyria_model="ticking", **UNLIMITED) as running:
        yield running


@pytest.fixture(scope="module")
def sketch() -> Iterator[Live]:
    with live(lyria_model="sketch", music_model_name="sketch", **UNLIMITED) as running:
        yield running


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


def test_a_song_from_start_to_download(sketch: Live) -> None:
    answer = generate(sketch, **ALL_FIELDS).json()
    assert set(answer) == {"task_id", "status", "message", "estimated_duration"}
    assert answer["status"] == "started"
    assert answer["message"] == "2 s of music are being made by sketch"
    assert answer["estimated_duration"] == 2
    assert isinstance(answer["estimated_duration"], int)
    task_id = answer["task_id"]
    assert ended(sketch, task_id) == {
        "task_id": task_id,
        "status": "completed",
        "progress_percentage": 100.0,
        "filename": f"{task_id}.wav",
        "download_url": f"/download-music/{task_id}",
    }
    response = get(sketch, f"/download-music/{task_id}")
    assert response.headers["content-type"] == "audio/wav"
    assert f'filename="{task_id}.wav"' in response.headers["content-disposition"]
    info = soundfile.info(io.BytesIO(response.content))
    assert (info.samplerate, info.channels, info.frames) == (48_000, 2, 2 * 48_000)
    assert info.subtype == "PCM_16"


def test_48_khz_stereo_whatever_the_model_makes(server: Live) -> None:
    task_id = started(server, duration_seconds=3)
    seed = get(server, f"/api/v1/jobs/{task_id}").json()["seed"]
    ended(server, task_id)
    response = get(server, f"/download-music/{task_id}")
    sound, rate = soundfile.read(io.BytesIO(response.content))
    assert (rate, sound.shape) == (48_000, (3 * 48_000, 2))
    assert b"LIST" in response.content[-500:]  # tagged as every file
    made = np.concatenate([tone(seed, second) for second in range(3)], axis=1)
    heard = np.abs(np.fft.rfft(sound[:, 0]))[: 3 * 3_500]
    known = np.abs(np.fft.rfft(made[0]))[: 3 * 3_500] * 6
    assert np.corrcoef(heard, known)[0, 1] > 0.999


def test_a_part_of_the_file(sketch: Live) -> None:
    task_id = started(sketch, duration_seconds=1)
    ended(sketch, task_id)
    url = f"{sketch.url}/download-music/{task_id}"
    whole = httpx.get(url).content
    part = httpx.get(url, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.content == whole[100:200]


def test_while_it_is_made_and_when_it_is_cancelled(server: Live) -> None:
    task_id = started(server, prompt="step 0.1", duration_seconds=60)
    until(lambda: get(server, f"/music-status/{task_id}").json()["progress_percentage"] > 0)
    status = get(server, f"/music-status/{task_id}").json()
    assert set(status) == {"task_id", "status", "progress_percentage"}
    assert status["status"] == "generating"
    queued = started(server)
    assert get(server, f"/music-status/{queued}").json()["status"] == "generating"
    response = get(server, f"/download-music/{task_id}")
    assert response.status_code == 409
    assert "not ready" in response.json()["detail"]
    httpx.post(f"{server.url}/api/v1/jobs/{task_id}/cancel")
    status = ended(server, task_id)
    assert (status["status"], status["error"]) == ("failed", "cancelled by a caller")
    assert get(server, f"/download-music/{task_id}").status_code == 410
    assert ended(server, queued)["status"] == "completed"


def test_a_failure_in_the_middle_leaves_a_partial_file(server: Live) -> None:
    task_id = started(server, prompt="warn explode", duration_seconds=3)
    status = ended(server, task_id)
    assert status["status"] == "failed"
    assert status["error"] == "the model failed; the server's log says why"
    assert status["warnings"] == [{"code": "test", "message": "as asked"}]
    assert status["partial"] is True
    assert status["filename"] == f"{task_id}.partial.wav"
    response = get(server, status["download_url"])
    assert response.status_code == 200
    assert f'filename="{task_id}.partial.wav"' in response.headers["content-disposition"]
    assert soundfile.info(io.BytesIO(response.content)).frames == 48_000


def test_a_failure_before_any_sound() -> None:
    with live(lyria_model="broken-load", **UNLIMITED) as server:
        task_id = started(server)
        status = ended(server, task_id)
        assert status["status"] == "failed"
        assert not status.keys() & {"download_url", "filename", "partial"}
        response = get(server, f"/download-music/{task_id}")
        assert response.status_code == 410
        assert "failed" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/music-status/", "/download-music/"])
def test_an_unknown_task(server: Live, path: str) -> None:
    response = get(server, path + "nope")
    assert response.status_code == 404
    assert "'nope'" in response.json()["detail"]


def test_an_expired_task_is_gone(server: Live) -> None:
    task_id = started(server, duration_seconds=1)
    ended(server, task_id)
    expiring = server.stored_jobs._jobs.expire(task_id)
    asyncio.run_coroutine_threadsafe(expiring, server.loop).result(10)
    for path in ("/music-status/", "/download-music/"):
        response = get(server, path + task_id)
        assert response.status_code == 410
        assert "expired" in response.json()["detail"]


def test_files_are_kept_as_long_as_this_dialect_says() -> None:
    with live(lyria_model="ticking", lyria_retention_hours=2, job_retention_hours=1) as server:
        task_id = started(server, duration_seconds=1)
        ended(server, task_id)
        job = get(server, f"/api/v1/jobs/{task_id}").json()
        times = [datetime.fromisoformat(job[name][:19]) for name in ("ended_at", "expires_at")]
        assert abs((times[1] - times[0]).total_seconds() - 2 * 3600) <= 1


BAD_FIELDS = [
    ({"prompt": 1}, "prompt", "must be a text that is not blank; got 1"),
    ({"prompt": " \n"}, "prompt", "must be a text that is not blank"),
    ({"duration_seconds": 0}, "duration_seconds", "an integer from 1 to 300; got 0"),
    ({"duration_seconds": 301}, "duration_seconds", "an integer from 1 to 300; got 301"),
    ({"duration_seconds": 61}, "duration_seconds", "the limits of ticking"),
    ({"duration_seconds": 10.5}, "duration_seconds", "an integer"),
    ({"bpm": 120.5}, "bpm", "an integer from 60 to 200; got 120.5"),
    ({"bpm": "120"}, "bpm", "an integer from 60 to 200; got '120'"),
    ({"bpm": True}, "bpm", "an integer from 60 to 200; got True"),
    ({"bpm": 59}, "bpm", "an integer from 60 to 200"),
    ({"bpm": 201}, "bpm", "an integer from 60 to 200"),
    ({"bpm": None}, "bpm", "an integer from 60 to 200; got None"),
    ({"temperature": 0.09}, "temperature", "a number from 0.1 to 2"),
    ({"temperature": 2.1}, "temperature", "a number from 0.1 to 2"),
    ({"density": 0}, "density", "a number from 0.1 to 1"),
    ({"density": 1.1}, "density", "a number from 0.1 to 1"),
    ({"brightness": 0.05}, "brightness", "a number from 0.1 to 1"),
    ({"brightness": False}, "brightness", "a number from 0.1 to 1"),
    ({"guidance": 0.9}, "guidance", "a number from 1 to 10"),
    ({"guidance": 10.1}, "guidance", "a number from 1 to 10"),
    ({"scale": "H_MAJOR"}, "scale", "one of C_MAJOR_A_MINOR, D_FLAT_MAJOR_B_FLAT_MINOR"),
    ({"scale": "g_major_e_minor"}, "scale", "one of C_MAJOR_A_MINOR"),
    ({"scale": 3}, "scale", "one of C_MAJOR_A_MINOR"),
    ({"tempo": 3}, "'tempo'", "is not a field"),
]


@pytest.mark.parametrize(("changes", "field", "words"), BAD_FIELDS)
def test_a_bad_field(server: Live, changes: Json, field: str, words: str) -> None:
    response = generate(server, **changes)
    assert response.status_code == 422
    (fault,) = response.json()["detail"]
    assert fault["loc"] == ["body", field]
    assert fault["msg"].startswith(field)
    assert words in fault["msg"]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:30]))
def test_a_bad_body(server: Live, body: bytes) -> None:
    response = httpx.post(server.url + "/generate-music", content=body)
    assert response.status_code == 422
    assert response.json()["detail"][0]["msg"]


EDGES = [
    {"duration_seconds": 1.0},
    {"bpm": 60},
    {"bpm": 200},
    {"temperature": 0.1},
    {"temperature": 2},
    {"density": 0.1, "brightness": 1},
    {"guidance": 1},
    {"guidance": 10},
]


@pytest.mark.parametrize("fields", EDGES)
def test_the_ends_of_the_ranges_are_allowed(sketch: Live, fields: Json) -> None:
    assert generate(sketch, **{"duration_seconds": 1, **fields}).status_code == 200


def test_the_longest_is_300_seconds(sketch: Live) -> None:
    answer = generate(sketch, duration_seconds=300).json()
    assert answer["estimated_duration"] == 300
    httpx.post(f"{sketch.url}/api/v1/jobs/{answer['task_id']}/cancel")


SHARPS = {"D_FLAT": "C_SHARP", "E_FLAT": "D_SHARP", "G_FLAT": "F_SHARP", "A_FLAT": "G_SHARP"}


@pytest.mark.parametrize("scale", SIGNATURES)
def test_every_scale_also_with_sharps(sketch: Live, scale: str) -> None:
    sharp = scale.replace("B_FLAT", "A_SHARP")
    for flat, name in SHARPS.items():
        sharp = sharp.replace(flat, name)
    for spelling in {scale, sharp}:
        task_id = started(sketch, duration_seconds=1, scale=spelling)
        assert get(sketch, f"/api/v1/jobs/{task_id}").json()["request"]["scale"] == scale


def test_what_is_not_sent_is_the_models_own(sketch: Live) -> None:
    task_id = started(sketch)
    fields = get(sketch, f"/api/v1/jobs/{task_id}").json()["request"]
    assert fields["duration"] == 30
    for name in ("bpm", "temperature", "density", "brightness", "scale", "cfg_coef"):
        assert name not in fields


def test_what_the_model_has_no_use_for_is_accepted_and_said(server: Live) -> None:
    response = generate(server, **ALL_FIELDS)
    assert response.status_code == 200
    assert response.json()["message"].endswith("has no use for brightness, density, scale")
    task_id = response.json()["task_id"]
    fields = get(server, f"/api/v1/jobs/{task_id}").json()["request"]
    assert (fields["bpm"], fields["temperature"], fields["cfg_coef"]) == (110, 1.2, 4.5)
    assert ended(server, task_id)["status"] == "completed"


def test_without_its_model_the_dialect_says_what_to_do() -> None:
    with live() as server:
        response = generate(server)
        assert response.status_code == 503
        detail = response.json()["detail"]
        assert "lyria-realtime" in detail
        assert "Set GENAI_API_KEY_1" in detail
        assert "or set LYRIA_MODEL=sketch, which needs no key" in detail
        assert generate(server, bpm=1).status_code == 422


def test_a_full_queue_is_a_429_that_says_when() -> None:
    with live(lyria_model="ticking", queue_places=1) as server:
        started(server, prompt="step 0.2", duration_seconds=60)
        until(lambda: server.num_running() == 1)
        until(lambda: generate(server).status_code == 429)
        response = generate(server)
        assert int(response.headers["retry-after"]) >= 1
        assert "wait for ticking" in response.json()["detail"]


def test_keys_are_counted_and_never_shown(server: Live) -> None:
    assert get(server, "/api-keys/stats").json() == {
        "total_keys": 0,
        "current_key": 0,
        "key_usage": {},
        "key_errors": {},
    }


FIELDS = st.sampled_from([*LyriaRequest.model_fields, "other"])


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON, max_size=4) | JSON)
def test_nothing_at_all_gives_a_500(server: Live, body: object) -> None:
    content = json.dumps(body).encode()
    response = httpx.post(server.url + "/generate-music", content=content, timeout=30)
    assert response.status_code in (200, 422), response.text
