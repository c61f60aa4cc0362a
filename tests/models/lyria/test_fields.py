"""What a request says, and what of it reaches Google."""

from __future__ import annotations

import json

import httpx

from server.controllers.lyria_bodies import LyriaRequest
from tests.live import Json, parse, until
from tests.models.lyria.fake_google import (
    FakeGoogle,
)
from tests.models.lyria.serving import MODEL, ended, loaded, serving, stream, submitted


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
        until(lambda: loaded(server, MODEL))
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


def test_weighted_prompts_are_stored_with_a_job(google: FakeGoogle) -> None:
    prompts = [{"text": "jazz", "weight": 0.5}]
    with serving("one") as server:
        task_id = submitted(server, duration_seconds=1, prompts=prompts)
        assert ended(server, task_id)["status"] == "completed"
        job = httpx.get(f"{server.url}/api/v1/jobs/{task_id}").json()
    assert job["request"]["prompts"] == prompts
    assert google.sessions[0].prompts[1:] == prompts
