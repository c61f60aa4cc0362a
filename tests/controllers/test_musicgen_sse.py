"""The published dialect, over a real socket."""

from __future__ import annotations

import base64
import io
import time

import httpx
import numpy as np
import pytest
import soundfile

from server.audio.formats import FORMATS
from server.audio.waveform import to_pcm16
from server.controllers.musicgen_sse import GenerateMusic, to_request
from tests.fakes import SAMPLE_RATE, tone
from tests.live import ROUTE, Live, live, parse, until


def test_a_song_from_start_to_completed(server: Live) -> None:
    events = server.events(description="a song", duration=3, seed=7)
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start"
    assert kinds[-1] == "completed"
    assert set(kinds[1:-1]) == {"progress"}
    start, completed = events[0], events[-1]
    for key, value in {"seed": 7, "model": "ticking", "sample_rate": SAMPLE_RATE}.items():
        assert start[key] == completed[key] == value
    assert start["duration"] == completed["duration"] == 3
    assert start["job_id"] == completed["job_id"]
    assert start["interpretation"] == {"step_seconds": 0.0}


def test_progress_never_falls_and_ends_at_100(server: Live) -> None:
    events = server.events(description="step 0.06", duration=5)
    percents = [event["progress"] for event in events if event["event"] == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert all(0 <= percent <= 100 for percent in percents)


def test_the_wav_is_what_the_model_made(server: Live) -> None:
    completed = server.events(description="x", duration=3, seed=7)[-1]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(completed["audio"])), dtype="int16")
    made = np.concatenate([to_pcm16(tone(7, second)) for second in range(3)])
    assert rate == SAMPLE_RATE
    assert len(samples) == 3 * SAMPLE_RATE
    assert np.array_equal(samples, made)


def test_streamed_sound_joined_is_the_completed_sound(server: Live) -> None:
    events = server.events(description="x", duration=3, stream_audio=True)
    chunks = [event for event in events if event["event"] == "audio"]
    assert [chunk["sequence"] for chunk in chunks] == [0, 1, 2]
    assert {(c["take"], c["sample_rate"], c["channels"]) for c in chunks} == {(0, SAMPLE_RATE, 2)}
    streamed = b"".join(base64.b64decode(chunk["audio"]) for chunk in chunks)
    wav = base64.b64decode(events[-1]["audio"])
    samples, _ = soundfile.read(io.BytesIO(wav), dtype="int16")
    assert streamed == samples.tobytes()


def test_pace_stands_in_progress_and_audio(server: Live) -> None:
    events = server.events(description="step 0.1", duration=3, stream_audio=True)
    paced = [event for event in events if event["event"] in ("progress", "audio")]
    assert all(0 < event["realtime_factor"] < 1 for event in paced)
    assert all(0 <= event["buffer_seconds"] <= 3 for event in paced)


def test_progress_comes_at_least_every_two_seconds(server: Live) -> None:
    """Also while a step takes longer than that."""
    arrivals = []
    body = {"description": "step 3.2", "duration": 1}
    with httpx.stream("POST", server.url + ROUTE, json=body, timeout=30) as response:
        for piece in response.iter_bytes():
            arrivals += [time.monotonic()] * piece.count(b'"progress":') or []
    assert len(arrivals) >= 4
    assert max(np.diff(arrivals)) < 2


def test_the_connection_closes_after_completed(server: Live) -> None:
    response = server.post(description="x")
    assert response.headers["connection"] == "close"
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format(server: Live, name: str) -> None:
    completed = server.events(description="x", duration=2, format=name)[-1]
    file = io.BytesIO(base64.b64decode(completed["audio"]))
    details = soundfile.info(file)
    assert details.format == FORMATS[name].container
    assert details.channels == 2
    assert abs(details.frames - 2 * SAMPLE_RATE) <= (1200 if name == "mp3" else 0)


def test_the_body_offers_every_format() -> None:
    offered = GenerateMusic.model_json_schema()["properties"]["format"]["enum"]
    assert offered == [*FORMATS, "midi"]


def test_a_document_of_the_models_own(server: Live) -> None:
    completed = server.events(description="x", format="midi")[-1]
    assert completed["format"] == "midi"
    assert base64.b64decode(completed["audio"]) == b"MThd and so on"
    refused = server.post(description="x", format="midi", model="weighted")
    assert refused.status_code == 400
    assert "one of wav, flac, ogg, mp3 for weighted; got 'midi'" in refused.json()["message"]


def test_stems_sum_to_the_mix(server: Live) -> None:
    completed = server.events(description="x", duration=2, stems=True)[-1]
    files = {"mix": completed["audio"], **completed["stems"]}
    pcm = {
        name: soundfile.read(io.BytesIO(base64.b64decode(file)), dtype="int16")[0].astype(int)
        for name, file in files.items()
    }
    assert set(pcm) == {"mix", "low", "high"}
    assert np.abs(pcm["low"] + pcm["high"] - pcm["mix"]).max() <= 1  # each is rounded by itself
    assert "stems" not in server.events(description="x")[-1]
    refused = server.post(description="x", stems=True, model="weighted")
    assert refused.status_code == 400
    assert refused.json()["field"] == "stems"


