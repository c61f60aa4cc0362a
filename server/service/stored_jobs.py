"""Jobs that outlive the process: stored before they are answered for, run in turn, kept when done.

The owner "store" of the dialects that answer with an id. Whatever happens to the process, each job
ends exactly once, and a job that was interrupted is begun anew with the same seed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from loguru import logger

from server.audio.formats import FORMATS
from server.errors import BadRequest, Gone, KeyReused, NotFound, NotReady, QueueFull, TooLarge, echo
from server.events import State
from server.generation import GenerationRequest
from server.logs import request_id
from server.service.generation import GenerationService
from server.service.jobs import new_id
from server.service.keeping import convert
from server.service.retention import Retention, Sweeper
from server.service.stored_events import EventId, Numbered, StoredEvents
from server.service.stored_runs import StoredRuns, completed
from server.stores.event_file import stem_name, summarize, take_name
from server.stores.input_files import recordings_of, write_inputs
from server.stores.job_store import JobStore
from server.stores.lock import UnusableStore
from server.stores.output_store import OutputStore
from server.stores.stored_job import Ending, IdempotencyKey, NewJob, StoredJob

BY_CALLER = "cancelled by a caller"
#: Files converted at once; more would only take turns on the cores.
NUM_CONVERSIONS = 2


class StoredJobs:
    """What the job dialects may do: submit, look, listen, take the sound, cancel, delete."""

    def __init__(
        self,
        service: GenerationService,
        jobs: JobStore,
        outputs: OutputStore,
        queue_places: int,
        retention: Retention,
    ) -> None:
        self._service = service
        self._jobs = jobs
        self._outputs = outputs
        self._queue_places = queue_places
        self._retention = retention
        self._runs = StoredRuns(service, jobs, outputs, retention)
        self._events = StoredEvents(service, self._runs, jobs, outputs)
        self._sweeper = Sweeper(jobs, outputs, retention, service.metrics)
        self._sweeping: asyncio.Task[None] | None = None
        self._submitting = asyncio.Lock()
        self._conversions = CapacityLimiter(NUM_CONVERSIONS)
        self._converting: dict[Path, asyncio.Task[Path]] = {}

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Take both stores for this server. Raises `UnusableStore`."""
        await to_thread.run_sync(self._outputs.open)
        try:
            await self._jobs.open()
        except UnusableStore:
            self._outputs.close()
            raise

    async def start(self) -> None:
        """Open the stores, mend what a crash left, and begin to run. Raises `UnusableStore`."""
        await self.open()
        for id in await self._jobs.cancelled():  # some as their files were being written
            await to_thread.run_sync(self._outputs.remove, id)
        for stored in await self._jobs.running():
            await self._mend(stored)
        for model in await self._jobs.waited_for():
            self._runs.wake(model)
        self._sweeping = asyncio.create_task(self._sweeper.run())

    async def close(self) -> None:
        """Stop; what has not ended is begun anew by the next process."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        await self._runs.close()
        await self._jobs.close()
        self._outputs.close()

    async def _mend(self, stored: StoredJob) -> None:
        """A job that the last process left in the middle."""
        names = await to_thread.run_sync(self._outputs.names, stored.id)
        folder = self._outputs.outputs(stored.id)
        found = await to_thread.run_sync(summarize, folder) if names else None
        if found is None or not found.is_completed:
            await self._jobs.requeue(stored.id)
            logger.info("Job {} was interrupted and waits to be begun anew", stored.id)
            return
        ending = completed(names, found.num_events, found.warnings)
        await self._jobs.finish(stored.id, ending, self._retention.seconds(stored.dialect))
        logger.info("Job {} was finished before the last process ended", stored.id)

    # ── coming ───────────────────────────────────────────────────────────────────────────────

    async def submit(
        self,
        requests: Sequence[GenerationRequest],
        dialect: str,
        key: IdempotencyKey | None = None,
    ) -> list[StoredJob]:
        """Store a job for each request, all of them or none; they run in this order.

        With a `key` that was used before: the jobs of that time. Raises `BadRequest` and `Refused`
        as `GenerationService.resolve` does, `QueueFull`, and `KeyReused`.
        """
        async with self._submitting:
            if key is not None and (known := await self._jobs.of_key(key.name)) is not None:
                return _same(key, *known)
            new = [self._new(request, dialect) for request in requests]
            await self._check_places(new)
            for job in new:
                await self._keep_inputs(job)
            stored = await self._jobs.add(new, key)
        for model in {job.request.model for job in new}:
            self._runs.wake(model)
        return stored

    def _new(self, request: GenerationRequest, dialect: str) -> NewJob:
        entry, resolved = self._service.resolve(request)
        entry.model.cost(resolved)  # what can never fit is said now
        info = entry.model.info
        name = request_id.get()
        return NewJob(new_id(), dialect, resolved, name, info.sample_rate, info.channels)

    async def _keep_inputs(self, job: NewJob) -> None:
        if recordings := recordings_of(job.request):
            fill = partial(write_inputs, recordings=recordings)
            await to_thread.run_sync(self._outputs.keep_inputs, job.id, fill)

    async def _check_places(self, new: Sequence[NewJob]) -> None:
        for model, num in Counter(job.request.model for job in new).items():
            waiting = await self._runs.count_waiting(model)
            if num > self._queue_places:
                raise TooLarge(None, f"{num} jobs at once are more than QUEUE_PLACES allows")
            if waiting + num > self._queue_places:
                raise QueueFull(
                    f"{waiting} jobs wait for {model}, and at most {self._queue_places} may; "
                    "try again after the time in Retry-After",
                    self._runs.retry_after_seconds(model),
                )

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    async def get(self, id: str) -> StoredJob:
        """The job, with its progress of now. Raises `NotFound`, or `Gone` once it has expired."""
        stored = await self._jobs.get(id)
        if stored is None:
            raise unknown(id)
        if stored.expired:
            raise Gone(f"job {id} has expired, its files are removed; submit it again")
        return self._runs.up_to_date(stored)

    async def page(
        self, state: State | None = None, before: int | None = None, limit: int = 50
    ) -> list[StoredJob]:
        """The newest jobs first, those below number `before`."""
        return [self._runs.up_to_date(job) for job in await self._jobs.page(state, before, limit)]

    async def position(self, stored: StoredJob) -> int:
        """Of a queued job in its queue; 1 is next."""
        return await self._events.position(stored)

    def events(self, stored: StoredJob, after: EventId | None = None) -> AsyncIterator[Numbered]:
        """What happens to the job, from the beginning or after an event; see `StoredEvents`."""
        return self._events.read(stored, after)

    # ── the sound ────────────────────────────────────────────────────────────────────────────

    async def audio(
        self, stored: StoredJob, take: int = 0, format: str = "wav", stem: str | None = None
    ) -> Path:
        """The file of a take, or of a part of it, made from the WAV if it is not there yet.

        Raises `NotReady`, `Gone` where there will be none, `BadRequest` where the job has no such.
        """
        name = take_name(take, "wav") if stem is None else stem_name(take, stem)
        self._check_has(stored, name, take, stem)
        wanted = name.removesuffix("wav") + format
        if format in FORMATS and wanted not in stored.outputs:
            source = self._outputs.outputs(stored.id) / name
            make = partial(convert, source, format=format, stored=stored, take=take)
            return await self.derived(stored, wanted, make)
        if wanted not in stored.outputs:
            allowed = ", ".join(_formats(stored, take))
            raise BadRequest.value("format", f"one of {allowed} for this job", format)
        return self._outputs.outputs(stored.id) / wanted

    async def derived(self, stored: StoredJob, name: str, make: Callable[[Path], None]) -> Path:
        """The file `name` of a finished job, which `make` writes, on a thread, the first time."""
        path = self._outputs.outputs(stored.id) / name
        if path not in self._converting:
            work = partial(self._outputs.derive, stored.id, name, make)
            making = asyncio.ensure_future(to_thread.run_sync(work, limiter=self._conversions))
            self._converting[path] = making
            making.add_done_callback(lambda _: self._converting.pop(path))
        return await asyncio.shield(self._converting[path])

    def _check_has(self, stored: StoredJob, name: str, take: int, stem: str | None) -> None:
        if not stored.finished:
            raise NotReady(f"job {stored.id} is {stored.state.value}; its sound is not ready")
        if not stored.outputs:
            reason = f": {stored.error_message}" if stored.error_message else ""
            raise Gone(f"job {stored.id} has no sound, it was {stored.state.value}{reason}")
        if name not in stored.outputs:
            what, got = ("take", take) if stem is None else ("stem", stem)
            has = ", ".join(stored.outputs)
            raise BadRequest.value(what, f"one that this job has ({has})", got)
        if not (self._outputs.outputs(stored.id) / name).is_file():
            raise Gone(f"the files of job {stored.id} were removed from the server's disk")

    # ── ending ───────────────────────────────────────────────────────────────────────────────

    async def cancel(self, stored: StoredJob) -> StoredJob:
        """End it, if it has not ended: at once for everybody who asks; its model stops within a
        step. The job as it is now."""
        await self._end(stored)
        return await self.get(stored.id)

    async def _end(self, stored: StoredJob) -> None:
        ending = Ending(State.CANCELLED, progress=stored.progress, error_message=BY_CALLER)
        seconds = self._retention.seconds(stored.dialect)
        if await self._jobs.finish(stored.id, ending, seconds):
            self._runs.cancel(stored, BY_CALLER)

    async def delete(self, id: str) -> None:
        """Cancel the job if need be, and forget it with its files. Raises `NotFound`.

        The row goes last: whatever interrupts this, it can be done again.
        """
        stored = await self._jobs.get(id)
        if stored is None:
            raise unknown(id)
        await self._end(stored)
        await self._runs.let_go(id)
        await self._jobs.expire(id)
        await to_thread.run_sync(self._outputs.remove, id)
        await self._jobs.delete(id)


def unknown(id: str) -> NotFound:
    """There is no such job, or not any more."""
    return NotFound(f"there is no job {echo(id)}; ids are forgotten some time after the end")


def _same(key: IdempotencyKey, digest: str, stored: list[StoredJob]) -> list[StoredJob]:
    if digest != key.digest:
        raise KeyReused(
            f"Idempotency-Key {echo(key.name)} was used for another body; take a new key for a "
            "new request"
        )
    return stored


def _formats(stored: StoredJob, take: int) -> list[str]:
    own = [name.removeprefix(take_name(take, "")) for name in stored.outputs]
    return [*FORMATS, *(format for format in own if "." not in format and format not in FORMATS)]
