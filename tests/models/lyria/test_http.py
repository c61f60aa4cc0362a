"""Lyria through the server's interfaces, against a service that speaks as Google's."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from server.controllers.lyria_bodies import LyriaRequest
from tests.live import Json, Live, live, open_stream, parse, read_until, until
from tests.models.lyria.fake_google import (
    SAMPLE_RATE,
    FakeGoogle,
    Session,
    closes,
    plays_then,
    refuses,
    sings,
)

QUOTA = "You exceeded your current quota"
MODEL = "lyria-realtime"


@contextmanager
def serving(*keys: str, **settings: Any) -> Iterator[Live]:
    known = {"music_model_name": "sketch", "max_retries": 0, "retry_delay_seconds": 0}
    with live(genai_api_keys=keys, **{**known, **settings}) as server:
        yield server


def stream(server: Live, **body: Any) -> list[Json]:
    """The events of a request, which may have to wait until Google's client is imported."""
    until(lambda: _loaded(server, body.get("model", MODEL)))
    return server.events(**{"description": "rain", "model": MODEL, **body})


def _loaded(server: Live, model: str) -> bool:
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


def test_it_streams_like_any_other_model(google: FakeGoogle) -> None:
    with serving("one") as server:
        events = stream(server, duration=5, stream_audio=True, seed=7)
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start"
    assert set(kinds[1:-1]) == {"progress", "audio"}
    assert kinds[-1] == "completed"
    chunks = [base64.b64decode(e["audio"]) for e in events if e["event"] == "audio"]
    assert len(chunks) == 3
    assert b"".join(chunks) == google.sessions[0].music(0, 5 * SAMPLE_RATE)
    assert len(b"".join(chunks)) == 5 * 192_000
    info = soundfile.info(io.BytesIO(base64.b64decode(events[-1]["audio"])))
    assert (info.samplerate, info.channels, info.frames) == (48_000, 2, 5 * 48_000)


def test_every_field_reaches_google(google: FakeGoogle) -> None:
    fields = {
        "temperature": 1.5,
        "top_k": 50,
        "bpm": 84,
        "density": 0.25,
        "brightness": 1.0,
        "scale": "D_MAJOR_B_MINOR",
        "mute_bass": True,
        "mute_drums": False,
        "only_bass_and_drums": True,
        "music_generation_mode": "DIVERSITY",
    }
    prompts = [{"text": "jazz", "weight": -0.5}, {"text": "strings"}]
    with serving("one") as server:
        stream(server, duration=1, seed=2**31 + 9, cfg_coef=2.5, prompts=prompts, **fields)
    (session,) = google.sessions
    assert session.prompts == [
        {"text": "rain", "weight": 1.0},
        {"text": "jazz", "weight": -0.5},
        {"text": "strings", "weight": 1.0},
    ]
    camel = {
        "topK": "top_k",
        "muteBass": "mute_bass",
        "muteDrums": "mute_drums",
        "onlyBassAndDrums": "only_bass_and_drums",
        "musicGenerationMode": "music_generation_mode",
    }
    told = {camel.get(name, name): value for name, value in session.configuration.items()}
    assert told == {**fields, "seed": 9, "guidance": 2.5}  # its seeds are int32
    assert session.frames[2] == {"playbackControl": "PLAY"}
    assert (session.model, session.version) == ("models/lyria-realtime-exp", "v1alpha")


def test_what_is_not_sent_is_left_to_google(google: FakeGoogle) -> None:
    with serving("one") as server:
        stream(server, duration=1, seed=1)
    assert google.sessions[0].configuration == {"seed": 1}


