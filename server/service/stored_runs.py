"""Runs stored jobs: those of a model in the order they came, the next one once one has its slot.

The database is the queue. Only its head stands in the waiting room before the model, so that a
thousand queued jobs cost nothing, and streaming clients with a place to wait get their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import replace
from math import ceil, inf
from typing import TypeVar

from anyio import to_thread
from loguru import logger

from server import tracing
from server.errors import (
    ContinuoError,
    Draining,
    GenerationError,
    Interrupted,
    ModelBroken,
    NotKept,
    Refused,
    StoreUnreachable,
)
from server.events import Cancelled, Failed, Started, State, Warning
from server.logs import request_id
from server.service.bell import Bell
from server.service.generation import GenerationService, Standing
from server.service.jobs import Job
from server.service.keeping import keep, warnings
from server.service.retention import Retention
from server.stores.input_files import with_inputs
from server.stores.job_store import JobStore
from server.stores.output_store import OutputStore
from server.stores.stored_job import Ending, StoredJob

#: A job whose model breaks the process on so many attempts is taken to be the cause.
MAX_BROKEN_ATTEMPTS = 3
STORE_RETRY_SECONDS = 2.0
#: How long the deletion of a running job waits for its model, which should stop within a step.
LET_GO_SECONDS = 10.0
#: Said to who finds the queue full while nothing is known yet about how long a generation takes.
UNKNOWN_RETRY_SECONDS = 30

CANNOT_BEGIN = "the job could not be begun; the server's log says why"

T = TypeVar("T")


class Run:
    """One attempt at a stored job."""

    def __init__(self, job: Job, attempt: int) -> None:
        self.job = job
        self.attempt = attempt
        #: Stored as running, or at its end already: the next one may come, listeners be told.
        self.under_way = asyncio.Event()
        #: Its ending is stored, or it will be begun anew after a restart.
        self.concluded = asyncio.Event()


class StoredRuns:
    """Takes up queued jobs, follows each to its end and stores that end."""

    def __init__(
        self,
        service: GenerationService,
        jobs: JobStore,
        outputs: OutputStore,
        retention: Retention,
    ) -> None:
        #: Rings whenever the queue moves on.
        self.moved = Bell()
        self._service = service
        self._jobs = jobs
        self._outputs = outputs
        self._retention = retention
        self._runs: dict[str, Run] = {}
        self._new: dict[str, Bell] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, id: str) -> Run | None:
        """The attempt that is now being made at the job."""
        return self._runs.get(id)

    def wake(self, model: str) -> None:
        """Jobs of that model may have come."""
        if model not in self._new:
            self._new[model] = Bell()
            # Not in the context of the request that happened to wake it: it works for all.
            Context().run(self._begin, self._feed(model))
        self._new[model].ring()

    def up_to_date(self, stored: StoredJob) -> StoredJob:
        """The job with its progress of now, which is stored only at its end."""
        run = self._runs.get(stored.id)
        if run is None:
            return stored
        return replace(stored, progress=run.job.percent, warnings=warnings(run.job))

    def retry_after_seconds(self, model: str) -> int:
        """When the head of a full queue will probably get its slot, and a place will be free."""
        jobs = (run.job for run in self._runs.values() if not run.under_way.is_set())
        etas = (job.ticket.eta_seconds for job in jobs if job.info.name == model)
        known = [eta for eta in etas if eta is not None]
        return max(1, ceil(min(known))) if known else UNKNOWN_RETRY_SECONDS

    def cancel(self, stored: StoredJob, reason: str) -> None:
        """Stop the work on a job, if there is any; how it ended is stored by the caller."""
        if run := self._runs.get(stored.id):
            self._service.cancel(run.job, reason)
        elif not stored.finished:
            outcome = State.CANCELLED.value
            self._service.metrics.requests.labels(stored.dialect, stored.model, outcome).inc()
        self.moved.ring()

    async def let_go(self, id: str) -> None:
        """Return when nothing is being done for the job any more; a model that hangs is not waited
        for."""
        if run := self._runs.get(id):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(run.concluded.wait(), LET_GO_SECONDS)

    async def close(self) -> None:
        """Stop; what has not ended is begun anew after a restart."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # ── one model's queue ────────────────────────────────────────────────────────────────────

    async def _feed(self, model: str) -> None:
        while self._service.standing is Standing.SERVING:
            new = self._new[model].next()
            try:
                await self.count_waiting(model)
                stored = await self._jobs.next_queued(model)
                if stored is None:
                    await new.wait()
                else:
                    await self._take_up(stored)
            except Draining:
                return
            except Refused as refusal:  # not now, but after a while
                await asyncio.sleep(refusal.retry_after_seconds or STORE_RETRY_SECONDS)

    async def count_waiting(self, model: str) -> int:
        """How many jobs wait for the model; the metric is told too."""
        num = await self._jobs.num_queued(model)
        self._service.metrics.jobs_waiting.labels(model).set(num)
        return num

    async def _take_up(self, stored: StoredJob) -> None:
        """Begin an attempt, and return when the job has its slot or has ended."""
        request_id.set(stored.request_id)
        try:
            inputs = self._outputs.inputs(stored.id)
            request = await to_thread.run_sync(with_inputs, stored.request, inputs)
            job = self._service.submit(request, stored.dialect, inf, stored.id)
        except ContinuoError as error:  # the models may be others than when it was stored
            if isinstance(error, Refused) and error.retry_after_seconds is not None:
                raise
            await self._store_ending(stored, _failed(error))
            return
        except Exception:
            logger.exception("Job {} cannot be begun", stored.id)
            await self._store_ending(stored, _failed(GenerationError(CANNOT_BEGIN)))
            return
        run = self._runs[stored.id] = Run(job, stored.attempt + 1)
        self._begin(self._follow(stored, run))
        self.moved.ring()
        await run.under_way.wait()

    # ── one job ──────────────────────────────────────────────────────────────────────────────

    async def _follow(self, stored: StoredJob, run: Run) -> None:
        try:
            async for event in run.job.log.read():
                if isinstance(event, Started):
                    await self._start(stored, run, event)
            await self._conclude(stored, run)
        finally:
            self._let_go(stored, run)

    async def _start(self, stored: StoredJob, run: Run, event: Started) -> None:
        rate, channels = event.sample_rate, event.channels
        if not await _insist(lambda: self._jobs.start(stored.id, run.attempt, rate, channels)):
            self._service.cancel(run.job, "it was cancelled before it began")
        run.under_way.set()

    def _let_go(self, stored: StoredJob, run: Run) -> None:
        del self._runs[stored.id]
        run.job.delivered = run.job.finished
        self._service.end(run.job)
        run.under_way.set()
        run.concluded.set()
        self.moved.ring()

    async def _conclude(self, stored: StoredJob, run: Run) -> None:
        ending = await self._ending(stored, run)
        if ending is None or await self._store_ending(stored, ending):
            return
        # It was cancelled or deleted meanwhile.
        await _insist(lambda: self._jobs.count_events(stored.id, len(run.job.log)))
        await to_thread.run_sync(self._outputs.remove, stored.id)

    async def _ending(self, stored: StoredJob, run: Run) -> Ending | None:
        """How the job ended; None if it is to be begun anew after a restart."""
        job, outcome = run.job, list(run.job.log)[-1]
        match outcome:
            case Failed(Interrupted()):
                return None
            case Failed(ModelBroken()) if run.attempt < MAX_BROKEN_ATTEMPTS:
                return None
            case Failed(error) if job.first_audio_at is not None:
                kept = await self._kept(stored, job)  # it is worth having, and hearing later
                return replace(_failed(error, job), outputs=kept.outputs)
            case Failed(error):
                return _failed(error, job)
            case Cancelled(reason):
                return Ending(State.CANCELLED, len(job.log), job.percent, error_message=reason)
        return await self._kept(stored, job)

    async def _kept(self, stored: StoredJob, job: Job) -> Ending:
        try:
            with tracing.span("encode", within=job.trace):
                names = await to_thread.run_sync(keep, self._outputs, stored, job)
        except Exception as error:  # libsndfile says in many ways that a disk is full
            logger.opt(exception=error).error("The files of job {} cannot be written", job.id)
            reason = getattr(error, "strerror", None) or "the server's log says why"
            return _failed(NotKept(f"its files cannot be written: {reason}"), job)
        return completed(names, len(job.log), warnings(job))

    async def _store_ending(self, stored: StoredJob, ending: Ending) -> bool:
        seconds = self._retention.seconds(stored.dialect)
        ended = await _insist(lambda: self._jobs.finish(stored.id, ending, seconds))
        self.moved.ring()
        return ended

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.opt(exception=error).critical("A queue of stored jobs has stopped")


def completed(names: list[str], num_events: int, warned: tuple[Warning, ...]) -> Ending:
    """The ending of a job whose files are all there."""
    return Ending(State.COMPLETED, num_events, 100.0, tuple(names), warned)


def _failed(error: ContinuoError, job: Job | None = None) -> Ending:
    return Ending(
        State.FAILED,
        len(job.log) if job else 0,
        job.percent if job else 0.0,
        warnings=warnings(job) if job else (),
        error_code=error.code,
        error_message=error.message,
    )


async def _insist(operation: Callable[[], Awaitable[T]]) -> T:
    """Try until the store can be reached: what was made must not be lost."""
    while True:
        try:
            return await operation()
        except StoreUnreachable:
            await asyncio.sleep(STORE_RETRY_SECONDS)
