"""Loading and unloading over HTTP, and what clients are told of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes import GIGABYTE, Heavy
from tests.live import Json, Live, live, open_stream, parse, read_until, until

SETTINGS = {"allow_model_admin": True, "model_memory_budget": "8GB", "waiting_places": 3}


@pytest.fixture
def admin() -> Iterator[Live]:
    Heavy.forget()
    with live(**SETTINGS) as server:
        yield server
    assert not Heavy.held


def act(server: Live, name: str, action: str, **query: str) -> httpx.Response:
    url = f"{server.url}/api/v1/models/{name}/{action}"
    return httpx.post(url, params=query, timeout=30)


def listed(server: Live, name: str) -> Json:
    models = httpx.get(server.url + "/api/v1/models").json()["models"]
    return next(model for model in models if model["name"] == name)


def load(server: Live, name: str) -> None:
    assert act(server, name, "load").status_code in (200, 202)
    until(lambda: listed(server, name)["phase"] == "ready")


def test_off_unless_it_is_allowed(server: Live) -> None:
    for action in ("load", "unload"):
        refused = act(server, "ticking", action)
        assert refused.status_code == 403
        assert "ALLOW_MODEL_ADMIN" in refused.json()["message"]


def test_load_and_unload(admin: Live) -> None:
    begun = act(admin, "heavy-3", "load")
    assert (begun.status_code, begun.json()["name"]) == (202, "heavy-3")
    assert begun.json()["phase"] in ("loading", "ready")
    until(lambda: listed(admin, "heavy-3")["phase"] == "ready")
    again = act(admin, "heavy-3", "load")
    assert (again.status_code, again.json()["memory_bytes"]) == (200, 3 * GIGABYTE)
    gone = act(admin, "heavy-3", "unload")
    assert gone.status_code == 200
    assert (gone.json()["phase"], gone.json()["memory_bytes"]) == ("unloaded", 0)
    assert gone.json()["needed_bytes"] == 3 * GIGABYTE
    assert act(admin, "heavy-3", "unload").status_code == 200


def test_names_with_a_slash_and_aliases(admin: Live) -> None:
    for name in ("facebook/musicgen-stereo-small", "musicgen-small-stereo"):
        answer = act(admin, name, "unload")
        assert answer.status_code == 200
        assert answer.json()["name"] == "facebook/musicgen-stereo-small"


def test_no_such_model(admin: Live) -> None:
    for name in ("nothing", "a/b/c", "%2e%2e"):
        answer = act(admin, name, "load")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
        assert "ticking" in answer.json()["message"]


def test_a_wrong_drain_is_told(admin: Live) -> None:
    answer = act(admin, "ticking", "unload", drain="perhaps")
    assert answer.status_code == 422
    assert answer.json()["field"] == "drain"
    assert "got 'perhaps'" in answer.json()["message"]


def test_unloading_a_busy_model(admin: Live) -> None:
    load(admin, "heavy-3")
    with open_stream(admin.port, description="step 0.5", duration=60, model="heavy-3") as stream:
        read_until(stream, b'"progress"')
        refused = act(admin, "heavy-3", "unload")
        assert (refused.status_code, refused.json()["error"]) == (409, "model_busy")
        assert "1 running, 0 waiting" in refused.json()["message"]
        draining = act(admin, "heavy-3", "unload", drain="true")
        assert (draining.status_code, draining.json()["phase"]) == (202, "unloading")
        shut_out = admin.post(description="x", model="heavy-3")
        assert (shut_out.status_code, shut_out.json()["error"]) == (503, "unloading")
        assert "retry-after" in shut_out.headers
    until(lambda: listed(admin, "heavy-3")["phase"] == "unloaded")
    assert admin.events(description="x", model="heavy-3")[-1]["event"] == "completed"


def test_memory_that_others_hold(admin: Live) -> None:
    load(admin, "heavy-4")
    with open_stream(admin.port, description="step 0.5", duration=60, model="heavy-4") as stream:
        read_until(stream, b'"progress"')
        for refused in (
            act(admin, "heavy-5", "load"),
            admin.post(description="x", model="heavy-5"),
        ):
            assert (refused.status_code, refused.json()["error"]) == (503, "memory_short")
            assert "heavy-4 (4.0 GB, busy: 1 running" in refused.json()["message"]
            assert "retry-after" in refused.headers
    until(lambda: admin.num_running("heavy-4") == 0)
    assert admin.events(description="x", model="heavy-5")[-1]["event"] == "completed"
    assert listed(admin, "heavy-4")["phase"] == "unloaded"


def test_the_phase_is_told_to_whom_it_concerns(
    monkeypatch: pytest.MonkeyPatch, admin: Live
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(Heavy, "gate", gate)
    with open_stream(admin.port, description="x", duration=1, model="heavy-3") as stream:
        received = read_until(stream, b'"queued"')
        loading = listed(admin, "heavy-3")
        assert (loading["phase"], loading["activity"]) == ("loading", "reading weights")
        assert loading["memory_bytes"] == 3 * GIGABYTE
        gate.set()
        received += read_until(stream, b'"completed"')
    queued = parse(received[received.index(b"data:") :].split(b"\n\n")[0] + b"\n\n")
    assert queued[0]["activity"] == "reading weights"
    assert listed(admin, "heavy-3")["activity"] == ""


def test_a_load_that_fails_reaches_the_client_that_waits(
    monkeypatch: pytest.MonkeyPatch, admin: Live
) -> None:
    monkeypatch.setattr(Heavy, "load_seconds", 0.2)
    monkeypatch.setattr(Heavy, "fails", True)
    events = admin.events(description="x", model="heavy-3")
    assert (events[-1]["event"], events[-1]["error"]) == ("error", "unavailable")
    assert "fetch-weights NAME" in events[-1]["message"]
    failed = listed(admin, "heavy-3")
    assert (failed["phase"], failed["available"]) == ("failed", False)
    assert "fetch-weights NAME" in failed["reason"] + failed["remedy"]
    assert act(admin, "heavy-3", "load").status_code == 503


def test_what_is_ready_and_how_much_there_is(admin: Live) -> None:
    ready = httpx.get(admin.url + "/ready").json()
    assert (ready["phase"], ready["activity"], ready["memory_bytes"]) == ("ready", "", 0)
    assert httpx.get(admin.url + "/api/v1/models").json()["memory_limit_bytes"] == 8 * GIGABYTE


def test_metrics(admin: Live) -> None:
    load(admin, "heavy-3")
    assert admin.metric('continuo_model_memory_bytes{model="heavy-3"}') == 3 * GIGABYTE
    load(admin, "heavy-4")
    load(admin, "heavy-5")
    act(admin, "heavy-5", "unload")
    for line, value in [
        ('continuo_model_loads_total{model="heavy-4",outcome="ready"}', 1),
        ('continuo_model_load_seconds_count{model="heavy-4"}', 1),
        ('continuo_model_unloads_total{model="heavy-4",reason="evicted"}', 1),
        ('continuo_model_unloads_total{model="heavy-5",reason="asked"}', 1),
        ('continuo_model_memory_bytes{model="heavy-3"}', 0),
    ]:
        assert admin.metric(line) == value, line


def test_the_description_has_the_routes(admin: Live) -> None:
    paths = httpx.get(admin.url + "/openapi.json").json()["paths"]
    for action, statuses in (
        ("load", {"200", "202", "403", "404", "500", "503"}),
        ("unload", {"200", "202", "403", "404", "409", "422", "500"}),
    ):
        responses = paths[f"/api/v1/models/{{name}}/{action}"]["post"]["responses"]
        assert statuses <= set(responses)
        assert "ErrorBody" in json.dumps(responses["403"])