BAD_FIELDS = [
    ({"bpm": 120.5}, "bpm", "an integer"),
    ({"bpm": True}, "bpm", "an integer"),
    ({"bpm": 59}, "bpm", "from 60 to 200"),
    ({"scale": "H_MAJOR"}, "scale", "one of C_MAJOR_A_MINOR"),
    ({"density": 1.1}, "density", "from 0 to 1"),
    ({"brightness": float("nan")}, "brightness", "a number"),
    ({"temperature": 3.5}, "temperature", "from 0 to 3"),
    ({"top_k": 1001}, "top_k", "from 1 to 1000"),
    ({"seed": 2**32}, "seed", "from 0 to 4294967295"),
    ({"mute_bass": 1}, "mute_bass", "true or false"),
    ({"music_generation_mode": "LOUD"}, "music_generation_mode", "one of QUALITY"),
    ({"duration": 301}, "duration", "from 1 to 300"),
    ({"prompts": []}, "prompts", "a list of 1 to 16 objects"),
    ({"prompts": "jazz"}, "prompts", "a list of 1 to 16 objects"),
    ({"prompts": "[" * 100_000}, "prompts", "a list of 1 to 16 objects"),
    ({"prompts": {"text": "jazz"}}, "prompts", "a list of 1 to 16 objects"),
    ({"prompts": ["jazz"]}, "prompts.0", "an object with text, weight"),
    ({"prompts": [{"weight": 1}]}, "prompts.0.text", "is required"),
    ({"prompts": [{"text": " "}]}, "prompts.0.text", "a text that is not blank"),
    ({"prompts": [{"text": "a"}, {"text": "b", "weight": 0}]}, "prompts.1.weight", "other than 0"),
    ({"prompts": [{"text": "a", "weight": True}]}, "prompts.0.weight", "other than 0"),
    ({"prompts": [{"text": "a", "weight": float("inf")}]}, "prompts.0.weight", "other than 0"),
    ({"prompts": [{"text": "a", "wait": 1}]}, "'prompts.0.wait'", "did you mean weight?"),
    ({"prompts": [{"text": "a" * 10_001}]}, "prompts", "at most 10000 characters"),
    ({"tempo": 1}, "'tempo'", "is not a field"),
]


def test_what_is_wrong_is_said_before_a_key_is_touched(google: FakeGoogle) -> None:
    with serving("one", lyria_model=MODEL) as server:
        for changes, field, words in BAD_FIELDS:
            body = {"description": "rain", "model": MODEL, **changes}
            content = httpx.Request("POST", "http://x", content=_json(body)).content
            answers = [
                httpx.post(server.url + "/api/v1/generate_music", content=content),
                httpx.post(server.url + "/api/v1/jobs", content=content),
            ]
            assert [answer.status_code for answer in answers] == [400, 422], changes
            for answer in answers:
                assert answer.json()["field"] == field, answer.text
                assert words in answer.text
        for blank in ("", " \n"):
            answer = server.post(description=blank, model=MODEL)
            assert (answer.status_code, answer.json()["field"]) == (400, "description")
        for changes in ({"prompts": [{"text": ""}]}, {"top_k": 0}, {"mute_drums": "yes"}):
            answer = httpx.post(server.url + "/generate-music", json={"prompt": "x", **changes})
            assert answer.status_code == 422
            assert next(iter(changes)) in answer.json()["detail"][0]["loc"][1]
        usage = server.service.registry.options.upstream.keys.usage
    assert not google.sessions
    assert usage.uses == {0: 0}


def _json(body: Json) -> bytes:
    return json.dumps(body).encode()  # with NaN, which other encoders refuse


def test_prompts_in_a_form(google: FakeGoogle) -> None:
    with serving("one") as server:
        until(lambda: _loaded(server, MODEL))
        form = {"description": "", "model": MODEL, "duration": "1"}
        form["prompts"] = '[{"text": "jazz", "weight": 2}]'
        files = {name: (None, value) for name, value in form.items()}
        response = httpx.post(server.url + "/api/v1/generate_music", files=files, timeout=30)
        assert parse(response.content)[-1]["event"] == "completed"
    assert google.sessions[0].prompts == [{"text": "jazz", "weight": 2.0}]


