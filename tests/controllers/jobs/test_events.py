"""The events of jobs, and how to go on where one has left."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import soundfile

from tests.controllers.jobs.calls import (
    ROUTE,
    ended,
    events,
    get,
    is_problem,
    parsed_events,
    pcm,
    sound,
    submit,
)
from tests.live import Json, Live, live


def test_sound_whose_level_is_changed_is_not_streamed(server: Live) -> None:
    job = submit(server, normalize="peak", duration=2, seed=5)
    for told in (events(server, job), events(server, job)):
        assert "audio" not in {event["event"] for event in told}
    frames, _ = soundfile.read(io.BytesIO(httpx.get(server.url + job["audio_url"]).content))
    assert abs(frames).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)


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
