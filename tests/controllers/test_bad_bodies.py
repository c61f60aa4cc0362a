"""Whatever comes in, the answer names the field, what came, and what is allowed."""

from __future__ import annotations

import json
from itertools import chain

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.controllers.musicgen_sse import GenerateMusic
from tests.live import ROUTE, Live, live

BAD_FIELDS = [
    ({"description": 1}, "description", "must be a string; got 1"),
    ({"description": None}, "description", "must be a string; got None"),
    ({}, "description", "is required: a string"),
    ({"duration": 10.5}, "duration", "an integer; got 10.5"),
    ({"duration": "10"}, "duration", "an integer; got '10'"),
    ({"duration": True}, "duration", "an integer; got True"),
    ({"duration": None}, "duration", "an integer; got None"),
    ({"duration": 0}, "duration", "an integer from 1 to 60"),
    ({"duration": 61}, "duration", "the limits of ticking"),
    ({"duration": -(10**40)}, "duration", "an integer from 1 to 60"),
    ({"top_k": -1}, "top_k", "an integer of at least 0; got -1"),
    ({"top_p": 1.01}, "top_p", "a number from 0 to 1; got 1.01"),
    ({"top_p": "0.5"}, "top_p", "a number from 0 to 1; got '0.5'"),
    ({"top_p": False}, "top_p", "a number from 0 to 1; got False"),
    ({"temperature": 10.1}, "temperature", "a number from 0 to 10"),
    ({"cfg_coef": 21}, "cfg_coef", "a number from 0 to 20"),
    ({"mbd": 1}, "mbd", "true or false; got 1"),
    ({"mbd": True}, "mbd", "no multiband diffusion; leave it out"),
    ({"mbd": True, "stream_audio": True}, "mbd", "needs the whole sound; leave it out, or leave"),
    ({"seed": -1}, "seed", "an integer from 0 to 4294967295"),
    ({"seed": 2**32}, "seed", "an integer from 0 to 4294967295; got 4294967296"),
    ({"model": "nope"}, "model", "'nope' is not served here; there is:"),
    ({"model": 5}, "model", "must be a string"),
    ({"format": "aiff"}, "format", "one of wav, flac, ogg, mp3, midi; got 'aiff'"),
    ({"stream_audio": "yes"}, "stream_audio", "true or false"),
    ({"bpm": 300}, "bpm", "an integer from 60 to 200 for ticking; got 300"),
    ({"scale": "H_MAJOR"}, "scale", "is not understood by ticking"),
    ({"density": 2}, "density", "a number from 0 to 1"),
    ({"durration": 3}, "'durration'", "did you mean duration?"),
    ({"zzz": 3}, "'zzz'", "the fields are description, duration"),
    ({"description": "x" * 10_001}, "description", "at most 10000 characters"),
]


@pytest.mark.parametrize(("changes", "field", "words"), BAD_FIELDS)
def test_a_bad_field(server: Live, changes: dict[str, object], field: str, words: str) -> None:
    body = changes if not changes else {"description": "x", **changes}
    response = server.post(**body)
    assert response.status_code == 400, response.text
    assert response.json()["field"] == field
    assert words in response.json()["message"]
    assert response.json()["message"].startswith(field)


BAD_BODIES = [
    b"",
    b"{",
    b"[]",
    b'"text"',
    b"null",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"description": "x", "duration": ' + b"9" * 5000 + b"}",
    b'{"description": "x", "top_p": NaN}',
    b'{"description": "x", "top_p": 1e999}',
    b'{"description": "x", "cfg_coef": -Infinity}',
    b'{"description": "x", "duration": 1e999}',
    b'{"description": "half a pair \\ud83d"}',
    b'{"description": "x", "\\ud83d": 1}',
    b'{"description": "x", "seed": {"deep": [[[[[[[[]]]]]]]]}}',
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:30]))
def test_a_bad_body(server: Live, body: bytes) -> None:
    response = httpx.post(server.url + ROUTE, content=body)
    assert response.status_code == 400, response.text
    assert response.json()["message"]
    assert response.headers["x-request-id"]


GOOD = [
    {"duration": 1.0},
    {"seed": 0},
    {"seed": None, "model": None},
    {"mbd": False, "top_k": 0, "top_p": 1, "temperature": 0, "cfg_coef": 20},
    {"description": ""},
    {"description": "é🎹\x00\r\n\u2028" * 100},
    {"bpm": 120},
]


@pytest.mark.parametrize("fields", GOOD)
def test_what_is_allowed(server: Live, fields: dict[str, object]) -> None:
    assert (
        server.events(**{"description": "x", "duration": 1, **fields})[-1]["event"] == "completed"
    )


def test_a_body_that_is_too_long_is_not_read_to_its_end() -> None:
    with live(max_body_bytes=2048) as server:
        response = server.post(description="x" * 4096)
        assert response.status_code == 413
        assert "2048 bytes" in response.json()["message"]


#: Content type → the beginning of a good body that never ends.
BEGUN = {
    "application/json": b"{",
    "multipart/form-data; boundary=x": (
        b'--x\r\nContent-Disposition: form-data; name="description"\r\n\r\n'
    ),
}


def test_no_route_reads_a_body_that_is_too_long() -> None:
    with live(max_body_bytes=2048, lyria_model="ticking") as server:
        paths = httpx.get(server.url + "/openapi.json").json()["paths"]
        reading = [path for path, way in paths.items() if "requestBody" in way.get("post", {})]
        assert len(reading) >= 4
        for path in reading:
            for kind, start in BEGUN.items():
                sent = chain([start], (b" " * 1000 for _ in range(1000)))  # no length is told
                headers = {"content-type": kind}
                answer = httpx.post(server.url + path, content=sent, headers=headers)
                assert answer.status_code == 413, path
                assert "2048 bytes" in answer.text


def test_the_content_type_does_not_matter(server: Live) -> None:
    body = json.dumps({"description": "x", "duration": 1}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}  # what curl -d sends
    assert httpx.post(server.url + ROUTE, content=body, headers=headers).status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*GenerateMusic.model_fields, "other"])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON, max_size=4) | JSON)
def test_nothing_at_all_gives_a_500(server: Live, body: object) -> None:
    response = httpx.post(server.url + ROUTE, content=json.dumps(body).encode(), timeout=30)
    assert response.status_code in (200, 400), response.text
    assert server.num_running() == 0 or response.status_code == 200