def test_prompts_are_refused_by_models_without_them(google: FakeGoogle) -> None:
    with serving("one") as server:
        answer = server.post(description="x", prompts=[{"text": "jazz"}])
    assert answer.status_code == 400
    assert answer.json()["field"] == "prompts"
    assert "choose a model that has: lyria-realtime" in answer.json()["message"]


def test_its_own_dialect_has_the_published_defaults(google: FakeGoogle) -> None:
    with serving("one", "two") as server:
        done = ended(server, submitted(server, duration_seconds=1))
        assert done["status"] == "completed"
        job = ended(server, submitted(server, duration_seconds=1, guidance=9, bpm=90))
        assert job["warnings"][0]["code"] == "guidance_clamped"
        lyria = httpx.get(server.url + "/api-keys/stats").json()
        assert lyria == {
            "total_keys": 2,
            "current_key": 1,
            "key_usage": {"0": 1, "1": 1},
            "key_errors": {"0": 0, "1": 0},
        }
        assert httpx.get(server.url + "/health").json()["api_keys_available"] == 2
    first, second = (session.configuration for session in google.sessions)
    published = {name: field.default for name, field in LyriaRequest.model_fields.items()}
    for name in ("bpm", "scale", "density", "brightness", "temperature", "guidance"):
        assert first[name] == published[name]
    assert (second["guidance"], second["bpm"]) == (6.0, 90)


def test_a_client_that_leaves_closes_the_session_within_a_second(google: FakeGoogle) -> None:
    async def plays_slowly(session: Session) -> None:
        await session.open()
        await session.play(pause_seconds=0.1)

    google.behave("one", plays_slowly)
    with serving("one") as server:
        until(lambda: _loaded(server, MODEL))
        connection = open_stream(
            server.port, description="x", model=MODEL, duration=300, stream_audio=True
        )
        read_until(connection, b'"event":"audio"')
        left_at = time.monotonic()
        connection.close()
        until(lambda: google.sessions[0].closed_at is not None)
        assert (google.sessions[0].closed_at or 0) - left_at < 1
        until(lambda: server.num_running(MODEL) == 0)


def test_a_client_that_does_not_read_does_not_slow_google(google: FakeGoogle) -> None:
    with serving("one") as server:
        until(lambda: _loaded(server, MODEL))
        connection = open_stream(
            server.port, description="x", model=MODEL, duration=120, stream_audio=True
        )
        until(lambda: bool(google.sessions) and google.sessions[0].num_seconds_sent >= 120, 20)
        connection.close()


def test_when_all_keys_are_used_up_the_next_one_is_told_when(google: FakeGoogle) -> None:
    google.behave("one", refuses(429, QUOTA))
    with serving("one") as server:
        (*_, last) = stream(server, duration=1)  # its stream had begun
        assert (last["event"], last["error"]) == ("error", "quota_exhausted")
        answers = [
            server.post(description="x", model=MODEL),
            httpx.post(server.url + "/generate", json={"prompt": "x", "model": MODEL}),
            httpx.post(server.url + "/generate-music", json={"prompt": "x"}),
            httpx.post(server.url + "/api/v1/jobs", json={"description": "x", "model": MODEL}),
        ]
        for answer in answers:
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answers[0].json()["error"] == "quota_exhausted"
        assert server.metric("continuo_upstream_keys_usable") == 0
        assert server.metric('continuo_upstream_key_errors_total{key="0"}') == 1
    assert len(google.sessions) == 1


def test_a_quota_that_ends_before_a_file_was_begun_is_a_429(google: FakeGoogle) -> None:
    google.behave("one", refuses(429, QUOTA))
    with serving("one") as server:
        until(lambda: _loaded(server, MODEL))
        answer = httpx.post(server.url + "/generate", json={"prompt": "x", "model": MODEL})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


