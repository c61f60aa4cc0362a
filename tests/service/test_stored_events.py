"""Listeners of stored jobs: before, during and after."""

from __future__ import annotations

import asyncio

import pytest

from server.events import Queued, Started, State
from server.service.stored_events import Ended, Numbered
from server.service.stored_runs import Run
from server.stores.job_store import JobStore
from tests.service.stored import Box, expected_pcm, heard, pcm


async def test_listeners_hear_the_same_before_during_and_after(box: Box) -> None:
    blocking = await box.submit("step 0.1", 2)
    stored = await box.submit("step 0.02 warn", 5, seed=3)
    early = asyncio.create_task(heard(box, stored))
    await box.when(stored, lambda job: job.state is State.RUNNING)
    during = asyncio.create_task(heard(box, stored))
    done = await box.ended(stored)
    told = await heard(box, done)
    for events in (await early, await during):
        assert [n.id for n in events if n.id] == [n.id for n in told]
    assert isinstance((await early)[0].event, Queued)
    assert [n.id for n in told] == sorted((n.id for n in told), key=lambda id: id.sequence)
    assert {n.id.attempt for n in told if n.id} == {1}
    assert isinstance(told[0].event, Started)
    assert isinstance(told[-1].event, Ended)
    assert told[-1].event.job.state is State.COMPLETED
    assert pcm(told) == pcm(await early) == expected_pcm(3, 5)
    await box.ended(blocking)


@pytest.mark.parametrize("live", [True, False])
async def test_a_listener_that_comes_back_misses_nothing(box: Box, live: bool) -> None:
    stored = await box.submit("step 0.03", 6, seed=3)
    whole = await heard(box, stored) if not live else []
    seen: list[Numbered] = []
    while not seen or not isinstance(seen[-1].event, Ended):
        after = next((n.id for n in reversed(seen) if n.id), None)
        position = 0
        async for numbered in box.jobs.events(await box.jobs.get(stored.id), after):
            if numbered.id or not seen:
                seen.append(numbered)
                position += 1
            if position == 2:  # and the connection is lost
                break
    ids = [n.id for n in seen if n.id]
    assert len(ids) == len(set(ids))
    assert live or ids == [n.id for n in whole if n.id]
    assert pcm(seen) == expected_pcm(3, 6)


async def test_nobody_is_told_of_an_attempt_that_is_not_stored_yet(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in between would make an id belong to two attempts."""
    start, may_start = JobStore.start, asyncio.Event()

    async def held_up(store: JobStore, id: str, *begun: int) -> bool:
        await may_start.wait()
        return await start(store, id, *begun)

    monkeypatch.setattr(JobStore, "start", held_up)
    stored = await box.submit("x", 3)
    told: list[Numbered] = []

    async def listen() -> None:
        async for numbered in box.jobs.events(stored):
            told.append(numbered)

    listening = asyncio.create_task(listen())
    run = await box.attempt_at(stored)
    await asyncio.wait_for(finished(run), 10)  # the model is done already
    assert not [n for n in told if n.id]
    may_start.set()
    await asyncio.wait_for(listening, 10)
    assert pcm(told) == expected_pcm(stored.request.drawn_seed, 3)


async def finished(run: Run) -> None:
    async for _ in run.job.log.read():
        pass


async def test_the_end_of_a_cancelled_and_of_a_failed_job_is_told_late_too(box: Box) -> None:
    failing = await box.ended(await box.submit("explode", 3))
    running = await box.submit("step 0.05", 60)
    listening = asyncio.create_task(heard(box, running))
    await box.when(running, lambda job: job.state is State.RUNNING)
    await box.jobs.cancel(running)
    live_end = (await listening)[-1]
    for stored, state in ((failing, State.FAILED), (running, State.CANCELLED)):
        told = await heard(box, await box.jobs.get(stored.id))
        end = told[-1]
        assert isinstance(end.event, Ended)
        assert end.event.job.state is state
        if state is State.FAILED:  # what was made before is heard
            assert pcm(told) == expected_pcm(stored.request.drawn_seed, 1)
    assert live_end.id == end.id


async def test_a_listener_of_a_queued_job_hears_of_its_deletion(box: Box) -> None:
    await box.submit("step 0.05", 60)
    queued = await box.submit()
    listening = asyncio.create_task(heard(box, queued))
    await asyncio.sleep(0)
    await box.jobs.delete(queued.id)
    *places, end = await listening
    assert all(isinstance(n.event, Queued) for n in places)
    assert isinstance(end.event, Queued | Ended)  # cancelled first, then gone
