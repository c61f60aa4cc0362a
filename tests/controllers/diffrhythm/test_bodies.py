"""What is refused, and in which words."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.controllers.diffrhythm_bodies import EditSong
from tests.audio.test_recordings import file_of, noise
from tests.controllers.diffrhythm.calls import (
    FOLK,
    LRC,
    SONG,
    STYLE,
    Part,
    detail,
    edit,
    generate,
    queued,
    send,
)
from tests.controllers.test_bad_bodies import BAD_BODIES, JSON
from tests.live import Json, Live, live

BAD_FIELDS: list[tuple[Json, str]] = [
    ({"lyrics": b"\xff\xfe\x00", **FOLK}, "lyrics must be a text in UTF-8; got a file of 3 bytes"),
    ({"lyrics": b"[ar:x]", **FOLK}, "lyrics must have a line to sing"),
    ({"lyrics": b"[00:61.00]a", **FOLK}, "lyrics line 1 has a time of 60 or more seconds"),
    ({"lyrics": b"\n[00:nan]a", **FOLK}, "lyrics line 2 must begin with a time"),
    ({"lyrics": b"[00:02]a\n[00:01]b", **FOLK}, "lyrics line 2 begins at [00:01.00], before"),
    ({"lyrics": b"[01:36]a", **FOLK}, "lyrics line 1 begins at [01:36.00], but the song has 95"),
    ({}, "ref_prompt must say the style, or send a recording of it"),
    ({"ref_prompt": " \n"}, "ref_prompt must say the style"),
    ({"ref_prompt": "folk", "ref_audio": STYLE}, "ref_audio cannot be sent with a style in words"),
    ({"ref_prompt": "x" * 501}, "ref_prompt must be a text of at most 500 characters"),
    ({"ref_audio": b"no sound"}, "ref_audio cannot be read as a sound file"),
    ({"ref_audio": b""}, "ref_audio cannot be read as a sound file"),
    ({"ref_audio": file_of(noise(9.9))}, "ref_audio must have at least 10 s of sound; has 9.9 s"),
    ({"ref_audio": file_of(noise(11) * 0)}, "ref_audio is silent"),
    ({"audio_length": "94", **FOLK}, "audio_length must be an integer from 95 to 285; got '94'"),
    ({"audio_length": "286", **FOLK}, "audio_length must be an integer from 95 to 285"),
    ({"audio_length": "95.5", **FOLK}, "audio_length must be an integer from 95 to 285"),
    ({"audio_length": "abc", **FOLK}, "audio_length must be an integer from 95 to 285; got 'abc'"),
    ({"batch_infer_num": "0", **FOLK}, "batch_infer_num must be an integer from 1 to 8; got '0'"),
    ({"batch_infer_num": "-1", **FOLK}, "batch_infer_num must be an integer from 1 to 8"),
    ({"batch_infer_num": "9", **FOLK}, "batch_infer_num must be an integer from 1 to 8"),
    ({"chunked": "perhaps", **FOLK}, "chunked must be true or false; got 'perhaps'"),
    ({"seed": "-1", **FOLK}, "seed must be an integer from 0 to 4294967295"),
    ({"speed": "2", **FOLK}, "'speed' is not a field of this request"),
]


@pytest.mark.parametrize(("fields", "words"), BAD_FIELDS, ids=[w[:50] for _, w in BAD_FIELDS])
def test_a_bad_field(server: Live, fields: dict[str, Part], words: str) -> None:
    assert words in detail(generate(server, **fields))


BAD_EDITS: list[tuple[Json, str]] = [
    ({"edit_segments": "[[0, 1]"}, "edit_segments must be a list of pairs of seconds"),
    ({"edit_segments": "[1, 2]"}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[[1, 2, 3]]"}, "edit_segments must be a list of pairs"),
    ({"edit_segments": '[["1", 2]]'}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[[NaN, 2]]"}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[[1, Infinity]]"}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[" * 100_000}, "edit_segments must be a list of pairs"),
    ({"edit_segments": ""}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[]"}, "edit_segments must hold at least one segment"),
    ({"edit_segments": "[[20, 10]]"}, "edit_segments must be pairs of seconds, the start before"),
    ({"edit_segments": "[[10, 10]]"}, "edit_segments must be pairs of seconds, the start before"),
    ({"edit_segments": "[[-2, 10]]"}, "got [-2.0, 10.0]"),
    ({"edit_segments": "[[1, -0.5]]"}, "got [1.0, -0.5]"),
    ({"edit_segments": "[[90, 96]]"}, "from 0 to 95, the length of the song"),
    ({"edit_segments": "[[1, 5], [4, 6]]"}, "edit_segments must not overlap"),
    ({"ref_song": file_of(noise(94.5))}, "ref_song must be at least as long as what is made of"),
    ({"ref_song": file_of(noise(5))}, "95 s; it has 5 s"),
    ({"ref_song": file_of(noise(95) * 0)}, "ref_song is silent"),
    ({"ref_song": b"no sound"}, "ref_song cannot be read as a sound file"),
    ({"audio_length": "200"}, "ref_song must be at least as long as what is made of it, 200 s"),
]


@pytest.mark.parametrize(("fields", "words"), BAD_EDITS, ids=[w[:50] for _, w in BAD_EDITS])
def test_a_bad_edit(server: Live, fields: dict[str, Part], words: str) -> None:
    assert words in detail(edit(server, **fields))


def test_what_is_required(server: Live) -> None:
    for name in ("lyrics", "ref_song", "edit_segments"):
        parts: dict[str, Any] = {"lyrics": LRC, "ref_song": SONG, "edit_segments": "[[0, 1]]"}
        del parts[name]
        assert f"{name} is required" in detail(send(server, "/api/edit", **parts, **FOLK))


def test_nothing_is_queued_for_what_is_refused(server: Live) -> None:
    def newest() -> object:
        return httpx.get(f"{server.url}/api/v1/jobs?limit=1").json()["jobs"][0]["id"]

    queued(generate(server, **FOLK))
    before = newest()
    detail(generate(server, lyrics=b"[00:61.00]a", **FOLK))
    detail(edit(server, edit_segments="[[20, 10]]"))
    assert newest() == before


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:30]))
def test_a_bad_body(server: Live, body: bytes) -> None:
    assert detail(httpx.post(server.url + "/api/generate", content=body))


def test_too_large_a_body() -> None:
    with live(diffrhythm_model="singing", max_body_bytes=100_000) as server:
        assert "100000" in detail(generate(server, ref_audio=STYLE), 413)


FIELDS = st.sampled_from([*EditSong.model_fields, "other"])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON, max_size=4) | JSON, st.sampled_from(["generate", "edit"]))
def test_nothing_at_all_gives_a_500(server: Live, body: object, route: str) -> None:
    content = json.dumps(body).encode()
    response = httpx.post(f"{server.url}/api/{route}", content=content, timeout=30)
    assert response.status_code in (200, 400), response.text
