"""What every route does: ids, CORS, health, models, the interface description."""

from __future__ import annotations

import httpx
import pytest

from server import __version__
from server.controllers.musicgen_events import EVENTS
from tests.live import ROUTE, Live, live


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/api/v1/models", "/nothing"])
def test_every_response_has_a_request_id(server: Live, path: str) -> None:
    own = httpx.get(server.url + path)
    assert len(own.headers["x-request-id"]) == 32
    given = httpx.get(server.url + path, headers={"X-Request-Id": "trace-1:a.b_c"})
    assert given.headers["x-request-id"] == "trace-1:a.b_c"


@pytest.mark.parametrize("insane", ["", "x" * 65, "a b", "a\tb", "ä", "{}", '"'])
def test_an_insane_request_id_is_replaced(server: Live, insane: str) -> None:
    answer = httpx.get(server.url + "/health", headers={"X-Request-Id": insane.encode()})
    assert len(answer.headers["x-request-id"]) == 32


def test_health(server: Live) -> None:
    health = httpx.get(server.url + "/health").json()
    assert health.pop("message")
    assert health == {
        "status": "healthy",
        "api_keys_available": 0,
        "uptime": "running",
        "version": __version__,
    }


def test_ready(server: Live) -> None:
    assert httpx.get(server.url + "/ready").json()["status"] == "ready"


def test_metrics_count_what_happened() -> None:
    with live() as server:
        server.events(description="x", duration=3)
        server.events(description="explode", duration=3)
        server.post(description="x", top_p=7)
        route = 'dialect="musicgen-sse"'
        for model, outcome in [
            ("ticking", "completed"),
            ("ticking", "failed"),
            ("", "bad_request"),
        ]:
            line = f'continuo_requests_total{{{route},model="{model}",outcome="{outcome}"}}'
            assert server.metric(line) == 1
        assert server.metric('continuo_audio_seconds_total{model="ticking"}') == 3
        assert server.metric('continuo_first_audio_seconds_count{model="ticking"}') == 2
        assert server.metric('continuo_slots{model="ticking"}') == 1
        assert server.metric('continuo_slots_used{model="ticking"}') == 0


def test_stats_say_how_the_server_is_doing() -> None:
    with live(waiting_places=1) as server:
        server.events(description="x", duration=3)
        server.events(description="explode", duration=3)
        server.post(description="x", top_p=7)
        answer = httpx.get(server.url + "/api/v1/stats")
        stats = answer.json()
        assert (stats["status"], stats["jobs"]) == ("ready", 0)
        assert stats["requests"] == {"completed": 1, "failed": 1, "bad_request": 1}
        assert [model["name"] for model in stats["models"]] == ["ticking"]
        ticking = stats["models"][0]
        assert ticking["requests"] == {"completed": 1, "failed": 1}
        assert (ticking["audio_seconds"], ticking["slots"], ticking["slots_used"]) == (3, 1, 0)
        assert 0 <= ticking["mean_wait_seconds"] < ticking["mean_first_audio_seconds"] < 10
        assert ticking["mean_realtime_factor"] > 0
        assert answer.text.count("\n") > 20  # for people
        assert 'continuo_slots{model="sketch"}' not in httpx.get(server.url + "/metrics").text


def test_metrics_tell_of_the_machine(server: Live) -> None:
    server.events(description="x", duration=1)
    assert server.metric('continuo_first_event_seconds_count{model="ticking"}') >= 1
    total, free = (server.metric(f"continuo_device_memory{end}_bytes ") for end in ("", "_free"))
    assert 2**28 < free < total < 2**48
    assert server.metric("process_resident_memory_bytes ") > 2**24


def test_models_say_what_they_are_and_what_is_missing(server: Live) -> None:
    models = httpx.get(server.url + "/api/v1/models").json()["models"]
    by_name = {model["name"]: model for model in models}
    ticking, missing = by_name["ticking"], by_name["missing"]
    assert (ticking["default"], ticking["available"], ticking["phase"]) == (True, True, "ready")
    assert ticking["limits"]["duration"] == {"minimum": 1, "maximum": 60, "default": 2}
    assert ticking["controls"][0] == {
        "name": "bpm",
        "kind": "integer",
        "help": "tempo",
        "minimum": 60,
        "maximum": 200,
        "default": 120,
        "choices": [],
    }
    assert ticking["licence"] == {"code": "test", "weights": "none"}
    assert missing["available"] is False
    assert missing["reason"] == "its weights are not on this machine"
    assert missing["remedy"] == "Run: fetch-weights NAME"
    sketch = by_name["sketch"]
    assert (sketch["sample_rate"], sketch["channels"]) == (48_000, 2)


def test_cors_is_open_without_credentials(server: Live) -> None:
    headers = {"Origin": "https://anywhere.example", "Access-Control-Request-Method": "POST"}
    asked = httpx.options(server.url + ROUTE, headers=headers)
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in asked.headers
    answer = httpx.get(server.url + "/health", headers={"Origin": "https://anywhere.example"})
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]


def test_cors_by_setting() -> None:
    with live(cors_origins="https://mine.example") as server:
        for origin, allowed in [("https://mine.example", True), ("https://other.example", False)]:
            answer = httpx.get(server.url + "/health", headers={"Origin": origin})
            assert (answer.headers.get("access-control-allow-origin") == origin) is allowed


def test_nothing_there_and_not_that_way(server: Live) -> None:
    missing = httpx.get(server.url + "/nothing")
    assert (missing.status_code, missing.json()["error"]) == (404, "not_found")
    wrong = httpx.get(server.url + ROUTE)
    assert (wrong.status_code, wrong.json()["error"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation_pages(server: Live, path: str) -> None:
    assert httpx.get(server.url + path).status_code == 200


def test_the_description_has_routes_fields_ranges_errors_and_events(server: Live) -> None:
    description = httpx.get(server.url + "/openapi.json").json()
    schemas = description["components"]["schemas"]
    operation = description["paths"][ROUTE]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    fields = resolve(description, body)["properties"]
    assert fields["top_p"]["minimum"] == 0
    assert fields["top_p"]["maximum"] == 1
    assert fields["duration"]["default"] == 30
    assert {"200", "400", "413", "500", "503"} <= set(operation["responses"])
    stream = operation["responses"]["200"]["content"]["text/event-stream"]
    options = stream["schema"]["properties"]["data"]["contentSchema"]["oneOf"]
    events = [resolve(description, option)["title"] for option in options]
    assert events == [event.__name__ for event in EVENTS]
    assert '"event":"completed"' in stream["example"]
    for reference in references(description):
        assert reference.rsplit("/", 1)[1] in schemas
    assert {"/health", "/ready", "/metrics", "/api/v1/models"} <= set(description["paths"])


def resolve(description: dict, schema: dict) -> dict:
    return description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]


def references(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for value in part.values() for found in references(value)]
    if isinstance(part, list):
        return [found for value in part for found in references(value)]
    return []
