"""Several takes of one request: as many at once as there is room for, and none left behind."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from server.events import AudioChunk, Cancelled, Completed, Failed, Progress
from server.generation import MAX_SEED, GenerationRequest
from server.models.base import NO_RESOURCES
from server.service.generation import GenerationService
from server.service.jobs import Job
from tests.fakes import Ticking, tone
from tests.service.test_service import loaded, make_service, outcome


def submit(
    service: GenerationService, prompt: str = "x", num_takes: int = 3, seed: int = 5, **fields: int
) -> Job:
    known = {"duration_seconds": 2, **fields}
    request = GenerationRequest(prompt, num_takes=num_takes, seed=seed, **known)  # type: ignore[arg-type]
    return service.submit(request, "test", places=4)


def sound(job: Job, take: int) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in job.log.chunks(take)], axis=1)


async def until(holds, within_seconds: float = 10.0) -> None:
    async def watch() -> None:
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    await asyncio.wait_for(watch(), within_seconds)


@pytest.mark.parametrize("slots", [1, 2, 5])
async def test_each_take_is_the_request_with_a_seed_of_its_own(slots: int) -> None:
    service = await make_service(max_batch=slots)
    job = submit(service)
    assert isinstance(await outcome(job), Completed)
    for take in range(3):
        alone = np.concatenate([tone(5 + take, second) for second in range(2)], axis=1)
        assert np.array_equal(sound(job, take), alone)
    percents = [e.percent for e in job.log._events if isinstance(e, Progress)]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    service.end(job)
    await service.close()


async def test_seeds_begin_anew_after_the_highest() -> None:
    request = GenerationRequest("x", seed=MAX_SEED, num_takes=3)
    assert [request.take(number).seed for number in range(3)] == [MAX_SEED, 0, 1]
    assert request.take(2).num_takes == 1


class Watched(Ticking):
    """Notes how many of its generations ran at once."""

    most = 0

    def steps(self, request: GenerationRequest):
        for event in super().steps(request):
            type(self).most = max(self.most, self.active)
            yield event


async def watched_service(slots: int) -> GenerationService:
    Watched.most = 0
    extra = ("watched=tests.service.test_takes:Watched",)
    return await make_service(music_model_name="watched", extra_models=extra, max_batch=slots)


@pytest.mark.parametrize(("slots", "most"), [(1, 1), (2, 2), (8, 4)])
async def test_takes_run_side_by_side_where_there_is_room(slots: int, most: int) -> None:
    service = await watched_service(slots)
    job = submit(service, "step 0.05", num_takes=4)
    assert isinstance(await outcome(job), Completed)
    assert Watched.most == most
    await service.close()


async def test_takes_yield_to_whoever_waits() -> None:
    """A second client gets the next slot that a take leaves, not the one after all takes."""
    service = await make_service(max_batch=2)
    takes = submit(service, "step 0.05", num_takes=8)
    await until(lambda: len(takes.log.chunks(1)) > 0)
    other = submit(service, num_takes=1)
    assert isinstance(await outcome(other), Completed)
    assert not takes.finished
    assert isinstance(await outcome(takes), Completed)
    await until(lambda: not service.room(service.registry.entry("ticking")).used.slots)
    await service.close()


async def test_takes_spread_when_a_slot_becomes_free() -> None:
    service = await watched_service(slots=2)
    other = submit(service, "step 0.05", num_takes=1, duration_seconds=60)
    takes = submit(service, "step 0.3", num_takes=2, duration_seconds=20)
    await until(lambda: takes.log.chunks(0))
    service.end(other)
    await until(lambda: takes.log.chunks(1))
    assert len(takes.log.chunks(0)) < 20
    service.end(takes)
    await service.close()


async def test_as_many_as_the_cost_of_each_allows() -> None:
    service = await make_service()
    await loaded(service, "weighted")
    request = GenerationRequest(
        "step 0.05", model="weighted", duration_seconds=2, seed=1, num_takes=3
    )
    job = service.submit(request, "test", places=0)
    room = service.room(service.registry.entry("weighted"))
    await until(lambda: job.log.chunks(0))
    assert room.used.slots == 4  # two takes of two slots
    assert isinstance(await outcome(job), Completed)
    await until(lambda: not room.used.slots)
    await service.close()


@pytest.mark.parametrize("slots", [1, 3])
async def test_a_take_that_fails_ends_all(slots: int) -> None:
    service = await make_service(max_batch=slots)
    job = submit(service, "explode step 0.05", num_takes=4, duration_seconds=60)
    last = await outcome(job)
    assert isinstance(last, Failed)
    assert last.error.code == "generation_failed"
    await until(lambda: Ticking.active == 0 and not service._pumps)
    assert service.room(service.registry.entry("ticking")).used == NO_RESOURCES
    service.end(job)
    await service.close()


@pytest.mark.parametrize("slots", [1, 3])
async def test_cancelling_ends_all(slots: int) -> None:
    service = await make_service(max_batch=slots)
    job = submit(service, "step 0.2", num_takes=4, duration_seconds=60)
    await until(lambda: any(isinstance(e, AudioChunk) for e in job.log._events))
    service.cancel(job, "enough")
    assert await asyncio.wait_for(outcome(job), 5) == Cancelled("enough")
    assert Ticking.active == 0
    await until(lambda: not service._pumps)
    assert service.room(service.registry.entry("ticking")).used == NO_RESOURCES
    service.end(job)
    await service.close()


async def test_no_task_is_left(caplog: pytest.LogCaptureFixture) -> None:
    service = await make_service(max_batch=4)
    for prompt in ("x", "explode"):
        job = submit(service, prompt, num_takes=8)
        await outcome(job)
        service.end(job)
    await until(lambda: not service._pumps)
    names = {task.get_coro().__name__ for task in asyncio.all_tasks()}
    assert not names & {"_pump", "_make"}
    assert not caplog.records
    await service.close()