def test_only_what_was_sent_reaches_the_model() -> None:
    request = to_request(GenerateMusic(description="x", cfg_coef=2.0))
    assert request.guidance == 2.0
    assert request.prompt == "x"
    assert (request.duration_seconds, request.temperature, request.top_k) == (None, None, None)


def test_the_models_own_default_duration(server: Live) -> None:
    assert server.events(description="x")[0]["duration"] == 2


def test_a_drawn_seed_is_told_and_repeats_the_song(server: Live) -> None:
    first = server.events(description="x")[-1]
    second = server.events(description="x")[-1]
    again = server.events(description="x", seed=first["seed"])[-1]
    assert first["seed"] != second["seed"]
    assert again["audio"] == first["audio"] != second["audio"]


def test_a_failure_after_the_start_is_an_error_event(server: Live) -> None:
    events = server.events(description="explode", duration=3)
    assert events[0]["event"] == "start"
    assert events[-1]["event"] == "error"
    assert "the server's log says why" in events[-1]["message"]
    assert "the prompt said so" not in str(events)
    assert server.events(description="the next one works")[-1]["event"] == "completed"


def test_a_warning_reaches_the_client(server: Live) -> None:
    events = server.events(description="warn me")
    assert {"event": "warning", "code": "test", "message": "as asked"} in events


def test_busy_is_503_with_retry_after() -> None:
    with live() as server:
        body = {"description": "step 0.5", "duration": 4}
        with httpx.stream("POST", server.url + ROUTE, json=body) as running:
            pieces = running.iter_bytes()
            next(pieces)
            refused = server.post(description="me too")
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.json()["error"] == "busy"
            assert "1 running" in refused.json()["message"]


def test_a_waiting_place_sends_queued_then_the_song() -> None:
    with live(waiting_places=1) as server:
        server.events(description="step 0.1")  # times a generation, so that an eta is known
        body = {"description": "step 0.4", "duration": 6}
        with httpx.stream("POST", server.url + ROUTE, json=body) as running:
            pieces = running.iter_bytes()
            next(pieces)
            events = server.events(description="x")
            assert running.is_closed is False
        assert [event["event"] for event in events][:2] == ["queued", "queued"]
        assert events[0]["position"] == 1
        assert events[0]["eta_seconds"] >= 0
        kinds = [event["event"] for event in events if event["event"] != "queued"]
        assert kinds[0] == "start"
        assert kinds[-1] == "completed"


def test_slots_by_setting() -> None:
    with live(max_batch=2) as server:
        body = {"description": "step 0.3", "duration": 4}
        with httpx.stream("POST", server.url + ROUTE, json=body) as running:
            pieces = running.iter_bytes()
            next(pieces)
            assert server.events(description="beside it")[-1]["event"] == "completed"


def test_an_unavailable_model_says_the_remedy(server: Live) -> None:
    refused = server.post(description="x", model="missing")
    assert refused.status_code == 503
    assert "fetch-weights NAME" in refused.json()["message"]


def test_a_model_that_is_still_loading() -> None:
    with live(ready=False, music_model_name="slow-to-load") as server:
        assert httpx.get(server.url + "/health").status_code == 200
        ready = httpx.get(server.url + "/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "loading")
        refused = server.post(description="x")
        assert refused.status_code == 503
        assert refused.json()["error"] == "loading"
        assert "retry-after" in refused.headers


def test_a_model_that_loads_on_first_use_while_a_client_waits() -> None:
    with live(waiting_places=1) as server:
        events = server.events(description="x", model="slow-to-load")
        assert events[0]["event"] == "queued"
        assert events[-1]["event"] == "completed"


def test_a_model_that_cannot_be_loaded() -> None:
    with live(ready=False, music_model_name="broken-load") as server:
        for _ in range(100):
            ready = httpx.get(server.url + "/ready")
            if ready.json()["status"] == "failed":
                break
        assert ready.status_code == 503
        refused = server.post(description="x")
        assert refused.status_code == 503
        assert "failed to load" in refused.json()["message"]
        assert "secret" not in refused.text


def test_cost_counts_against_the_slots() -> None:
    with live() as server:
        body = {"description": "step 0.5", "duration": 3, "model": "weighted"}
        until(lambda: server.post(**{**body, "description": "step 0"}).status_code == 200)
        with httpx.stream("POST", server.url + ROUTE, json=body) as running:
            pieces = running.iter_bytes()
            next(pieces)
            assert server.post(**{**body, "duration": 2}).status_code == 503
            one = server.post(**{**body, "duration": 1, "description": "step 0"})
            assert parse(one.content)[-1]["event"] == "completed"
        refused = server.post(**{**body, "duration": 5})
        assert refused.status_code == 400
        assert refused.json()["message"] == "duration needs 5 slots; there are 4"
