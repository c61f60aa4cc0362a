"""The sound of jobs: files that they make, and files that come with them."""

from __future__ import annotations

import base64
import io

import httpx
import pytest
import soundfile

from tests.audio.test_recordings import file_of, noise
from tests.controllers.jobs.calls import (
    ROUTE,
    ended,
    events,
    is_problem,
    pcm,
    post,
    sound,
    submit,
)
from tests.live import Live


def test_parts_of_a_file_and_other_formats(server: Live) -> None:
    job = ended(server, submit(server, format="flac", duration=3))
    url = server.url + job["audio_url"]
    whole = httpx.get(url)
    assert whole.headers["content-type"] == "audio/flac"
    assert whole.content[:4] == b"fLaC"
    part = httpx.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert httpx.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
    unchanged = httpx.get(url, headers={"If-None-Match": whole.headers["etag"]})
    assert unchanged.status_code in (200, 304)
    head = httpx.head(url)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content)))
    for format in ("wav", "ogg", "mp3"):
        answer = httpx.get(f"{url}?format={format}")
        assert soundfile.info(io.BytesIO(answer.content)).samplerate == 8000
    is_problem(httpx.get(f"{url}?format=midi"), 422, "bad_request", "format")
    is_problem(httpx.get(f"{url}?take=1"), 422, "bad_request", "take")
    is_problem(httpx.get(f"{url}?take=-1"), 422, "bad_request", "take")
    is_problem(httpx.get(f"{url}?stem=drums"), 422, "bad_request", "stem")


def test_stems_have_files_of_their_own(server: Live) -> None:
    job = ended(server, submit(server, stems=True))
    assert {file["stem"] for file in job["files"]} == {None, "low", "high"}
    for file in job["files"]:
        assert soundfile.info(io.BytesIO(httpx.get(server.url + file["url"]).content)).frames


def test_takes_have_files_and_seeds_of_their_own(server: Live) -> None:
    job = submit(server, num_takes=3, seed=5, duration=2)
    told = events(server, job)
    done = ended(server, job)
    assert [(file["take"], file["seed"]) for file in done["files"]] == [(0, 5), (1, 6), (2, 7)]
    for file in done["files"]:
        content = httpx.get(server.url + file["url"]).content
        frames, _ = soundfile.read(io.BytesIO(content), dtype="int16")
        assert frames.tobytes() == pcm(file["seed"], 2)
        assert sound([e for e in told if e.get("take") == file["take"]]) == pcm(file["seed"], 2)


@pytest.mark.parametrize("in_a_form", [True, False])
def test_sound_that_comes_with_a_job_is_kept_for_its_run(server: Live, in_a_form: bool) -> None:
    melody = file_of(noise(1, 1))
    fields = {"description": "x", "model": "hearing", "duration": "1"}
    headers = {"Idempotency-Key": "with a file".replace(" ", "-")}
    if in_a_form:
        url = server.url + ROUTE
        answer = httpx.post(url, data=fields, files={"melody": melody}, headers=headers)
    else:
        body = fields | {"duration": 1, "melody": base64.b64encode(melody).decode()}
        answer = post(server, [body], **headers)
    assert answer.status_code == 202, answer.text
    job = answer.json() if in_a_form else answer.json()["jobs"][0]
    done = ended(server, job)
    assert done["state"] == "completed", done
    frames, _ = soundfile.read(io.BytesIO(httpx.get(server.url + job["audio_url"]).content))
    given, _ = soundfile.read(io.BytesIO(melody))
    assert abs(frames[:, 0] - given).max() < 1e-4


def test_a_sound_file_that_cannot_be_used_is_told(server: Live) -> None:
    body = {"description": "x", "model": "hearing", "melody": base64.b64encode(b"no").decode()}
    is_problem(post(server, body), 422, "bad_request", "melody")
    is_problem(post(server, [body]), 422, "bad_request", "0.melody")
    said = is_problem(post(server, [body] * 11), 422, "bad_request")
    assert "330 s that are used, 310 may be" in said


def test_files_that_somebody_has_removed_are_gone(server: Live) -> None:
    job = ended(server, submit(server))
    folder = server.stored_jobs._outputs.outputs(job["id"])
    (folder / "take-0.wav").unlink()
    for query in ("", "?format=mp3"):
        is_problem(httpx.get(server.url + job["audio_url"] + query), 410, "gone")


def test_a_failed_job_says_why(server: Live) -> None:
    job = ended(server, submit(server, "explode", duration=3))
    assert job["state"] == "failed"
    assert job["error"]["code"] == "generation_failed"
    assert job["partial"]
    (file,) = job["files"]
    sound = httpx.get(server.url + file["url"]).content
    assert soundfile.info(io.BytesIO(sound)).duration == 1  # it failed in the second


def test_a_job_that_failed_before_any_sound_has_none(server: Live) -> None:
    job = ended(server, submit(server, "x", model="broken-load"))
    assert (job["state"], job["partial"], job["files"]) == ("failed", False, [])
    is_problem(httpx.get(server.url + job["audio_url"]), 410, "gone")
