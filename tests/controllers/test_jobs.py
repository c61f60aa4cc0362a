from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.audio.waveform import to_pcm16
from tests.audio.test_recordings import file_of, noise
from tests.fakes import tone
from tests.live import Json, Live, live, until

ROUTE = "/api/v1/jobs"


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with live(max_batch=2) as running:
        yield running


def post(server: Live, body: object, **headers: str) -> httpx.Response:
    return httpx.post(server.url + ROUTE, json=body, headers=headers, timeout=30)


def submit(server: Live, description: str = "x", **fields: object) -> Json:
    answer = post(server, {"description": description, **fields})
    assert answer.status_code == 202, answer.text
    return answer.json()


def get(server: Live, job: Json) -> Json:
    return httpx.get(f"{server.url}{ROUTE}/{job['id']}").json()


def ended(server: Live, job: Json) -> Json:
    until(lambda: get(server, job)["ended_at"] is not None)
    return get(server, job)


def events(server: Live, job: Json, query: str = "", last_event_id: str = "") -> list[Json]:
    """The stream, each message's parts in the form that EventSource wants."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    answer = httpx.get(server.url + job["events_url"] + query, headers=headers, timeout=30)
    assert answer.headers["content-type"].startswith("text/event-stream")
    return parsed_events(answer.text)


def parsed_events(text: str) -> list[Json]:
    assert "\r" not in text
    messages = text.removesuffix("\n\n").split("\n\n")
    assert messages.pop(0) == "retry: 1000"
    parsed = []
    for message in messages:
        parts = dict(line.split(": ", 1) for line in message.split("\n"))
        told = json.loads(parts["data"])
        assert told["event"] == parts["event"]
        parsed.append(told | {"id": parts.get("id")})
    return parsed


def sound(told: list[Json]) -> bytes:
    return b"".join(base64.b64decode(e["audio"]) for e in told if e["event"] == "audio")


def is_problem(answer: httpx.Response, status: int, error: str, field: str | None = None) -> str:
    """A problem of that kind; its words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["error"], body["field"]) == (status, error, field)
    assert body["title"]
    return body["detail"]


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


def pcm(seed: int, seconds: int) -> bytes:
    return b"".join(to_pcm16(tone(seed, second)).tobytes() for second in range(seconds))


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


def test_a_list_is_run_in_its_order(server: Live) -> None:
    answer = post(server, [{"description": f"{n}", "seed": n} for n in range(5)])
    assert answer.status_code == 202
    jobs = answer.json()["jobs"]
    assert [job["seed"] for job in jobs] == [0, 1, 2, 3, 4]
    starts = [ended(server, job)["started_at"] for job in jobs]
    assert starts == sorted(starts)


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


def test_sound_whose_level_is_changed_is_not_streamed(server: Live) -> None:
    job = submit(server, normalize="peak", duration=2, seed=5)
    for told in (events(server, job), events(server, job)):
        assert "audio" not in {event["event"] for event in told}
    frames, _ = soundfile.read(io.BytesIO(httpx.get(server.url + job["audio_url"]).content))
    assert abs(frames).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)


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


@pytest.mark.parametrize("id", ["0" * 32, "x", "..", "%00", "a%2fb", "ünï"])
def test_what_is_not_there_is_404(server: Live, id: str) -> None:
    for method, tail in [
        ("GET", ""), ("GET", "/events"), ("GET", "/audio"), ("POST", "/cancel"), ("DELETE", "")
    ]:  # fmt: skip
        answer = httpx.request(method, f"{server.url}{ROUTE}/{id}{tail}")
        assert answer.status_code in (404, 405)
        if id == "0" * 32:
            is_problem(answer, 404, "not_found")


def test_the_stream_of_events_and_where_it_was_left(server: Live) -> None:
    job = submit(server, "step 0.02", duration=6, seed=8)
    told = events(server, job)
    numbered = [e for e in told if e["id"]]
    assert [e["event"] for e in told if not e["id"]] in ([], ["queued"])
    assert numbered[0]["event"] == "start"
    assert numbered[-1]["event"] == "completed"
    assert numbered[-1]["job"] == get(server, job)
    assert sound(told) == pcm(8, 6)
    for position, event in enumerate(numbered[:-1]):
        rest = events(server, job, last_event_id=event["id"])
        assert rest == numbered[position + 1 :]
    headers = {"Last-Event-ID": numbered[-1]["id"]}
    assert httpx.get(server.url + job["events_url"], headers=headers).status_code == 204
    quiet = events(server, job, "?audio=false")
    assert [e["event"] for e in quiet] == [e["event"] for e in numbered if e["event"] != "audio"]


def test_ids_of_another_attempt_mean_that_all_comes_again(server: Live) -> None:
    job = ended(server, submit(server, duration=2, seed=8))
    told = events(server, job, last_event_id="7-3")
    assert (told[0]["event"], told[0]["id"]) == ("restarted", "1-0")
    assert sound(told) == pcm(8, 2)
    for wrong in ("x", "1-", "1-2-3", "-1-2", "1" * 40):
        headers = {"Last-Event-ID": wrong}
        answer = httpx.get(server.url + job["events_url"], headers=headers)
        is_problem(answer, 422, "bad_request", "Last-Event-ID")


def test_a_listener_that_leaves_ends_nothing(server: Live) -> None:
    job = submit(server, "step 0.05", duration=6)
    with httpx.stream("GET", server.url + job["events_url"]) as answer:
        next(answer.iter_lines())
    assert ended(server, job)["state"] == "completed"


def test_many_listeners_of_one_queue_are_told_of_every_move() -> None:
    with live() as server:
        first = submit(server, "step 0.3", duration=60)
        jobs = [submit(server, "step 0.03", duration=2) for _ in range(6)]
        all_wait = threading.Barrier(13)

        def listen(job: Json) -> list[Json]:
            with httpx.stream("GET", server.url + job["events_url"], timeout=30) as answer:
                texts, heard = answer.iter_text(), ""
                while "queued" not in heard:
                    heard += next(texts)
                all_wait.wait(20)
                return parsed_events(heard + "".join(texts))

        with ThreadPoolExecutor(12) as threads:
            listening = threads.map(listen, jobs * 2)
            all_wait.wait(20)
            httpx.post(f"{server.url}{ROUTE}/{first['id']}/cancel")
            told = list(listening)
    for each in told:
        assert each[-1]["event"] == "completed"
        places = [e["position"] for e in each if e["event"] == "queued"]
        assert places == sorted(places, reverse=True)
    assert max(e["position"] for each in told for e in each if e["event"] == "queued") >= 3


def test_a_listener_is_sent_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.controllers.job_events.HEARTBEAT_SECONDS", 0.05)
    with live() as server:
        submit(server, "step 0.2", duration=4)
        waiting = submit(server)
        answer = httpx.get(server.url + waiting["events_url"], timeout=30).text
        assert answer.count(": still there\n\n") >= 3


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


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
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
