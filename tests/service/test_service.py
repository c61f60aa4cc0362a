from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator, Callable

import pytest

from server.app import create_service
from server.errors import Busy, Draining, Loading, ModelBroken, Unavailable
from server.events import Cancelled, Completed, Failed
from server.generation import GenerationRequest
from server.models.base import NO_RESOURCES
from server.models.registry import Phase
from server.service import generation, loading
from server.service.generation import GenerationService
from server.service.jobs import Job, State
from server.service.readiness import readiness
from server.settings import Settings
from tests.fakes import Hanging, LateWeights, Ticking
from tests.live import FAKES


async def make_service(**settings: object) -> GenerationService:
    known = {"music_model_name": "ticking", "extra_models": FAKES, **settings}
    service = create_service(Settings.model_validate(known))
    service.start()
    await service.loader.settled(service.registry.entry(service.default_model))
    return service


async def loaded(service: GenerationService, name: str) -> None:
    """Wait until that model is ready."""
    entry = service.registry.entry(name)
    service.load(entry)
    await service.loader.settled(entry)


@pytest.fixture
async def service() -> AsyncIterator[GenerationService]:
    service = await make_service()
    yield service
    await service.close()


def submit(service: GenerationService, prompt: str = "x", seconds: int = 2, **fields: str) -> Job:
    request = GenerationRequest(prompt, duration_seconds=seconds, **fields)  # type: ignore[arg-type]
    return service.submit(request, "test", places=0)


async def until(condition: Callable[[], bool], within_seconds: float = 10) -> None:
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def outcome(job: Job) -> object:
    return [event async for event in job.log.read()][-1]


async def test_a_job_from_submit_to_end(service: GenerationService) -> None:
    job = submit(service)
    assert isinstance(await outcome(job), Completed)
    assert job.state is State.COMPLETED
    service.end(job)
    await asyncio.sleep(0.01)
    assert submit(service)


async def test_a_job_that_is_cancelled_before_its_first_step(service: GenerationService) -> None:
    """Its pump never runs a line, and still its slot comes back."""
    job = submit(service)
    service.end(job)
    assert isinstance(await outcome(job), Cancelled)
    assert isinstance(await outcome(submit(service)), Completed)


async def test_cancelling_waits_for_the_model_to_let_go(service: GenerationService) -> None:
    job = submit(service, "step 0.2", 10)
    await asyncio.sleep(0.05)
    service.cancel(job, "enough")
    service.cancel(job, "twice")
    next_job = submit(service)
    with pytest.raises(Busy):
        submit(service)
    await asyncio.sleep(0.05)
    assert (job.state, next_job.state) == (State.RUNNING, State.QUEUED)  # in the same step yet
    assert await outcome(job) == Cancelled("enough")
    assert isinstance(await outcome(next_job), Completed)
    assert Ticking.active == 0


async def test_draining_lets_streams_finish_and_takes_no_new_ones() -> None:
    service = await make_service()
    job = submit(service, "step 0.1", 3)
    draining = asyncio.create_task(service.drain(10))
    await asyncio.sleep(0.05)
    with pytest.raises(Draining):
        submit(service)
    assert readiness(service)[0] == "draining"
    assert isinstance(await outcome(job), Completed)
    assert not draining.done()  # the owner has not delivered it yet
    service.end(job)
    await asyncio.wait_for(draining, 1)
    await service.close()


async def test_the_drain_deadline_ends_streams_with_an_error() -> None:
    service = await make_service()
    job = submit(service, "step 0.1", 60)
    await asyncio.sleep(0.05)
    draining = asyncio.create_task(service.drain(0.2))
    last = await outcome(job)
    assert isinstance(last, Failed)
    assert last.error.code == "interrupted"
    service.end(job)
    await asyncio.wait_for(draining, 2)
    assert Ticking.active == 0
    await service.close()


async def test_a_model_that_hangs_breaks_the_service() -> None:
    service = await make_service(step_timeout_seconds=0.5)
    broken = asyncio.Event()
    service.on_broken = broken.set
    await loaded(service, "hanging")
    job = submit(service, model="hanging", seconds=3)
    last = await asyncio.wait_for(outcome(job), 5)
    assert isinstance(last, Failed)
    assert isinstance(last.error, ModelBroken)
    assert "hanging made no step for 0.5 s" in last.error.message
    await asyncio.wait_for(broken.wait(), 1)
    assert readiness(service)[0] == "broken"
    with pytest.raises(Draining):
        submit(service)
    Hanging.released.set()
    await service.close()


async def test_who_watches_the_jobs_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "WATCH_TICK_SECONDS", 0.01)
    service = await make_service()
    job = submit(service, "step 0.02", 5)
    await outcome(job)
    service.end(job)
    ended = weakref.ref(job)
    del job

    def is_gone() -> bool:
        gc.collect()
        return ended() is None

    await until(is_gone)
    await service.close()


async def test_a_lost_device_ends_every_stream() -> None:
    service = await make_service(max_batch=2)
    other = submit(service, "step 0.1", 60)
    await asyncio.sleep(0.05)
    assert isinstance((await outcome(submit(service, "broken"))), Failed)
    last = await outcome(other)
    assert isinstance(last, Failed)
    assert last.error.code == "model_broken"
    await service.close()


async def test_an_unavailable_model_is_refused_before_anything_starts(
    service: GenerationService,
) -> None:
    with pytest.raises(Unavailable, match="fetch-weights NAME"):
        submit(service, model="missing")


async def test_a_load_that_failed_is_tried_again_but_not_at_once(
    service: GenerationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LateWeights, "num_loads", 0)
    entry = service.registry.entry("late-weights")
    service.load(entry)
    await service.loader.settled(entry)
    for _ in range(3):
        with pytest.raises(Unavailable, match="Run: fetch-weights NAME"):
            submit(service, model="late-weights")
    assert LateWeights.num_loads == 1
    monkeypatch.setattr(LateWeights, "fetched", True)
    monkeypatch.setattr(loading, "FAILURE_STANDS_SECONDS", 0.0)
    with pytest.raises(Loading):
        submit(service, model="late-weights")
    await until(lambda: entry.phase is Phase.READY)
    assert isinstance(await outcome(submit(service, model="late-weights")), Completed)
    assert entry.failure is None
    assert LateWeights.num_loads == 2


async def test_nothing_is_left_behind(service: GenerationService) -> None:
    for end_early in (True, False) * 20:
        job = submit(service)
        if not end_early:
            await outcome(job)
        service.end(job)
        await asyncio.wait_for(service._idle.wait(), 5)
    assert not service._jobs
    assert service._idle.is_set()
    assert service.room(service.registry.entry("ticking")).used == NO_RESOURCES
