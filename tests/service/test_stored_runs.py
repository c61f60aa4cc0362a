"""Stored jobs over one process after another: nothing is lost, and nothing done twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.errors import (
    Draining,
)
from server.events import Queued, State
from server.service.stored_events import Ended, EventId, Restarted
from server.service.stored_runs import MAX_BROKEN_ATTEMPTS
from server.stores.job_store import JobStore
from tests.service.stored import Box, expected_pcm, heard, opened, pcm


async def test_what_did_not_finish_is_begun_anew_with_the_same_seed(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        running = await box.submit("step 0.05", 8)
        queued = await box.submit("x", 2)
        first = box.jobs.events(running)
        heard_before = [await anext(first) for _ in range(6)]
        await first.aclose()
    assert (await unfinished(tmp_path)) == {running.id, queued.id}
    async with opened(tmp_path) as box:
        last_id = heard_before[-1].id
        assert last_id is not None
        told = await heard(box, await box.jobs.get(running.id), last_id)
        restarts = [n for n in told if isinstance(n.event, Restarted)]
        assert [str(n.id) for n in restarts] == ["2-0"]
        assert {n.id.attempt for n in told if n.id} == {2}
        assert pcm(told) == expected_pcm(running.request.drawn_seed, 8)
        again = await box.ended(running)
        assert (again.state, again.attempt) == (State.COMPLETED, 2)
        assert again.request == running.request
        assert (await box.ended(queued)).attempt == 1
        late = await heard(box, again, last_id)  # from the file: told of the restart too
        assert isinstance(late[0].event, Restarted)
        assert pcm(late) == pcm(told)


async def unfinished(folder: Path) -> set[str]:
    box = Box(folder)
    await box.jobs.open()
    jobs = {job.id for job in await box.jobs.page() if not job.finished}
    await box.jobs.close()
    return jobs


def never_finish(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a job is about to be finished in the store, which then takes forever."""
    written = asyncio.Event()

    async def never(*_: object) -> bool:
        written.set()
        await asyncio.Event().wait()
        return False

    monkeypatch.setattr(JobStore, "finish", never)
    return written


async def test_a_finished_file_without_its_commit_is_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ended between the rename and the row."""
    async with opened(tmp_path) as box:
        written = never_finish(monkeypatch)
        stored = await box.submit("warn", 3, seed=4)
        whole = asyncio.create_task(heard(box, stored))
        await asyncio.wait_for(written.wait(), 10)
        whole.cancel()
    monkeypatch.undo()
    before = (tmp_path / stored.id / "output" / "take-0.wav").stat()
    async with opened(tmp_path) as box:
        adopted = await box.jobs.get(stored.id)
        assert (adopted.state, adopted.attempt) == (State.COMPLETED, 1)
        assert [warning.code for warning in adopted.warnings] == ["test"]
        path = await box.jobs.audio(adopted)
        assert path.stat() == before
        told = await heard(box, adopted)
        assert pcm(told) == expected_pcm(4, 3)
        assert told[-1].id == EventId(1, adopted.num_events)


async def test_what_failed_without_its_commit_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it made before it failed is on the disk, and is no finished piece."""
    async with opened(tmp_path) as box:
        written = never_finish(monkeypatch)
        stored = await box.submit("explode", 3)
        await asyncio.wait_for(written.wait(), 10)
    monkeypatch.undo()
    async with opened(tmp_path) as box:
        done = await box.ended(stored)
        assert (done.state, done.attempt, done.outputs) == (State.FAILED, 2, ("take-0.wav",))


async def test_draining_lets_running_jobs_finish_and_leaves_the_queue(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        running = await box.submit("step 0.05", 6)
        await box.submit("x")  # waits for the slot already, so it may have its turn
        queued = await box.submit("x")
        await box.when(running, lambda job: job.state is State.RUNNING)
        listening = asyncio.create_task(heard(box, queued))
        await box.service.drain(10)
        assert (await box.jobs.get(running.id)).state is State.COMPLETED
        assert (await box.jobs.get(queued.id)).state is State.QUEUED
        with pytest.raises(Draining):
            await box.submit()
        assert all(isinstance(n.event, Queued) for n in await listening)  # it ended
    async with opened(tmp_path) as box:
        assert (await box.ended(queued)).state is State.COMPLETED


async def test_the_drain_deadline_puts_a_job_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        running = await box.submit("step 0.1", 8, seed=9)
        await box.when(running, lambda job: job.state is State.RUNNING)
        listening = asyncio.create_task(heard(box, running))
        await box.service.drain(0.1)
        assert not any(isinstance(n.event, Ended) for n in await listening)
    async with opened(tmp_path) as box:
        done = await box.ended(running)
        assert (done.state, done.attempt) == (State.COMPLETED, 2)


async def test_a_job_that_breaks_every_process_is_given_up(tmp_path: Path) -> None:
    for attempt in range(1, MAX_BROKEN_ATTEMPTS + 1):
        async with opened(tmp_path) as box:
            if attempt == 1:
                stored = await box.submit("broken", 3)
            job = await box.when(stored, lambda job: job.finished or not _serving(box))
            await box.nothing_runs()
            job = await box.jobs.get(stored.id)
            assert job.attempt == attempt
            assert job.finished is (attempt == MAX_BROKEN_ATTEMPTS)
    assert (job.state, job.error_code) == (State.FAILED, "model_broken")


def _serving(box: Box) -> bool:
    return box.service.standing.value == "serving"


async def test_jobs_of_a_model_that_is_no_longer_served_fail_in_words(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        await box.submit("step 1", 4, model="weighted")
        stored = await box.submit("x", 4, model="weighted")
    async with opened(tmp_path, extra_models="ticking=tests.fakes:Ticking") as box:
        done = await box.ended(stored)
        assert (done.state, done.error_code) == (State.FAILED, "unknown_model")
        assert "'weighted' is not served here" in (done.error_message or "")


async def test_nothing_of_a_finished_job_stays_in_memory(box: Box) -> None:
    for _ in range(5):
        await box.ended(await box.submit("x", 5))
    await box.nothing_runs()
    assert not box.service._jobs
    assert not box.service._pumps
