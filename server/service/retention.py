"""How long stored jobs are kept, and what removes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from anyio import to_thread
from loguru import logger

from server.errors import StoreUnreachable
from server.metrics import Metrics
from server.stores.job_store import JobStore
from server.stores.output_store import OutputStore

SWEEP_SECONDS = 60.0
#: Jobs that are looked at together when the folder is too large.
BATCH = 100
WEEK_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Retention:
    """Files are kept for the `seconds` of their job's dialect after its end, as long as all files
    together have at most `max_bytes`."""

    by_dialect: Mapping[str, float] = field(default_factory=dict)
    max_bytes: int | None = None

    def seconds(self, dialect: str) -> float:
        return self.by_dialect.get(dialect, WEEK_SECONDS)

    @property
    def longest_seconds(self) -> float:
        return max([WEEK_SECONDS, *self.by_dialect.values()])


class Sweeper:
    """Removes files whose time is over, then ids that have been told to be expired as long."""

    def __init__(
        self, jobs: JobStore, outputs: OutputStore, retention: Retention, metrics: Metrics
    ) -> None:
        self._jobs = jobs
        self._outputs = outputs
        self._retention = retention
        self._metrics = metrics

    async def run(self) -> None:
        """Sweep now and every minute."""
        while True:
            try:
                await self.sweep()
            except (StoreUnreachable, OSError) as error:
                logger.error("Expired files were not removed: {}", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        now = time.time()
        for job in await self._jobs.due(now):
            await self._expire(job.id)
        await self._jobs.forget(now)
        await self._remove_strays(now)
        await self._shrink()

    async def _expire(self, id: str) -> None:
        """The row first: files that nobody vouches for are swept up as strays, at the latest."""
        await self._jobs.expire(id)
        await to_thread.run_sync(self._outputs.remove, id)

    async def _remove_strays(self, now: float) -> None:
        """Folders of no job, left by a crash. Young ones stay: is it the right database?"""
        before = now - self._retention.longest_seconds
        old = await to_thread.run_sync(self._outputs.older_than, before)
        known = await self._jobs.with_files(old)
        for id in set(old) - known:
            await to_thread.run_sync(self._outputs.remove, id)

    async def _shrink(self) -> None:
        """Remove the files of the oldest jobs while all together are too large."""
        sizes = await to_thread.run_sync(self._outputs.sizes)
        total, limit = sum(sizes.values()), self._retention.max_bytes
        while limit is not None and total > limit and (oldest := await self._jobs.kept(BATCH)):
            for job in oldest:
                if total > limit:
                    logger.info("Job {} expires early: over {} bytes of output", job.id, limit)
                    await self._expire(job.id)
                    total -= sizes.get(job.id, 0)
        self._metrics.output_bytes.set(total)
