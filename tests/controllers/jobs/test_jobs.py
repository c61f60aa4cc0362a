"""/api/v1/jobs over a real socket: submitting, listing, ending; what is refused."""

from __future__ import annotations

import asyncio
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.controllers.jobs.calls import (
    ROUTE,
    ended,
    get,
    is_problem,
    pcm,
    post,
    submit,
)
from tests.live import Live, live, until


def test_a_job_from_submission_to_its_file(server: Live) -> None:
    answer = post(server, {"description": "warn", "duration": 3, "seed": 5, "cfg_coef": 2.5})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"{ROUTE}/{job['id']}"
    assert job["request"]["description"] == "warn"
    assert job["request"]["cfg_coef"] == 2.5
    done = ended(server, job)
    assert (done["state"], done["progress"], done["seed"]) == ("completed", 100, 5)
    assert done["warnings"] == [{"code": "test", "message": "as asked"}]
    assert done["created_at"] <= done["started_at"] <= done["ended_at"] < done["expires_at"]
    (file,) = done["files"]
    content = httpx.get(server.url + file["url"])
    assert content.headers["content-type"] == "audio/wav"
    frames, rate = soundfile.read(io.BytesIO(content.content), dtype="int16")
    assert (rate, frames.tobytes()) == (8000, pcm(5, 3))


def test_a_list_is_run_in_its_order(server: Live) -> None:
    answer = post(server, [{"description": f"{n}", "seed": n} for n in range(5)])
    assert answer.status_code == 202
    jobs = answer.json()["jobs"]
    assert [job["seed"] for job in jobs] == [0, 1, 2, 3, 4]
    starts = [ended(server, job)["started_at"] for job in jobs]
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("body", "error", "field"),
    [
        ({}, "bad_request", "description"),
        ({"description": 7}, "bad_request", "description"),
        ({"description": "x", "duration": 999}, "bad_request", "duration"),
        ({"description": "x", "model": "none"}, "unknown_model", "model"),
        ({"description": "x", "tempo": 9}, "unknown_field", "'tempo'"),
        ({"description": "x", "mbd": True}, "unsupported", "mbd"),
        ("text", "malformed_body", None),
        ([], "bad_request", None),
        ([{"description": "x"}] * 101, "bad_request", None),
        ([{"description": "x"}, {"description": "x", "duration": 0}], "bad_request", "1.duration"),
        ([{"description": "x"}, 7], "malformed_body", "1"),
        ({"description": "x", "duration": 5, "model": "weighted"}, "too_large", "duration"),
    ],
)
def test_a_wrong_body_is_told_and_nothing_is_stored(
    server: Live, body: object, error: str, field: str | None
) -> None:
    before = httpx.get(server.url + ROUTE).json()["jobs"][:1]
    assert is_problem(post(server, body), 422, error, field)
    assert httpx.get(server.url + ROUTE).json()["jobs"][:1] == before


def test_an_unavailable_model_is_told_with_its_remedy(server: Live) -> None:
    answer = post(server, {"description": "x", "model": "missing"})
    assert "fetch-weights NAME" in is_problem(answer, 503, "unavailable")


