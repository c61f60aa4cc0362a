"""Who stays in memory, who goes, and what does not fit."""

from __future__ import annotations

import threading

import pytest

from server.errors import MemoryShort
from server.events import Failed
from server.models.memory import DeviceMemory
from server.models.registry import Phase
from server.service.generation import GenerationService
from tests.fakes import GIGABYTE, Heavy
from tests.service.loading.models import finish, load, loaded, submit, unload
from tests.service.test_service import make_service, outcome, until


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
