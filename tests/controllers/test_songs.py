"""Songs through /api/v1: lyrics, a style by a recording, and parts that are made anew."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import soundfile

from server.models.diffrhythm.lyrics import with_times
from tests.audio.test_recordings import file_of, noise
from tests.fakes import SAMPLE_RATE, tone
from tests.live import ROUTE, Json, Live, live, parse, until

LRC = "[00:10.00]Paper lanterns on the water\n"
PLAIN = "[chorus]\nPaper lanterns on the water\n"
STYLE, SONG = file_of(noise(12), SAMPLE_RATE), file_of(noise(95), SAMPLE_RATE)
SINGING = {"model": "singing", "lyrics": LRC, "seed": 3}


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with live(max_batch=4) as running:
        body = {"description": "x", "model": "singing"}
        until(lambda: running.post(**body).status_code == 200)  # once it is loaded
        yield running


def in_base64(file: bytes) -> str:
    return base64.b64encode(file).decode()


def second_of(events: list[Json], second: int) -> np.ndarray:
    """[channels, SAMPLE_RATE]"""
    sound = soundfile.read(io.BytesIO(base64.b64decode(events[-1]["audio"])))[0].T
    return sound[:, second * SAMPLE_RATE : (second + 1) * SAMPLE_RATE]


def test_plain_lyrics_are_told_with_their_times(server: Live) -> None:
    events = server.events(description="folk", **{**SINGING, "lyrics": PLAIN})
    assert events[0]["event"] == "start"
    assert events[0]["duration"] == 95
    lrc = events[0]["interpretation"]["lyrics"]
    assert lrc == with_times(PLAIN, 95)
    again = server.events(description="folk", **{**SINGING, "lyrics": lrc})
    assert again[0]["interpretation"]["lyrics"] == lrc
    assert again[-1]["audio"] == events[-1]["audio"]


def test_lyrics_that_are_not_sent_make_an_instrumental(server: Live) -> None:
    events = server.events(description="folk", model="singing")
    assert events[0]["interpretation"]["lyrics"] == ""


def test_a_style_in_sound(server: Live) -> None:
    events = server.events(description="", ref_audio=in_base64(STYLE), **SINGING)
    given = soundfile.read(io.BytesIO(STYLE))[0].T[0, SAMPLE_RATE : 2 * SAMPLE_RATE]
    assert np.allclose(second_of(events, 50)[0], given, atol=1e-4)


SEGMENTS = [[-1, 10], [90.0, -1]]


def is_edited(events: list[Json]) -> None:
    given = soundfile.read(io.BytesIO(SONG))[0].T
    kept = given[:, 10 * SAMPLE_RATE : 11 * SAMPLE_RATE]
    assert np.allclose(second_of(events, 10), kept, atol=1e-4)
    for second in (9, 90):
        assert np.allclose(second_of(events, second), tone(3, second), atol=1e-4)


def test_an_edit_in_json(server: Live) -> None:
    edit = {"ref_song": in_base64(SONG), "edit_segments": SEGMENTS}
    is_edited(server.events(description="folk", **edit, **SINGING))


def test_an_edit_in_a_form_with_the_lyrics_as_a_file(server: Live) -> None:
    files = {"ref_song": ("a.wav", SONG), "lyrics": ("a.lrc", b"\xef\xbb\xbf" + LRC.encode())}
    fields = {"description": "folk", "model": "singing", "seed": "3"}
    data = {**fields, "edit_segments": json.dumps(SEGMENTS)}
    response = httpx.post(server.url + ROUTE, data=data, files=files, timeout=60)
    assert response.status_code == 200, response.text
    events = parse(response.content)
    assert events[0]["interpretation"]["lyrics"] == LRC
    is_edited(events)


def test_a_stored_job_has_them_too(server: Live) -> None:
    body = {"description": "folk", "ref_song": in_base64(SONG), "edit_segments": SEGMENTS}
    response = httpx.post(
        f"{server.url}/api/v1/jobs", json=[{**body, **SINGING, "lyrics": PLAIN}], timeout=30
    )
    assert response.status_code == 202, response.text
    (job,) = response.json()["jobs"]
    assert job["request"]["lyrics"] == with_times(PLAIN, 95)
    assert job["request"]["edit_segments"] == [[0, 10], [90, 95]]
    url = f"{server.url}/api/v1/jobs/{job['id']}"
    until(lambda: httpx.get(url).json()["state"] == "completed", 20)
    sound = soundfile.read(io.BytesIO(httpx.get(f"{url}/audio").content))[0].T
    is_edited([{"audio": in_base64(file_of(sound, SAMPLE_RATE))}])


WRONG: list[tuple[Json, str, str]] = [
    ({"description": ""}, "description", "must say the style, or send a recording of it"),
    ({"ref_audio": in_base64(STYLE)}, "ref_audio", "cannot be sent with a style in words"),
    ({"duration": 94}, "duration", "from 95 to 285 (seconds, the limits of singing)"),
    ({"lyrics": "[00:61.00]a"}, "lyrics", "line 1 has a time of 60 or more seconds"),
    ({"lyrics": 5}, "lyrics", "must be a text in UTF-8; got 5"),
    ({"ref_song": in_base64(SONG)}, "edit_segments", "must say what is made anew"),
    ({"edit_segments": [[1, 2]]}, "ref_song", "must be sent"),
    ({"edit_segments": [[1]]}, "edit_segments", "must be a list of pairs of seconds"),
    ({"model": "ticking"}, "lyrics", "ticking has no lyrics; leave it out, or choose a model"),
    (
        {"model": "ticking", "lyrics": None, "whole_decoding": True},
        "whole_decoding",
        "ticking has no whole decoding",
    ),
]


@pytest.mark.parametrize(("fields", "field", "words"), WRONG, ids=[w[2][:40] for w in WRONG])
def test_what_is_wrong(server: Live, fields: Json, field: str, words: str) -> None:
    body = {"description": "folk", **SINGING, **fields}
    response = server.post(**body)
    assert response.status_code == 400, response.text
    assert response.json()["field"] == field
    assert words in response.json()["message"]
    problem = httpx.post(f"{server.url}/api/v1/jobs", json=[body], timeout=30)
    assert problem.status_code == 422
    assert problem.json()["field"] == f"0.{field}"


def test_a_model_that_does_not_edit(server: Live) -> None:
    edit = {"ref_song": in_base64(SONG), "edit_segments": [[0, 1]]}
    response = server.post(description="x", duration=1, **edit)
    assert response.json()["field"] == "ref_song"
    assert "ticking has no editing of songs" in response.json()["message"]
    assert "singing" in response.json()["message"]
