"""Stored jobs over the fake models, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from server.app import create_service, create_stored_jobs
from server.audio.waveform import to_pcm16
from server.events import AudioChunk
from server.generation import GenerationRequest
from server.service.generation import GenerationService
from server.service.stored_events import EventId, Numbered
from server.service.stored_jobs import StoredJobs
from server.service.stored_runs import Run
from server.settings import Settings
from server.stores.stored_job import StoredJob
from tests.fakes import tone
from tests.live import FAKES


class Box:
    """A server's service and its stored jobs, in one folder."""

    def __init__(self, folder: Path, **settings: object) -> None:
        known = {"music_model_name": "ticking", "extra_models": FAKES, "output_dir": folder}
        self.settings = Settings.model_validate({**known, **settings})
        self.service: GenerationService = create_service(self.settings)
        self.jobs: StoredJobs = create_stored_jobs(self.settings, self.service)
        self.folder = folder

    async def submit(self, prompt: str = "x", seconds: int = 2, **fields: object) -> StoredJob:
        request = GenerationRequest(prompt, duration_seconds=seconds, **fields)  # type: ignore[arg-type]
        (stored,) = await self.jobs.submit([request], "test")
        return stored

    async def ended(self, stored: StoredJob) -> StoredJob:
        """The job, once it has ended."""
        return await self.when(stored, lambda job: job.finished)

    async def when(self, stored: StoredJob, holds: Callable[[StoredJob], bool]) -> StoredJob:
        async def look() -> StoredJob:
            while not holds(job := await self.jobs.get(stored.id)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            return job

        return await asyncio.wait_for(look(), 20)

    async def attempt_at(self, stored: StoredJob) -> Run:
        """The attempt at a job, once there is one."""

        async def look() -> Run:
            while (run := self.jobs._runs.get(stored.id)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            return run

        return await asyncio.wait_for(look(), 20)

    async def nothing_runs(self) -> None:
        """Wait until every run has been let go."""

        async def look() -> None:
            while self.jobs._runs._runs:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

        await asyncio.wait_for(look(), 20)


@asynccontextmanager
async def opened(folder: Path, **settings: object) -> AsyncIterator[Box]:
    """A box that runs, until it is closed as a process is that ends in order."""
    box = Box(folder, **settings)
    box.service.start()
    await box.jobs.start()
    try:
        yield box
    finally:
        await box.jobs.close()
        await box.service.close()


async def heard(box: Box, stored: StoredJob, after: EventId | None = None) -> list[Numbered]:
    async def listen() -> list[Numbered]:
        return [numbered async for numbered in box.jobs.events(stored, after)]

    return await asyncio.wait_for(listen(), 20)


def pcm(events: list[Numbered]) -> bytes:
    chunks = [n.event for n in events if isinstance(n.event, AudioChunk)]
    return b"".join(to_pcm16(chunk.samples).tobytes() for chunk in chunks)


def expected_pcm(seed: int, seconds: int) -> bytes:
    return b"".join(to_pcm16(tone(seed, second)).tobytes() for second in range(seconds))
