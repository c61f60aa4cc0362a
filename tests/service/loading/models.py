"""Models with memory, loaded, used and unloaded."""

from __future__ import annotations

import asyncio

from server.events import Completed
from server.generation import GenerationRequest
from server.models.registry import Entry, Phase
from server.service.generation import GenerationService
from server.service.jobs import Job
from tests.fakes import Heavy
from tests.service.test_service import outcome, until


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
