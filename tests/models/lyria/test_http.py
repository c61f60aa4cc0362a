"""Lyria through the server's interfaces, against a service that speaks as Google's."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import soundfile

from tests.live import open_stream, parse, read_until, until
from tests.models.lyria.fake_google import (
    SAMPLE_RATE,
    FakeGoogle,
    Session,
    closes,
    plays_then,
    refuses,
    sings,
)
from tests.models.lyria.serving import MODEL, QUOTA, ended, loaded, serving, stream, submitted


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


def test_a_client_that_leaves_closes_the_session_within_a_second(google: FakeGoogle) -> None:
    async def plays_slowly(session: Session) -> None:
        await session.open()
        await session.play(pause_seconds=0.1)

    google.behave("one", plays_slowly)
    with serving("one") as server:
        until(lambda: loaded(server, MODEL))
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
        until(lambda: loaded(server, MODEL))
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
        until(lambda: loaded(server, MODEL))
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
        until(lambda: loaded(server, MODEL))
        script = example.replace("http://127.0.0.1:5555", server.url)
        done = subprocess.run(["bash", "-ec", script], capture_output=True, timeout=60, check=True)
    assert parse(done.stdout)[-1]["event"] == "completed"
    assert google.sessions[0].prompts[1] == {"text": "rain", "weight": 0.5}
