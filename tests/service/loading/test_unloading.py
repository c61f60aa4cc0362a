"""Models that go, at once or when they are done."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from server.errors import ModelBusy, Unloading
from server.events import Queued
from server.models.base import NO_RESOURCES
from server.models.registry import Phase
from server.service.generation import GenerationService
from tests.fakes import Heavy, Ticking
from tests.service.loading.models import finish, load, loaded, submit, unload


class TestUnloading:
    async def test_it_lets_go_of_model_threads_and_memory(self, service: GenerationService) -> None:
        await load(service, "heavy-4")
        await finish(service, submit(service, "heavy-4"))
        model = weakref.ref(service.registry.entry("heavy-4").model)
        entry = await unload(service, "heavy-4")
        assert (entry.phase, entry.memory_bytes) == (Phase.UNLOADED, 0)
        assert entry.capacity == NO_RESOURCES
        assert not [t for t in threading.enumerate() if t.name.startswith("heavy-4")]
        gc.collect()
        assert model() is None
        await finish(service, submit(service, "heavy-4"))

    async def test_while_it_works_it_says_how_many_run_and_wait(
        self, service: GenerationService
    ) -> None:
        await load(service, "heavy-4")
        jobs = [submit(service, "heavy-4", "step 0.02", 5) for _ in range(3)]
        with pytest.raises(ModelBusy, match=r"busy: 1 running, 2 waiting.*\?drain=true"):
            service.loader.unload(service.registry.entry("heavy-4"), drain=False)
        await finish(service, *jobs)

    async def test_draining_serves_whom_it_has_accepted_and_nobody_else(
        self, service: GenerationService
    ) -> None:
        await load(service, "heavy-4")
        jobs = [submit(service, "heavy-4", "step 0.02", 5) for _ in range(3)]
        entry = service.registry.entry("heavy-4")
        service.loader.unload(entry, drain=True)
        with pytest.raises(Unloading) as refused:
            submit(service, "heavy-4")
        assert refused.value.retry_after_seconds
        assert entry.phase is Phase.UNLOADING
        await finish(service, *jobs)
        await service.loader.settled(entry)
        assert (entry.phase, Heavy.held) == (Phase.UNLOADED, {})
        await finish(service, submit(service, "heavy-4"))

    async def test_who_leaves_while_it_drains_ends_the_drain(
        self, service: GenerationService
    ) -> None:
        await load(service, "heavy-4")
        job = submit(service, "heavy-4", "step 0.02", 60)
        service.loader.unload(service.registry.entry("heavy-4"), drain=True)
        service.end(job)
        await asyncio.wait_for(service.loader.settled(service.registry.entry("heavy-4")), 5)
        assert not Heavy.held

    async def test_what_is_on_its_way_out_anyway_makes_room(
        self, service: GenerationService
    ) -> None:
        await load(service, "heavy-3", "heavy-5")
        job = submit(service, "heavy-5", "step 0.02", 10)
        service.loader.unload(service.registry.entry("heavy-5"), drain=True)
        newcomer = submit(service, "heavy-4")
        await finish(service, job, newcomer)
        assert loaded(service) == ["heavy-3", "heavy-4"]
        waited = [event async for event in newcomer.log.read() if isinstance(event, Queued)]
        assert waited[0].activity == "waiting for memory"

    async def test_while_it_loads_it_cannot_be_unloaded(self, service: GenerationService) -> None:
        job = submit(service, "heavy-3")
        with pytest.raises(ModelBusy, match="not ready yet"):
            service.loader.unload(service.registry.entry("heavy-3"), drain=True)
        await finish(service, job)

    async def test_what_is_not_loaded_stays_so(self, service: GenerationService) -> None:
        assert (await unload(service, "heavy-3")).phase is Phase.UNLOADED

    async def test_a_close_that_fails_unloads_all_the_same(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(model: Ticking) -> None:
            raise OSError("stuck")

        with monkeypatch.context() as patch:
            patch.setattr(Ticking, "close", fail)
            assert (await unload(service, "ticking")).phase is Phase.UNLOADED
