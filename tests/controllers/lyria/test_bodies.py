"""What may be sent, and what is refused in which words."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.controllers.lyria_bodies import LyriaRequest
from server.models.sketch.composition.theory import SIGNATURES
from tests.controllers.lyria.calls import ALL_FIELDS, ended, generate, get, started
from tests.controllers.test_bad_bodies import BAD_BODIES, JSON
from tests.live import Json, Live

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


FIELDS = st.sampled_from([*LyriaRequest.model_fields, "other"])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON, max_size=4) | JSON)
def test_nothing_at_all_gives_a_500(server: Live, body: object) -> None:
    content = json.dumps(body).encode()
    response = httpx.post(server.url + "/generate-music", content=content, timeout=30)
    assert response.status_code in (200, 422), response.text