def test_an_idempotency_key_makes_one_job(server: Live) -> None:
    with ThreadPoolExecutor(8) as threads:
        body = {"description": "once", "duration": 2}
        answers = list(
            threads.map(lambda _: post(server, body, **{"Idempotency-Key": "k"}), range(16))
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    again = post(server, {"duration": 2, "description": "once"}, **{"Idempotency-Key": "k"})
    assert again.json()["id"] == answers[0].json()["id"]
    other = post(server, {"description": "other"}, **{"Idempotency-Key": "k"})
    is_problem(other, 422, "idempotency_key_reused")
    for wrong in ("", "a b", "x" * 256):
        answer = post(server, body, **{"Idempotency-Key": wrong})
        is_problem(answer, 422, "bad_request", "Idempotency-Key")
    listed = [post(server, [body] * 3, **{"Idempotency-Key": "l"}).json() for _ in range(2)]
    ids = [[job["id"] for job in answer["jobs"]] for answer in listed]
    assert ids[0] == ids[1]


def test_pages_by_state(server: Live) -> None:
    made = [submit(server) for _ in range(5)]
    for job in made:
        ended(server, job)
    seen, cursor = [], ""
    while cursor is not None:
        query = f"?state=completed&limit=2{cursor and f'&cursor={cursor}'}"
        page = httpx.get(server.url + ROUTE + query).json()
        assert len(page["jobs"]) <= 2
        assert {job["state"] for job in page["jobs"]} <= {"completed"}
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert seen[:5] == [job["id"] for job in reversed(made)]
    assert len(seen) == len(set(seen))
    for wrong, field in [("state=done", "state"), ("limit=0", "limit"), ("cursor=x", "cursor")]:
        is_problem(httpx.get(f"{server.url}{ROUTE}?{wrong}"), 422, "bad_request", field)


def test_the_place_in_the_queue_and_not_ready_and_cancelling() -> None:
    with live() as server:
        first = submit(server, "step 0.1", duration=60)
        until(lambda: get(server, first)["state"] == "running")
        second, third = submit(server), submit(server)
        assert (second["position"], third["position"]) == (1, 2)
        is_problem(httpx.get(server.url + third["audio_url"]), 409, "not_ready")
        cancel = f"{server.url}{ROUTE}/{first['id']}/cancel"
        assert httpx.post(cancel).json()["state"] == "cancelled"
        assert httpx.post(cancel).json()["error"]["code"] == "cancelled"
        assert ended(server, third)["state"] == "completed"
        detail = is_problem(httpx.get(server.url + first["audio_url"]), 410, "gone")
        assert "cancelled" in detail
        assert server.num_running() == 0


def test_progress_is_of_now(server: Live) -> None:
    job = submit(server, "step 0.05", duration=20)
    until(lambda: 10 < get(server, job)["progress"] < 90)
    assert httpx.delete(f"{server.url}{ROUTE}/{job['id']}").status_code == 204


@pytest.mark.parametrize("id", ["0" * 32, "x", "..", "%00", "a%2fb", "ünï"])
def test_what_is_not_there_is_404(server: Live, id: str) -> None:
    for method, tail in [
        ("GET", ""), ("GET", "/events"), ("GET", "/audio"), ("POST", "/cancel"), ("DELETE", "")
    ]:  # fmt: skip
        answer = httpx.request(method, f"{server.url}{ROUTE}/{id}{tail}")
        assert answer.status_code in (404, 405)
        if id == "0" * 32:
            is_problem(answer, 404, "not_found")


def test_expired_jobs_are_gone_and_then_unknown() -> None:
    with live(job_retention_hours=1) as server:
        job = ended(server, submit(server))
        url = f"{server.url}{ROUTE}/{job['id']}"
        sweep(server, hours_later=0.9)
        assert httpx.get(url).status_code == 200
        sweep(server, hours_later=1.1)
        for tail in ("", "/audio", "/events"):
            is_problem(httpx.get(url + tail), 410, "gone")
        assert httpx.get(server.url + ROUTE).json()["jobs"] == []
        sweep(server, hours_later=2.1)
        is_problem(httpx.get(url), 404, "not_found")


def sweep(server: Live, hours_later: float) -> None:
    then = time.time() + 3600 * hours_later
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: then)
        work = server.stored_jobs._sweeper.sweep()
        asyncio.run_coroutine_threadsafe(work, server.loop).result(10)


def test_a_server_below_a_path_says_so_in_its_links() -> None:
    with live() as server:
        server.app.root_path = "/music"
        job = submit(server)
        assert job["events_url"] == f"/music{ROUTE}/{job['id']}/events"
        assert get(server, job)["id"] == job["id"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)

FIELDS = st.dictionaries(
    st.sampled_from(["description", "duration", "seed", "format", "model", "stems", "bpm", "mbd"]),
    JSON | st.sampled_from(["ticking", "weighted", "wav", 1, 2, 60, True]),
)


@settings(suppress_health_check=list(HealthCheck))
@given(st.one_of(JSON, FIELDS, st.lists(FIELDS, max_size=3)), st.text(max_size=20))
def test_no_body_and_no_key_is_an_error_of_ours(server: Live, body: object, key: str) -> None:
    raw = json.dumps(body).encode()
    headers = {"Idempotency-Key": key.encode("utf-8", "surrogatepass").replace(b"\n", b"")}
    try:
        answer = httpx.post(server.url + ROUTE, content=raw, headers=headers, timeout=30)
    except httpx.LocalProtocolError:  # no header at all
        return
    assert answer.status_code in (202, 400, 422), answer.text


def test_every_status_is_documented(server: Live) -> None:
    paths = httpx.get(server.url + "/openapi.json").json()["paths"]
    documented = {
        f"{method} {path}": set(operation["responses"])
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith(ROUTE)
    }
    assert documented == {
        f"post {ROUTE}": {"202", "413", "422", "429", "500", "503"},
        f"get {ROUTE}": {"200", "422", "500", "503"},
        f"get {ROUTE}/{{id}}": {"200", "404", "410", "422", "500", "503"},
        f"delete {ROUTE}/{{id}}": {"204", "404", "422", "500", "503"},
        f"post {ROUTE}/{{id}}/cancel": {"200", "404", "410", "422", "500", "503"},
        f"get {ROUTE}/{{id}}/events": {"200", "204", "404", "410", "422", "500", "503"},
        f"get {ROUTE}/{{id}}/audio": {
            "200", "206", "400", "404", "409", "410", "416", "422", "500", "503"
        },
    }  # fmt: skip
