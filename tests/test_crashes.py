"""The shipped process is killed at random moments; no stored job is lost, doubled or changed."""

from __future__ import annotations

import base64
import io
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from server.audio.waveform import to_pcm16
from tests.fakes import tone
from tests.postgres import Postgres
from tests.process import running
from tests.soak import SOAK

NUM_KILLS = 50 if SOAK else 4
Json = dict[str, Any]


class Place:
    """Where the server is at the moment, if it is."""

    url: str | None = None


class Submitter:
    """Submits jobs under keys, again and again until each is answered."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._unanswered: dict[str, Json] = {}
        self._num = 0
        self.jobs: dict[str, Json] = {}
        self.cancelled: set[str] = set()
        self.perhaps_cancelled: set[str] = set()

    def submit(self, url: str) -> None:
        for _ in range(self._chance.randint(1, 4)):
            self._num += 1
            num_steps = self._chance.randint(1, 12)
            body = {"description": "step 0.05", "duration": num_steps, "seed": self._num}
            self._unanswered[f"key-{self._num}"] = body
        for key, body in list(self._unanswered.items()):
            headers = {"Idempotency-Key": key}
            answer = httpx.post(f"{url}/api/v1/jobs", json=body, headers=headers)
            assert answer.status_code == 202, answer.text
            self.jobs[answer.json()["id"]] = body
            del self._unanswered[key]

    def cancel(self, url: str) -> None:
        id = self._chance.choice(list(self.jobs))
        self.perhaps_cancelled.add(id)
        answer = httpx.post(f"{url}/api/v1/jobs/{id}/cancel").json()
        if answer["state"] == "cancelled":
            self.cancelled.add(id)


class Listener(threading.Thread):
    """Follows a job's events as a browser does, over every restart, and keeps the sound."""

    def __init__(self, place: Place, id: str) -> None:
        super().__init__(daemon=True)
        self._place = place
        self.id = id
        self.last_event_id = ""
        self.pieces: list[str] = []
        self.num_restarts = 0
        self.end = ""

    def run(self) -> None:
        while not self.end:
            with suppress(httpx.TransportError):
                if self._place.url is not None:
                    self._listen(f"{self._place.url}/api/v1/jobs/{self.id}/events")
            time.sleep(0.02)

    def _listen(self, url: str) -> None:
        headers = {"Last-Event-ID": self.last_event_id} if self.last_event_id else {}
        with httpx.stream("GET", url, headers=headers, timeout=20) as answer:
            assert answer.status_code == 200
            id = ""
            for line in answer.iter_lines():
                if line.startswith("id: "):
                    id = line[4:]
                elif line.startswith("data: "):
                    self._hear(json.loads(line[6:]))
                    self.last_event_id = id or self.last_event_id
                elif not line:
                    id = ""

    def _hear(self, event: Json) -> None:
        if event["event"] == "restarted":
            self.pieces.clear()
            self.num_restarts += 1
        elif event["event"] == "audio":
            self.pieces.append(event["audio"])
        elif event["event"] in ("completed", "failed", "cancelled"):
            self.end = event["event"]


def expected_pcm(job: Json) -> bytes:
    seconds = range(job["request"]["duration"])
    return b"".join(to_pcm16(tone(job["seed"], second)).tobytes() for second in seconds)


def kill_at_random(
    folder: Path, place: Place, submitter: Submitter, chance: random.Random, settings: Json
) -> None:
    """A server's life: submissions, cancellations, and SIGKILL at any moment."""
    with running(folder, wait=False, **settings) as server:
        if chance.random() < 0.2:  # while it starts
            time.sleep(chance.uniform(0, 1.5))
            server.popen.kill()
            return
        server.wait_until_listening()
        place.url = server.url
        killer = threading.Timer(chance.uniform(0.05, 1.0), server.popen.kill)
        killer.start()
        with suppress(httpx.TransportError):
            submitter.submit(server.url)
            if chance.random() < 0.3:
                submitter.cancel(server.url)
        killer.join()
        place.url = None
        server.exit_code()


def survive(folder: Path, num_kills: int, **settings: str) -> None:
    seed = random.randrange(10_000)
    print("the seed of this run:", seed)
    chance, place = random.Random(seed), Place()
    submitter = Submitter(chance)
    listeners: list[Listener] = []
    for _ in range(num_kills):
        kill_at_random(folder, place, submitter, chance, settings)
        if submitter.jobs and len(listeners) < 4:
            listeners.append(Listener(place, chance.choice(list(submitter.jobs)[-3:])))
            listeners[-1].start()
    with running(folder, **settings) as server:
        place.url = server.url
        submitter.submit(server.url)
        for listener in listeners:
            listener.join(60)
        jobs = finished_jobs(server.url, within_seconds=60)
        check(server.url, folder, submitter, jobs)
        check_listeners(listeners, jobs)


def finished_jobs(url: str, within_seconds: float) -> dict[str, Json]:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        jobs = {job["id"]: job for job in every_job(url)}
        if all(job["ended_at"] for job in jobs.values()):
            return jobs
        time.sleep(0.1)
    raise AssertionError(f"not all have ended: {jobs}")


def every_job(url: str) -> Iterator[Json]:
    cursor = ""
    while cursor is not None:
        query = f"?limit=7&cursor={cursor}" if cursor else "?limit=7"
        page = httpx.get(f"{url}/api/v1/jobs{query}").json()
        yield from page["jobs"]
        cursor = page["next_cursor"]


def check(url: str, folder: Path, submitter: Submitter, jobs: dict[str, Json]) -> None:
    assert set(jobs) == set(submitter.jobs), "lost or doubled"
    cancelled = {id for id, job in jobs.items() if job["state"] == "cancelled"}
    completed = [job for job in jobs.values() if job["state"] == "completed"]
    assert submitter.cancelled <= cancelled <= submitter.perhaps_cancelled
    assert len(completed) == len(jobs) - len(cancelled)
    for job in completed:
        sound = httpx.get(url + job["audio_url"]).content
        frames, _ = soundfile.read(io.BytesIO(sound), dtype="int16")
        assert frames.tobytes() == expected_pcm(job)
        files = {file.name for file in (folder / "output" / job["id"] / "output").iterdir()}
        assert files == {"take-0.wav", ".events.jsonl"}
    for id in cancelled:
        assert not (folder / "output" / id / "output").exists()


def check_listeners(listeners: list[Listener], jobs: dict[str, Json]) -> None:
    for listener in listeners:
        job = jobs[listener.id]
        assert listener.end == job["state"]
        if job["state"] == "completed":
            heard = b"".join(map(base64.b64decode, listener.pieces))
            assert heard == expected_pcm(job)


@pytest.mark.timeout(NUM_KILLS * 12 + 120)
def test_no_kill_loses_a_job(tmp_path: Path) -> None:
    survive(tmp_path, NUM_KILLS)


@pytest.mark.timeout(NUM_KILLS * 12 + 120)
def test_no_kill_loses_a_job_in_postgresql(tmp_path: Path, postgresql: Postgres) -> None:
    survive(tmp_path, max(2, NUM_KILLS // 3), DATABASE_URL=postgresql.database())
