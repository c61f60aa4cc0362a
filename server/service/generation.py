"""The service: takes requests, owns their pumps, and ends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from loguru import logger

from server import tracing
from server.errors import (
    Busy,
    ContinuoError,
    Draining,
    GenerationError,
    Interrupted,
    Loading,
    ModelBroken,
)
from server.events import Cancelled, Completed, Failed, Outcome, State
from server.generation import GenerationRequest
from server.logs import request_id
from server.metrics import Metrics
from server.models.memory import DeviceMemory
from server.models.registry import Entry, Phase, Registry
from server.service.admission import Ticket, WaitingRoom
from server.service.jobs import Job
from server.service.limits import resolve
from server.service.loading import RETRY_SECONDS, Loader
from server.service.readings import watch, watch_memory
from server.service.reports import report
from server.service.takes import perform

QUEUE_TICK_SECONDS = 1.0
#: A wait as short as a step is not worth an event.
UNTOLD_WAIT_SECONDS = 0.1
WATCH_TICK_SECONDS = 1.0
#: How long streams get to send their last event once they were told to stop.
FLUSH_SECONDS = 3.0
#: A default model that failed is tried again by itself: where /ready fails nobody sends requests.
DEFAULT_RETRY_SECONDS = 60.0
CLIENT_LEFT = "the client disconnected"


class Standing(Enum):
    """How the service as a whole stands."""

    SERVING = "serving"
    DRAINING = "draining"
    BROKEN = "broken"


class GenerationService:
    """Every dialect's only way to a model: `submit`, read the job's log, `end`."""

    def __init__(
        self,
        registry: Registry,
        memory: DeviceMemory,
        metrics: Metrics,
        default_model: str,
        step_timeout_seconds: float,
    ) -> None:
        self.registry = registry
        self.metrics = metrics
        self.loader = Loader(registry, memory, metrics, self.room, self._fail_waiting)
        watch_memory(metrics, memory)
        self.started_at = time.monotonic()
        self.default_model = default_model
        self.standing = Standing.SERVING
        #: Called once when only a restart of the process can help.
        self.on_broken: Callable[[], None] = lambda: None
        self._step_timeout_seconds = step_timeout_seconds
        self._rooms: dict[str, WaitingRoom] = {}
        self._jobs: set[Job] = set()  # those whose owner has not ended them
        self._pumps: dict[Job, asyncio.Task[None]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._background: list[asyncio.Task[None]] = []

    # ── life of the service ──────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to load the default model, and to watch for models that hang."""
        self._load_default()
        self._background.append(asyncio.create_task(self._watch()))

    async def drain(self, deadline_seconds: float) -> None:
        """Take no new work, let what runs finish; after the deadline, end it with an error."""
        if self.standing is Standing.SERVING:
            self.standing = Standing.DRAINING
        if not await self._became_idle(deadline_seconds):
            self._fail_all(Interrupted("the server is stopping; send the request again later"))
            await self._became_idle(FLUSH_SECONDS)

    async def close(self) -> None:
        """End everything that still runs and let the models go."""
        pending = [*self._background, *self._pumps.values()]
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=FLUSH_SECONDS)
        await self.loader.close()

    @property
    def num_jobs(self) -> int:
        """How many have a place, or an owner who still reads."""
        return len(self._jobs | self._pumps.keys())

    def room(self, entry: Entry) -> WaitingRoom:
        """The waiting room before a model."""
        name = entry.name
        if name not in self._rooms:
            self._rooms[name] = room = WaitingRoom(lambda: entry.capacity)
            watch(self.metrics, entry, room)
        return self._rooms[name]

    def load(self, entry: Entry) -> None:
        """Begin to load a model. Raises `Refused` where that is in vain now."""
        self._check_open()
        self.loader.want(entry)

    # ── life of a job ────────────────────────────────────────────────────────────────────────

    def resolve(self, request: GenerationRequest) -> tuple[Entry, GenerationRequest]:
        """The model that is asked, and the request as that model will see it.

        Raises `BadRequest` where the model cannot meet it, `Refused` where it cannot be met now.
        """
        entry = self.registry.entry(request.model or self.default_model)
        self._check_open()
        self.loader.check_available(entry)
        entry.model.check()
        resolved = resolve(request, entry.model.info, self.registry.infos)
        return entry, entry.model.resolve(resolved)

    def submit(
        self, request: GenerationRequest, dialect: str, places: float, id: str | None = None
    ) -> Job:
        """Take a place for `request` and begin to pump; the caller owns the job and must `end` it.

        Never awaits. Raises as `resolve` does; `places` is how many may wait for this model in the
        caller's dialect. `id` names a job that had its name before.
        """
        entry, resolved = self.resolve(request)
        ticket = self._enter(entry, resolved, places)
        job = Job(resolved, entry.model.info, dialect, ticket, id)
        pump = asyncio.create_task(self._pump(job, entry), name=f"pump {job.id}")
        self._jobs.add(job)
        self._pumps[job] = pump
        self._idle.clear()
        pump.add_done_callback(lambda _: self._release(job, entry))
        return job

    def cancel(self, job: Job, reason: str) -> None:
        """Stop the job's work; its slot is free once the model has let go. Never awaits."""
        pump = self._pumps.get(job)
        if pump is None or job.cancelled_at is not None:
            return
        job.cancel_reason = reason
        job.cancelled_at = time.monotonic()
        job.ticket.leaving = True
        self.metrics.cancellations.labels(job.info.name, job.state.value).inc()
        pump.cancel()

    def end(self, job: Job) -> None:
        """The owner is done with the job, whatever became of it. Never awaits."""
        self._jobs.discard(job)
        if not job.finished:
            self.cancel(job, CLIENT_LEFT)
        elif job.state is State.COMPLETED and not job.delivered:
            self.metrics.cancellations.labels(job.info.name, "delivering").inc()
            logger.info("Job {} cancelled: {} before it had the result", job.id, CLIENT_LEFT)
        self._note_idle()

    async def _pump(self, job: Job, entry: Entry) -> None:
        said = {"continuo.job_id": job.id, "continuo.request_id": request_id.get()}
        said |= {"continuo.dialect": job.dialect, "continuo.model": job.info.name}
        with tracing.span("job", said) as note:
            job.trace = tracing.here()
            outcome = await self._run(job, entry)
            note({"continuo.outcome": type(outcome).__name__.lower()})
        self._finish(job, outcome)

    async def _run(self, job: Job, entry: Entry) -> Outcome:
        try:
            with tracing.span("queue"):
                await self._wait_for_slot(job, entry)
            model = entry.model
            job.start(model.info, dict(model.interpret(job.request)))
            await perform(job, model)
            job.ticket.record_speed()
            return Completed()
        except asyncio.CancelledError:
            return Cancelled(job.cancel_reason or "the server is stopping")
        except ContinuoError as error:
            return Failed(error)
        except Exception as cause:
            failure = GenerationError("the model failed; the server's log says why")
            failure.__cause__ = cause
            return Failed(failure)

    async def _wait_for_slot(self, job: Job, entry: Entry) -> None:
        told: tuple[int, float | None, str] | None = None
        admitted = await job.ticket.wait(UNTOLD_WAIT_SECONDS)
        while not admitted:
            line = (job.ticket.position, job.ticket.eta_seconds, entry.activity)
            if line != told:
                job.wait_in_line(*line)
                told = line
            admitted = await job.ticket.wait(QUEUE_TICK_SECONDS)
        self.metrics.wait_seconds.labels(job.info.name).observe(time.monotonic() - job.created_at)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        if not job.finish(outcome):
            return
        report(job, outcome, self.metrics)
        if isinstance(outcome, Failed) and isinstance(outcome.error, ModelBroken):
            self._break(outcome.error)

    def _release(self, job: Job, entry: Entry) -> None:
        """The pump has ended, so the model has let go."""
        if not job.finished:  # cancelled before its first step
            self._finish(job, Cancelled(job.cancel_reason))
        job.ticket.leave()
        self.loader.left(entry)
        del self._pumps[job]
        if job.cancelled_at is not None:
            seconds = time.monotonic() - job.cancelled_at
            self.metrics.release_seconds.labels(job.info.name).observe(seconds)
        self._note_idle()

    # ── admission ────────────────────────────────────────────────────────────────────────────

    def _check_open(self) -> None:
        if self.standing is not Standing.SERVING:
            raise Draining("the server is stopping and takes no new work", RETRY_SECONDS)

    def _enter(self, entry: Entry, request: GenerationRequest, places: float) -> Ticket:
        cost = entry.model.cost(request)
        self.loader.want(entry)
        try:
            return self.room(entry).enter(cost, request.total_seconds, places)
        except Busy:
            if entry.phase is Phase.READY:
                raise
            said = f"{entry.name} is not ready yet ({entry.activity}); try again"
            raise Loading(said, RETRY_SECONDS) from None

    def _load_default(self) -> None:
        try:
            self.loader.want(self.registry.entry(self.default_model))
        except ContinuoError as error:
            logger.error("The default model cannot be served: {}", error)

    # ── when things go wrong ─────────────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_TICK_SECONDS)
            self._look_after()

    def _look_after(self) -> None:
        """Load the default model again if it failed, and end models that make no step any more:
        their threads cannot be mended."""
        now = time.monotonic()
        default = self.registry.entry(self.default_model)
        if default.phase is Phase.FAILED and now > default.failed_at + DEFAULT_RETRY_SECONDS:
            self._load_default()
        for job in [job for job in self._pumps if job.state is State.RUNNING]:
            if now - job.last_step_at > self._step_timeout_seconds:
                name, limit = job.info.name, self._step_timeout_seconds
                self._finish(
                    job, Failed(ModelBroken(f"{name} made no step for {limit:g} s; restarting"))
                )

    def _break(self, error: ContinuoError) -> None:
        if self.standing is not Standing.BROKEN:
            self.standing = Standing.BROKEN
            logger.critical("The process must be restarted: {}", error)
            self._fail_all(error)
            self.on_broken()

    def _fail_all(self, error: ContinuoError) -> None:
        self._fail(list(self._pumps), error)

    def _fail_waiting(self, entry: Entry, error: ContinuoError) -> None:
        """Their model could not be loaded."""
        jobs = [job for job in self._pumps if job.state is State.QUEUED]
        self._fail([job for job in jobs if job.info.name == entry.name], error)

    def _fail(self, jobs: list[Job], error: ContinuoError) -> None:
        for job in jobs:
            self._finish(job, Failed(error))
            self._pumps[job].cancel()

    # ── bookkeeping ──────────────────────────────────────────────────────────────────────────

    def _note_idle(self) -> None:
        if not self._jobs and not self._pumps:
            self._idle.set()

    async def _became_idle(self, within_seconds: float) -> bool:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle.wait(), within_seconds)
        return self._idle.is_set()
