"""A job: one request's life, and the log of what happened to it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from server.events import (
    AudioChunk,
    Cancelled,
    Completed,
    Document,
    Event,
    Failed,
    ModelEvent,
    Outcome,
    Progress,
    Queued,
    Started,
    State,
    Warning,
)
from server.generation import GenerationRequest
from server.models.base import ModelInfo
from server.service.admission import Ticket
from server.service.pacing import Pacer

if TYPE_CHECKING:
    from opentelemetry.context import Context

#: Progress closer together than this tells nobody anything.
PROGRESS_INTERVAL_SECONDS = 0.05


def new_id() -> str:
    """A name that no other job has."""
    return uuid.uuid4().hex


FINAL_STATE: dict[type[Outcome], State] = {
    Completed: State.COMPLETED,
    Failed: State.FAILED,
    Cancelled: State.CANCELLED,
}


class EventLog:
    """Events in order, read by position: any number of readers, each at its own pace."""

    def __init__(self) -> None:
        #: When its first event came.
        self.first_at = 0.0
        self._events: list[Event] = []
        self._closed = False
        self._grown = asyncio.Event()

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: Event, last: bool = False) -> None:
        self.first_at = self.first_at or time.monotonic()
        self._events.append(event)
        self._closed = last
        self._grown.set()
        self._grown = asyncio.Event()

    def __iter__(self) -> Iterator[Event]:
        """What is there now."""
        return iter(self._events)

    async def read(self, position: int = 0) -> AsyncIterator[Event]:
        """Every event from `position` on, to the last."""
        while True:
            while position < len(self._events):
                yield self._events[position]
                position += 1
            if self._closed:
                return
            await self._grown.wait()

    def chunks(self, take: int) -> list[AudioChunk]:
        """The sound of a take so far."""
        return [e for e in self._events if isinstance(e, AudioChunk) and e.take == take]

    def documents(self, take: int) -> dict[str, bytes]:
        """What the model made of a take besides sound: format → file."""
        documents = (e for e in self._events if isinstance(e, Document))
        return {e.format: e.content for e in documents if e.take == take}


class Job:
    """One request from the moment it has a place until its outcome.

    Only the service changes a job; everybody else reads `log`. The first outcome stands: later
    ones change nothing.
    """

    def __init__(
        self,
        request: GenerationRequest,
        info: ModelInfo,
        dialect: str,
        ticket: Ticket,
        id: str | None = None,
    ) -> None:
        self.id = id or new_id()
        self.ticket = ticket
        self.request = request
        self.info = info
        self.dialect = dialect
        self.state = State.QUEUED
        self.log = EventLog()
        self.created_at = self.last_step_at = time.monotonic()
        self.started_at: float | None = None
        self.first_audio_at: float | None = None
        self.ended_at: float | None = None
        self.cancelled_at: float | None = None
        self.cancel_reason = ""
        self.delivered = False
        #: The trace of the work, for what is still to be done with its outcome.
        self.trace: Context | None = None
        self._pacers = [Pacer(request.num_seconds) for _ in range(request.num_takes)]
        self._percents = [0.0] * request.num_takes
        self._percent = 0.0
        self._progress_at = 0.0
        self._warnings: set[Warning] = set()
        self._num_chunks: dict[int, int] = {}

    @property
    def finished(self) -> bool:
        return self.state in FINAL_STATE.values()

    @property
    def percent(self) -> float:
        """How much of the work is done, 0 to 100."""
        return self._percent

    def wait_in_line(self, position: int, eta_seconds: float | None, activity: str) -> None:
        self.log.append(Queued(position, eta_seconds, activity))

    def start(self, info: ModelInfo, interpretation: dict[str, object]) -> None:
        """The model begins; `info` is what it is, which a load may have changed meanwhile."""
        self.info = info
        self.state = State.RUNNING
        self.started_at = self.last_step_at = time.monotonic()
        self.log.append(
            Started(
                model=self.info.name,
                seed=self.request.drawn_seed,
                sample_rate=self.info.sample_rate,
                channels=self.info.channels,
                duration_seconds=self.request.num_seconds,
                interpretation=interpretation,
            )
        )

    def begin(self, take: int) -> None:
        """The model begins with a take: its pace counts from now."""
        self._pacers[take] = Pacer(self.request.num_seconds)

    def record(self, event: ModelEvent, take: int = 0) -> None:
        """Log what the model made of a take: numbered, paced, progress never falling."""
        self.last_step_at = time.monotonic()
        if self.finished:
            return
        match event:
            case Progress(percent):
                self._pacers[take].progressed(percent)
                self._percents[take] = percent
                self._record_progress(sum(self._percents) / len(self._percents), take)
            case AudioChunk():
                self._record_chunk(event, take)
            case Document():
                self.log.append(replace(event, take=take))
            case Warning():
                self._record_warning(event)

    def finish(self, outcome: Outcome) -> bool:
        """Close the log with `outcome`; False if there was one before."""
        if self.finished:
            return False
        if isinstance(outcome, Completed):
            self._record_progress(100.0, take=0)
        self.state = FINAL_STATE[type(outcome)]
        self.ended_at = time.monotonic()
        self.log.append(outcome, last=True)
        return True

    def _record_progress(self, percent: float, take: int) -> None:
        """`percent` of the whole job, at the pace of `take`."""
        if percent < 100 and self.last_step_at - self._progress_at < PROGRESS_INTERVAL_SECONDS:
            return
        self._percent = min(100.0, max(self._percent, percent))
        self._progress_at = self.last_step_at
        self.log.append(Progress(self._percent, self._pacers[take].pace()))

    def _record_chunk(self, chunk: AudioChunk, take: int) -> None:
        if self.first_audio_at is None:
            self.first_audio_at = self.last_step_at
        sequence = self._num_chunks.get(take, 0)
        self._num_chunks[take] = sequence + 1
        pacer = self._pacers[take]
        pacer.made(chunk.samples.shape[1] / self.info.sample_rate)
        samples = np.ascontiguousarray(chunk.samples, dtype=np.float32)
        numbered = replace(chunk, samples=samples, take=take, sequence=sequence, pace=pacer.pace())
        self.log.append(numbered)

    def _record_warning(self, warning: Warning) -> None:
        """Once, though each take may say it."""
        if warning not in self._warnings:
            self._warnings.add(warning)
            self.log.append(warning)
