"""What listeners of a stored job are told: live, after an interruption, and long after its end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from anyio import to_thread

from server.errors import BadRequest
from server.events import Event, Outcome, Queued
from server.service.generation import GenerationService, Standing
from server.service.stored_runs import Run, StoredRuns
from server.stores.event_file import read_events
from server.stores.job_store import JobStore
from server.stores.output_store import OutputStore
from server.stores.stored_job import StoredJob

#: How soon a listener of a waiting job notices that the server stops.
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class EventId:
    """The `sequence`th event, from 1 on, of the `attempt`th time that the job was begun."""

    attempt: int
    sequence: int

    @classmethod
    def parse(cls, text: str) -> EventId:
        """From its form on the wire, 2-17. Raises `BadRequest`."""
        found = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", text)
        if found is None:
            raise BadRequest.value("Last-Event-ID", "an id of this stream, such as 1-17", text)
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.attempt}-{self.sequence}"


@dataclass(frozen=True)
class Restarted:
    """The job is made anew: whatever was heard of it before is void."""


@dataclass(frozen=True)
class Ended:
    """The last word: how the job ended is stored, and its files are there."""

    job: StoredJob


Told: TypeAlias = Event | Restarted | Ended


@dataclass(frozen=True)
class Numbered:
    """Something to tell. Places in the queue have no id: they need not be told again."""

    id: EventId | None
    event: Told


class StoredEvents:
    """Reads the events of stored jobs, wherever they are by now."""

    def __init__(
        self,
        service: GenerationService,
        runs: StoredRuns,
        jobs: JobStore,
        outputs: OutputStore,
    ) -> None:
        self._service = service
        self._runs = runs
        self._jobs = jobs
        self._outputs = outputs

    async def read(self, stored: StoredJob, after: EventId | None) -> AsyncIterator[Numbered]:
        """Everything after the event `after`, to the end; it stops earlier if the server does.

        Whoever comes back after the job was begun anew is told `Restarted`, then all of it.
        """
        current: StoredJob | None = stored
        while current is not None and not current.finished:
            moved, run = self._runs.moved.next(), self._runs.get(stored.id)
            if run is None:
                yield Numbered(None, Queued(await self.position(current)))
                if not await self._moves_on(moved):
                    return
            else:
                async for numbered in _live(run, after):
                    yield numbered
                    after = numbered.id or after
                await run.concluded.wait()
            current = await self._jobs.get(stored.id)
            if run is not None and current is not None and not current.finished:
                return  # to be begun anew, by the server's next process
        if current is not None:
            async for numbered in self._finished(current, after):
                yield numbered

    async def _moves_on(self, moved: asyncio.Event) -> bool:
        """Wait until the queue moves; False if it will not, because the server stops."""
        while not moved.is_set() and self._service.standing is Standing.SERVING:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(moved.wait(), LOOK_SECONDS)
        return moved.is_set()

    async def position(self, stored: StoredJob) -> int:
        """1 is next."""
        return 1 + await self._jobs.num_queued(stored.model, stored.number)

    async def _finished(self, stored: StoredJob, after: EventId | None) -> AsyncIterator[Numbered]:
        if _is_of_another_attempt(after, stored.attempt):
            yield _restarted(stored.attempt)
            after = None
        folder = self._outputs.outputs(stored.id)
        told = read_events(folder, after.sequence if after else 0)
        while (found := await to_thread.run_sync(next, told, None)) is not None:
            position, event = found
            yield Numbered(EventId(stored.attempt, position + 1), event)
        yield Numbered(last_id(stored), Ended(stored))


def last_id(stored: StoredJob) -> EventId:
    """The id of a finished job's last word."""
    return EventId(stored.attempt, stored.num_events)


async def _live(run: Run, after: EventId | None) -> AsyncIterator[Numbered]:
    if _is_of_another_attempt(after, run.attempt):
        yield _restarted(run.attempt)
        after = None
    position = after.sequence if after else 0
    async for event in run.job.log.read(position):
        position += 1
        if isinstance(event, Queued):
            yield Numbered(None, event)
        elif not isinstance(event, Outcome):  # which is told once it is stored
            await run.under_way.wait()  # or a crash now would make this id belong to two attempts
            yield Numbered(EventId(run.attempt, position), event)


def _is_of_another_attempt(id: EventId | None, attempt: int) -> bool:
    return id is not None and id.attempt != attempt


def _restarted(attempt: int) -> Numbered:
    return Numbered(EventId(attempt, 0), Restarted())
