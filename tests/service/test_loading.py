"""Models come and go: memory, unloading, failures, and who waits meanwhile."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator

import pytest

from server.errors import Draining, Loading, MemoryShort, ModelBusy, Unloading
from server.events import Completed, Failed, Queued
from server.generation import GenerationRequest
from server.models.base import NO_RESOURCES
from server.models.memory import DeviceMemory
from server.models.registry import Entry, Phase
from server.service import generation, loading
from server.service.generation import GenerationService
from server.service.jobs import Job
from server.service.readiness import readiness
from tests.fakes import GIGABYTE, Heavy, Ticking
from tests.service.test_service import make_service, outcome, until


@pytest.fixture
async def service() -> AsyncIterator[GenerationService]:
    """Models may hold 8 GB together; `ticking`, the default, holds none."""
    Heavy.forget()
    service = await make_service(model_memory_budget="8GB")
    yield service
    await service.close()
    assert not Heavy.held
    assert not Heavy.faults
    assert Heavy.most_held_bytes <= 8 * GIGABYTE


def submit(
    service: GenerationService, model: str, prompt: str = "x", seconds: int = 1, places: int = 5
) -> Job:
    request = GenerationRequest(prompt, model=model, duration_seconds=seconds)
    return service.submit(request, "test", places)


async def load(service: GenerationService, *names: str) -> None:
    """One after the other, so that the first is the one that was not used for longest."""
    for name in names:
        entry = service.registry.entry(name)
        service.load(entry)
        await service.loader.settled(entry)
        assert entry.phase is Phase.READY


async def unload(service: GenerationService, name: str, drain: bool = False) -> Entry:
    entry = service.registry.entry(name)
    service.loader.unload(entry, drain)
    await asyncio.wait_for(service.loader.settled(entry), 10)
    return entry


async def finish(service: GenerationService, *jobs: Job) -> None:
    """Wait until they have completed and nothing is left of them."""
    for job in jobs:
        assert isinstance(await outcome(job), Completed)
        service.end(job)
    await until(lambda: not set(jobs) & set(service._pumps))


def loaded(service: GenerationService) -> list[str]:
    return [entry.name for entry in service.registry.entries if entry.name in Heavy.held]


class TestMemory:
    async def test_what_fits_stays(self, service: GenerationService) -> None:
        await load(service, "heavy-3", "heavy-5")
        assert loaded(service) == ["heavy-3", "heavy-5"]

    async def test_what_was_not_used_for_longest_goes(self, service: GenerationService) -> None:
        await load(service, "heavy-3", "heavy-4")
        await finish(service, submit(service, "heavy-3"))
        await load(service, "heavy-5")
        assert loaded(service) == ["heavy-3", "heavy-5"]

    async def test_as_many_go_as_must(self, service: GenerationService) -> None:
        await load(service, "heavy-3", "heavy-5", "heavy-4")
        assert loaded(service) == ["heavy-4"]

    async def test_what_holds_no_memory_is_left_alone(self, service: GenerationService) -> None:
        await load(service, "heavy-5", "heavy-4")
        assert service.registry.entry("ticking").phase is Phase.READY

    async def test_what_works_is_not_unloaded_and_the_error_says_so(
        self, service: GenerationService
    ) -> None:
        await load(service, "heavy-3", "heavy-4")
        running, waiting = (submit(service, "heavy-4", "step 0.1", 20) for _ in range(2))
        with pytest.raises(MemoryShort) as refused:
            submit(service, "heavy-5")
        said = refused.value.message
        assert "heavy-5 needs 5.0 GB of memory, and models may hold 8.0 GB together" in said
        assert "heavy-3 (3.0 GB, idle), heavy-4 (4.0 GB, busy: 1 running, 1 waiting)" in said
        assert "raise MODEL_MEMORY_BUDGET" in said
        assert refused.value.retry_after_seconds is not None
        assert loaded(service) == ["heavy-3", "heavy-4"]
        service.end(running)
        service.end(waiting)
        await until(lambda: not service._pumps)
        await finish(service, submit(service, "heavy-5"))

    async def test_what_can_never_fit_is_refused_for_good(self) -> None:
        service = await make_service(model_memory_budget="4500MB")
        with pytest.raises(MemoryShort, match=r"needs 5\.0 GB.* may hold 4\.5 GB") as refused:
            submit(service, "heavy-5")
        assert refused.value.retry_after_seconds is None
        assert "choose a smaller model" in refused.value.message
        assert service.registry.entry("heavy-5").phase is Phase.UNLOADED
        await service.close()

    async def test_two_loads_at_once_do_not_both_take_the_rest(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Heavy, "load_seconds", 0.2)
        first = submit(service, "heavy-4")
        with pytest.raises(MemoryShort, match=r"heavy-4 \(4\.0 GB, loading\)"):
            submit(service, "heavy-5")
        second = submit(service, "heavy-3")
        await finish(service, first, second)
        assert loaded(service) == ["heavy-3", "heavy-4"]

    async def test_one_that_takes_more_than_believed_makes_others_go(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await load(service, "heavy-4")
        monkeypatch.setattr(Heavy, "found_gigabytes", 5)
        await load(service, "heavy-3")
        assert loaded(service) == ["heavy-3"]
        assert service.registry.entry("heavy-3").memory_bytes == 5 * GIGABYTE

    async def test_one_that_takes_more_than_there_is_goes_itself(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Heavy, "found_gigabytes", 9)
        last = await outcome(submit(service, "heavy-3"))
        assert isinstance(last, Failed)
        assert "heavy-3 needs 9.0 GB" in last.error.message
        assert loaded(service) == []
        with pytest.raises(MemoryShort, match=r"needs 9\.0 GB"):  # known now, without a load
            submit(service, "heavy-3")

    async def test_what_is_left_goes_to_whom_wants_it_but_nobody_leaves_for_that(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await load(service, "heavy-4")
        monkeypatch.setattr(Heavy, "wanted_gigabytes", 6)
        await load(service, "heavy-3")
        assert Heavy.held == {"heavy-3": 4 * GIGABYTE, "heavy-4": 4 * GIGABYTE}
        await unload(service, "heavy-3")
        await unload(service, "heavy-4")
        await load(service, "heavy-3")
        assert Heavy.held == {"heavy-3": 6 * GIGABYTE}
        assert service.registry.entry("heavy-3").memory_bytes == 6 * GIGABYTE

    async def test_without_a_budget_it_is_what_is_free(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("server.models.memory.free_bytes", lambda: 4 * GIGABYTE)
        service = await make_service(device="cpu")
        await load(service, "heavy-3")
        submit(service, "heavy-3", "step 0.1", 20)
        with pytest.raises(MemoryShort, match=r"may hold 7\.0 GB together; held by") as refused:
            submit(service, "heavy-5")
        assert "free some on this machine" in refused.value.message
        await service.close()

    async def test_a_device_that_must_be_asked_is_asked_before_the_first_load(
        self, service: GenerationService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        memory = Asked()
        monkeypatch.setattr(service.loader, "_memory", memory)
        assert service.loader.limit_bytes is None
        refused = submit(service, "heavy-5")
        assert isinstance(await outcome(refused), Failed)
        await finish(service, submit(service, "heavy-4"))
        assert memory.asked_on == [memory.asked_on[0]]
        assert memory.asked_on[0] is not threading.main_thread()


class Asked(DeviceMemory):
    """A device that can only be asked on a thread, since it takes its time."""

    def __init__(self) -> None:
        super().__init__("cpu", None)
        self.known = False
        self.asked_on: list[threading.Thread] = []

    def learn(self) -> None:
        self.asked_on.append(threading.current_thread())
        self.known = True

    def limit_bytes(self, held_bytes: int) -> int:
        assert self.known
        return 4 * GIGABYTE


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


class TestReadiness:
    async def test_a_default_model_that_made_room_is_as_good_as_ready(self) -> None:
        """Or a load balancer would send nobody who could make it load again."""
        service = await make_service(model_memory_budget="8GB", music_model_name="heavy-5")
        assert readiness(service)[0] == "ready"
        await load(service, "heavy-4")
        assert readiness(service) == (
            "ready",
            "heavy-5 is not loaded; a request for it loads it",
        )
        await service.close()

    async def test_a_default_model_that_does_not_fit_fails(self) -> None:
        service = await make_service(model_memory_budget="4GB", music_model_name="heavy-5")
        status, message = readiness(service)
        assert status == "failed"
        assert "heavy-5 needs 5.0 GB" in message
        await service.close()

    async def test_a_default_model_that_failed_is_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(generation, "WATCH_TICK_SECONDS", 0.02)
        monkeypatch.setattr(generation, "DEFAULT_RETRY_SECONDS", 0.1)
        monkeypatch.setattr(loading, "FAILURE_STANDS_SECONDS", 0.0)
        with monkeypatch.context() as patch:
            patch.setattr(Heavy, "fails", True)
            service = await make_service(music_model_name="heavy-5", model_memory_budget="8GB")
            assert readiness(service)[0] == "failed"
        await until(lambda: readiness(service)[0] == "ready")
        await service.close()

    async def test_a_default_model_on_its_way_out(self) -> None:
        service = await make_service(model_memory_budget="8GB", music_model_name="heavy-5")
        job = submit(service, "heavy-5", "step 0.02", 5)
        service.loader.unload(service.registry.entry("heavy-5"), drain=True)
        assert readiness(service)[0] == "unloading"
        await finish(service, job)
        await service.close()


async def test_while_the_server_stops_nothing_is_loaded(service: GenerationService) -> None:
    await service.drain(1)
    with pytest.raises(Draining):
        service.load(service.registry.entry("heavy-3"))


async def test_what_a_model_is_may_change_when_it_is_loaded(service: GenerationService) -> None:
    """A folder's channels are known only then."""
    job = submit(service, "surprise")
    await finish(service, job)
    assert job.info.channels == 1
