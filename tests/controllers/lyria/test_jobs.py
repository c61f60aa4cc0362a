"""The published Lyria job dialect, over a real socket."""

from __future__ import annotations

import asyncio
import io
from datetime import datetime

import httpx
import numpy as np
import pytest
import soundfile

from tests.controllers.lyria.calls import ALL_FIELDS, UNLIMITED, ended, generate, get, started
from tests.fakes import tone
from tests.live import Live, live, until


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
