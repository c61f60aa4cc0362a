from __future__ import annotations

import asyncio

import numpy as np

from server.errors import ContinuoError
from server.events import (
    AudioChunk,
    Cancelled,
    Completed,
    Document,
    Event,
    Failed,
    Progress,
    Started,
    Warning,
)
from server.generation import GenerationRequest
from server.models.base import Resources
from server.service.admission import WaitingRoom
from server.service.jobs import EventLog, Job, State
from tests.fakes import info, tone


def make_job(num_takes: int = 1) -> Job:
    request = GenerationRequest("x", model="fake", duration_seconds=2, seed=1, num_takes=num_takes)
    ticket = WaitingRoom(lambda: Resources(1)).enter(Resources(1), 2, places=0)
    return Job(request, info("fake"), "test", ticket)


async def read_all(log: EventLog, position: int = 0) -> list[Event]:
    return [event async for event in log.read(position)]


async def test_readers_come_early_late_and_in_the_middle() -> None:
    job = make_job()
    early = asyncio.create_task(read_all(job.log))
    await asyncio.sleep(0)
    job.start(job.info, {})
    job.record(AudioChunk(tone(1, 0)))
    await asyncio.sleep(0)
    job.finish(Completed())
    late = await read_all(job.log)
    assert await early == late
    assert await read_all(job.log, 2) == late[2:]
    assert [type(event) for event in late] == [Started, AudioChunk, Progress, Completed]


async def test_the_first_outcome_stands() -> None:
    job = make_job()
    assert job.finish(Failed(ContinuoError("first")))
    assert not job.finish(Cancelled("second"))
    job.record(Progress(50))
    assert job.state is State.FAILED
    assert len(await read_all(job.log)) == 1


async def test_progress_is_made_monotone_and_sparse() -> None:
    job = make_job()
    job.start(job.info, {})
    for percent in (10, 5, 200, *range(100)):
        job.record(Progress(percent))
    job.finish(Completed())
    percents = [e.percent for e in await read_all(job.log) if isinstance(e, Progress)]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert len(percents) < 10  # all in one instant: nobody needs a hundred


async def test_chunks_are_numbered_by_take() -> None:
    job = make_job(num_takes=2)
    job.start(job.info, {})
    for take in (0, 1, 0, 1, 1):
        job.record(AudioChunk(tone(take, 0)), take)
    chunks = [e for e in job.log._events if isinstance(e, AudioChunk)]
    assert [(c.take, c.sequence) for c in chunks] == [(0, 0), (1, 0), (0, 1), (1, 1), (1, 2)]
    assert len(job.log.chunks(1)) == 3
    assert np.array_equal(job.log.chunks(0)[1].samples, tone(0, 0))


async def test_progress_is_the_mean_of_the_takes() -> None:
    job = make_job(num_takes=4)
    job.start(job.info, {})
    job.record(Progress(100), 2)
    job.record(Progress(60), 0)
    job._progress_at = 0.0  # as if time had passed
    job.record(Progress(20), 3)
    percents = [e.percent for e in job.log._events if isinstance(e, Progress)]
    assert percents == [25.0, 45.0]


async def test_a_take_has_a_pace_of_its_own() -> None:
    job = make_job(num_takes=2)
    job.start(job.info, {})
    job.record(AudioChunk(tone(0, 0)), 0)
    job.begin(1)
    job.record(AudioChunk(tone(1, 0)), 1)
    first, second = (chunk.pace for take in (0, 1) for chunk in job.log.chunks(take))
    assert first is not None
    assert second is not None
    assert second.realtime_factor is not None
    assert second.realtime_factor < 0.5  # not the time that the first take took


async def test_what_every_take_warns_of_is_said_once() -> None:
    job = make_job(num_takes=2)
    job.start(job.info, {})
    for warning in (Warning("a", "x"), Warning("a", "x"), Warning("a", "y")):
        job.record(warning, 1)
    assert [e.message for e in job.log._events if isinstance(e, Warning)] == ["x", "y"]


async def test_documents_belong_to_a_take() -> None:
    job = make_job(num_takes=2)
    job.start(job.info, {})
    job.record(Document("midi", b"second"), 1)
    assert job.log.documents(0) == {}
    assert job.log.documents(1) == {"midi": b"second"}
