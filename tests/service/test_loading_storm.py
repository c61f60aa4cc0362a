"""Clients and operators at once, at random; models that want more memory than there is."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from server.errors import ContinuoError
from server.events import Cancelled, Completed, Failed
from server.generation import GenerationRequest
from server.models.base import NO_RESOURCES
from server.models.registry import Phase
from server.service import loading
from server.service.generation import GenerationService
from server.service.jobs import Job
from tests.fakes import GIGABYTE, Heavy
from tests.service.test_service import make_service, outcome
from tests.soak import SOAK

STORM_SECONDS = 120.0 if SOAK else 4.0
NUM_CLIENTS = 12
MODELS = ("heavy-3", "heavy-4", "heavy-5")
#: A job may wait for two loads and some songs of others, on a machine that is busy with all else.
LONGEST_WAIT_SECONDS = 30.0


class Storm:
    """Does as chance has it, and counts what came of it."""

    def __init__(self, service: GenerationService, seed: int) -> None:
        self.service = service
        self.seen: dict[str, int] = {}
        self._chance = random.Random(seed)

    async def client(self, until_time: float) -> None:
        while time.monotonic() < until_time:
            act = self._chance.choice([self._listen] * 5 + [self._leave] * 3 + [self._operate] * 2)
            try:
                word = await act()
            except ContinuoError as error:
                word = error.code
            self.seen[word] = self.seen.get(word, 0) + 1
            await asyncio.sleep(self._chance.choice([0, 0.001, 0.02]))

    async def _listen(self) -> str:
        job = self._submit()
        last = await asyncio.wait_for(outcome(job), LONGEST_WAIT_SECONDS)
        self.service.end(job)
        assert isinstance(last, Completed | Failed)
        return job.state.value

    async def _leave(self) -> str:
        job = self._submit()
        await asyncio.sleep(self._chance.choice([0, 0, 0.005, 0.05]))
        self.service.end(job)
        last = await asyncio.wait_for(outcome(job), LONGEST_WAIT_SECONDS)
        assert isinstance(last, Completed | Failed | Cancelled)
        return "left"

    async def _operate(self) -> str:
        entry = self.service.registry.entry(self._chance.choice(MODELS))
        Heavy.fails = self._chance.random() < 0.1
        Heavy.load_seconds = self._chance.choice([0, 0.005, 0.03])
        if self._chance.random() < 0.5:
            self.service.load(entry)
            return "asked to load"
        self.service.loader.unload(entry, drain=self._chance.random() < 0.5)
        return "asked to unload"

    def _submit(self) -> Job:
        prompt = f"step {self._chance.choice([0, 0.002, 0.01])}"
        seconds, model = self._chance.choice([1, 2, 5]), self._chance.choice(MODELS)
        request = GenerationRequest(prompt, model=model, duration_seconds=seconds)
        return self.service.submit(request, "storm", self._chance.choice([0, 2, 20]))


@pytest.mark.timeout(STORM_SECONDS + 90)
async def test_models_come_and_go_in_a_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "FAILURE_STANDS_SECONDS", 0.02)
    monkeypatch.setattr(Heavy, "fails", False)
    monkeypatch.setattr(Heavy, "load_seconds", 0.0)
    Heavy.forget()
    service = await make_service(model_memory_budget="8GB", max_batch=2)
    storm = Storm(service, seed=5)
    until_time = time.monotonic() + STORM_SECONDS
    await asyncio.gather(*(storm.client(until_time) for _ in range(NUM_CLIENTS)))
    await assert_nothing_is_left(service)
    assert not Heavy.faults
    assert 0 < Heavy.most_held_bytes <= 8 * GIGABYTE
    expected = {"completed", "failed", "left", "loading", "memory_short", "unloading", "model_busy"}
    assert expected <= set(storm.seen), storm.seen
    await service.close()


async def assert_nothing_is_left(service: GenerationService) -> None:
    Heavy.fails = False
    for name in MODELS:
        entry = service.registry.entry(name)
        await asyncio.wait_for(service.loader.settled(entry), LONGEST_WAIT_SECONDS)
        service.loader.unload(entry, drain=True)
        await asyncio.wait_for(service.loader.settled(entry), LONGEST_WAIT_SECONDS)
        room = service.room(entry)
        assert (entry.phase, entry.memory_bytes) == (Phase.UNLOADED, 0)
        assert (room.num_running, room.num_waiting, room.used) == (0, 0, NO_RESOURCES)
    assert not Heavy.held
    assert not service._pumps
    assert not service._jobs
    assert not service.loader._tasks
