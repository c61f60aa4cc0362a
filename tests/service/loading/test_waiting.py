"""Who waits while a model is loaded."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from server.errors import Draining, Loading
from server.events import Failed, Queued
from server.models.registry import Phase
from server.service.generation import GenerationService
from tests.fakes import Heavy
from tests.service.loading.models import finish, submit, unload
from tests.service.test_service import outcome, until


class TestWaiting:
    async def test_who_waits_for_a_load_is_told_what_it_does(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Heavy, "load_seconds", 0.4)
        jobs = [submit(service, "heavy-3") for _ in range(2)]
        await finish(service, *jobs)
        for position, job in enumerate(jobs, 1):
            events = [event async for event in job.log.read()]
            assert events[0] == Queued(position, None, "reading weights")

    async def test_without_a_place_the_load_begins_all_the_same(
        self, service: GenerationService
    ) -> None:
        with pytest.raises(Loading, match=r"heavy-3 is not ready yet \(loading\)") as refused:
            submit(service, "heavy-3", places=0)
        assert refused.value.retry_after_seconds
        await service.loader.settled(service.registry.entry("heavy-3"))
        await finish(service, submit(service, "heavy-3", places=0))

    async def test_who_leaves_leaves_nothing_behind_and_the_load_goes_on(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate = threading.Event()
        monkeypatch.setattr(Heavy, "gate", gate)
        job = submit(service, "heavy-3")
        await asyncio.sleep(0)
        service.end(job)
        await until(lambda: not service._pumps)
        entry = service.registry.entry("heavy-3")
        assert (service.room(entry).num_waiting, entry.phase) == (0, Phase.LOADING)
        gate.set()
        await service.loader.settled(entry)
        assert entry.phase is Phase.READY

    async def test_a_load_that_fails_tells_everyone_who_waits(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Heavy, "load_seconds", 0.1)
        monkeypatch.setattr(Heavy, "fails", True)
        jobs = [submit(service, "heavy-3") for _ in range(3)]
        for job in jobs:
            last = await outcome(job)
            assert isinstance(last, Failed)
            assert "fetch-weights NAME" in last.error.message
            service.end(job)
        await until(lambda: not service._pumps)
        entry = service.registry.entry("heavy-3")
        assert (entry.phase, entry.memory_bytes, Heavy.held) == (Phase.FAILED, 0, {})
        assert service.room(entry).num_waiting == 0

    async def test_unloading_what_failed_lets_it_be_tried_at_once(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Heavy, "fails", True)
            await outcome(submit(service, "heavy-3"))
        await unload(service, "heavy-3")
        await finish(service, submit(service, "heavy-3"))

    async def test_a_failure_keeps_nothing_of_the_model(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = weakref.ref(service.registry.entry("heavy-3").model)
        monkeypatch.setattr(Heavy, "fails", True)
        job = submit(service, "heavy-3")
        await outcome(job)
        await until(lambda: not service._pumps)
        gc.collect()
        assert model() is None


async def test_while_the_server_stops_nothing_is_loaded(service: GenerationService) -> None:
    await service.drain(1)
    with pytest.raises(Draining):
        service.load(service.registry.entry("heavy-3"))


async def test_what_a_model_is_may_change_when_it_is_loaded(service: GenerationService) -> None:
    """A folder's channels are known only then."""
    job = submit(service, "surprise")
    await finish(service, job)
    assert job.info.channels == 1