def test_when_no_key_is_good_it_is_listed_as_unavailable(google: FakeGoogle) -> None:
    google.behave("one", refuses(400, "API key not valid. Please pass a valid API key."))
    with serving("one") as server:
        (*_, last) = stream(server, duration=1)
        assert last["error"] == "unavailable"
        models = {m["name"]: m for m in httpx.get(server.url + "/api/v1/models").json()["models"]}
        assert not models[MODEL]["available"]
        assert "accepts none of its 1 key(s)" in models[MODEL]["reason"]
        assert server.post(description="x", model=MODEL).status_code == 503


def test_without_a_key_the_server_starts_and_says_what_to_do() -> None:
    with serving() as server:
        models = {m["name"]: m for m in httpx.get(server.url + "/api/v1/models").json()["models"]}
        for name in (MODEL, "lyria-3.5", "lyria-3-pro-preview", "lyria-3-clip-preview"):
            assert not models[name]["available"]
            assert "GENAI_API_KEY_1" in models[name]["remedy"]
            answer = server.post(description="x", model=name)
            assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")


def test_what_cannot_be_finished_can_be_downloaded_as_partial(google: FakeGoogle) -> None:
    google.behave("one", plays_then(4, closes(1011, QUOTA)))
    with serving("one") as server:
        task_id = submitted(server, duration_seconds=30)
        status = ended(server, task_id)
        assert (status["status"], status["partial"]) == ("failed", True)
        file = httpx.get(server.url + status["download_url"]).content
        assert soundfile.info(io.BytesIO(file)).frames == 4 * SAMPLE_RATE
        assert file[44:].startswith(google.sessions[0].music(0, 4 * SAMPLE_RATE))
        job = httpx.get(f"{server.url}/api/v1/jobs/{task_id}").json()
        assert (job["state"], job["partial"]) == ("failed", True)
        assert job["error"]["code"] == "quota_exhausted"
        assert httpx.get(server.url + job["files"][0]["url"]).content == file


def test_weighted_prompts_are_stored_with_a_job(google: FakeGoogle) -> None:
    prompts = [{"text": "jazz", "weight": 0.5}]
    with serving("one") as server:
        task_id = submitted(server, duration_seconds=1, prompts=prompts)
        assert ended(server, task_id)["status"] == "completed"
        job = httpx.get(f"{server.url}/api/v1/jobs/{task_id}").json()
    assert job["request"]["prompts"] == prompts
    assert google.sessions[0].prompts[1:] == prompts


def test_a_song_with_lyrics_through_every_dialect(google: FakeGoogle) -> None:
    google.songs["one"] = sings(seconds=2)
    name = "lyria-3.5"
    with serving("one", lyria_model=name) as server:
        events = stream(server, model=name, format="mp3")
        assert events[-1]["lyrics"] == "la la la"
        mp3 = base64.b64decode(events[-1]["audio"])
        assert soundfile.info(io.BytesIO(mp3)).format == "MP3"
        task_id = submitted(server, duration_seconds=2)
        assert ended(server, task_id)["status"] == "completed"
        wav = httpx.get(f"{server.url}/download-music/{task_id}").content
        assert soundfile.info(io.BytesIO(wav)).frames == 2 * SAMPLE_RATE
        files = httpx.get(f"{server.url}/api/v1/jobs/{task_id}").json()["files"]
        (lyrics,) = [file for file in files if file["format"] == "txt"]
        answer = httpx.get(server.url + lyrics["url"])
        assert answer.text == "la la la"
        assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_example_of_the_documents(google: FakeGoogle) -> None:
    page = (Path(__file__).parents[3] / "docs/models.md").read_text("utf-8")
    (example,) = re.findall(r"^    curl .*\n.*lyria-realtime(?:.*\n)+?(?=\n)", page, re.M)
    with serving("one") as server:
        until(lambda: _loaded(server, MODEL))
        script = example.replace("http://127.0.0.1:5555", server.url)
        done = subprocess.run(["bash", "-ec", script], capture_output=True, timeout=60, check=True)
    assert parse(done.stdout)[-1]["event"] == "completed"
    assert google.sessions[0].prompts[1] == {"text": "rain", "weight": 0.5}
