"""A job's log as the messages of the MusicGen SSE dialect."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel

from server.audio.formats import FORMATS, encode
from server.audio.waveform import to_pcm16
from server.controllers.musicgen_events import (
    AudioEvent,
    CompletedEvent,
    ErrorEvent,
    ProgressEvent,
    QueuedEvent,
    StartEvent,
    TakeBody,
    WarningEvent,
)
from server.controllers.problems import said
from server.controllers.responses import with_heartbeat
from server.events import (
    AudioChunk,
    Cancelled,
    Completed,
    Document,
    Event,
    Failed,
    Pace,
    Progress,
    Queued,
    Samples,
    Started,
    Warning,
)
from server.service.finished import FinishedTake
from server.service.jobs import Job

#: Clients are promised a progress event every two seconds; half of that leaves room for delays.
HEARTBEAT_SECONDS = 1.0


class Messages:
    """A job's log as this dialect's messages, with a heartbeat."""

    def __init__(
        self, job: Job, stream_audio: bool, encoders: CapacityLimiter, debug: bool
    ) -> None:
        self._job = job
        self._debug = debug
        self._stream_audio = stream_audio
        self._encoders = encoders
        self._repeated: QueuedEvent | ProgressEvent | None = None
        self._repeated_at = 0.0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return with_heartbeat(self._from_log(), self._silent_seconds, self._beat)

    async def _from_log(self) -> AsyncIterator[bytes]:
        async for event in self._job.log.read():
            message = await self._to_wire(event)
            if message:
                yield message

    async def _to_wire(self, event: Event) -> bytes:
        """The event as a message; empty where this client is not told."""
        match event:
            case AudioChunk():
                if not self._stream_audio:
                    return b""
                info = self._job.info
                return await to_thread.run_sync(audio_line, event, info.sample_rate, info.channels)
            case Completed():
                return await self._completed()
            case Started():
                self._repeatable(progress_event(0, Pace(None, event.duration_seconds)))
                return data_line(start_event(self._job.id, event))
            case Queued():
                return self._repeatable(queued_event(event))
            case Progress(percent, pace):
                return self._repeatable(progress_event(percent, pace))
            case Warning(code, message):
                return data_line(WarningEvent(code=code, message=message))
            case Document():
                return b""  # it is in `completed`, if it was asked for
            case Failed() | Cancelled():
                return data_line(self._error(event))

    def _error(self, event: Failed | Cancelled) -> ErrorEvent:
        if isinstance(event, Cancelled):
            return ErrorEvent(message=event.reason, error="cancelled", job_id=self._job.id)
        message = said(event.error, self._debug)
        return ErrorEvent(message=message, error=event.error.code, job_id=self._job.id)

    async def _completed(self) -> bytes:
        """The whole sound. A client that leaves meanwhile stops the encoding."""
        left = threading.Event()
        encoding = partial(_completed, self._job, left.is_set)
        try:
            return await to_thread.run_sync(
                encoding, abandon_on_cancel=True, limiter=self._encoders
            )
        finally:
            left.set()

    def _repeatable(self, event: QueuedEvent | ProgressEvent) -> bytes:
        self._repeated, self._repeated_at = event, time.monotonic()
        return data_line(event)

    def _beat(self) -> bytes:
        assert self._repeated is not None  # or _silent_seconds would not end
        return self._repeatable(self._repeated)

    def _silent_seconds(self) -> float | None:
        """How long from now nothing may be said; None before there is anything to repeat."""
        if self._repeated is None:
            return None
        return max(0.0, self._repeated_at + HEARTBEAT_SECONDS - time.monotonic())


def data_line(event: BaseModel) -> bytes:
    """Exactly one `data: ` line and a blank one."""
    unasked = isinstance(event, CompletedEvent)  # stems and takes, if they are none
    return b"data: " + event.model_dump_json(exclude_none=unasked).encode() + b"\n\n"


def _line_with_audio(event: AudioEvent | CompletedEvent, audio: bytes) -> bytes:
    """The same with `audio`, base64, put in its place without copying megabytes again."""
    head, tail = data_line(event).split(b'"audio":""', 1)
    return b"".join((head, b'"audio":"', audio, b'"', tail))


def queued_event(event: Queued) -> QueuedEvent:
    """A place in the line, and what the model is doing before it can take anybody."""
    return QueuedEvent(
        position=event.position, eta_seconds=event.eta_seconds, activity=event.activity
    )


def start_event(job_id: str, event: Started) -> StartEvent:
    """The model has begun with the job."""
    return StartEvent(
        job_id=job_id,
        model=event.model,
        seed=event.seed,
        sample_rate=event.sample_rate,
        channels=event.channels,
        duration=event.duration_seconds,
        interpretation=dict(event.interpretation),
    )


def progress_event(percent: float, pace: Pace | None) -> ProgressEvent:
    """How far it is, and how fast."""
    assert pace is not None  # a job's log has no other
    return ProgressEvent(
        progress=round(percent, 1),
        realtime_factor=pace.realtime_factor,
        buffer_seconds=pace.buffer_seconds,
    )


def audio_line(chunk: AudioChunk, sample_rate: int, channels: int) -> bytes:
    """A piece of sound. Blocking: runs on a worker thread."""
    assert chunk.pace is not None
    event = AudioEvent(
        audio="",
        sequence=chunk.sequence,
        take=chunk.take,
        sample_rate=sample_rate,
        channels=channels,
        realtime_factor=chunk.pace.realtime_factor,
        buffer_seconds=chunk.pace.buffer_seconds,
    )
    return _line_with_audio(event, base64.b64encode(to_pcm16(chunk.samples).data))


def _completed(job: Job, stopped: Callable[[], bool]) -> bytes:
    """Blocking: runs on a worker thread."""
    request, info = job.request, job.info
    takes = [_take(job, number, stopped) for number in range(request.num_takes)]
    event = CompletedEvent(
        audio="",
        format=request.format,
        job_id=job.id,
        model=info.name,
        seed=request.drawn_seed,
        sample_rate=info.sample_rate,
        channels=info.channels,
        duration=request.num_seconds,
        stems=takes[0].stems,
        takes=takes if len(takes) > 1 else None,
    )
    return _line_with_audio(event, takes[0].audio.encode())


def _take(job: Job, number: int, stopped: Callable[[], bool]) -> TakeBody:
    """A take whole: the model's own document if that was asked for, else its sound."""
    take = FinishedTake(job, number)

    def in_base64(sound: Iterable[Samples], format: str) -> str:
        info = job.info
        return _base64(encode(sound, info.sample_rate, info.channels, format, stopped))

    # where the format asked for is no audio format, the stems are WAV
    format = job.request.format if job.request.format in FORMATS else "wav"
    stems = {name: in_base64(take.stem(name), format) for name in take.stem_names}
    audio = _base64(take.document) if take.document else in_base64(take.sound(), format)
    return TakeBody(seed=take.seed, audio=audio, stems=stems or None)


def _base64(file: bytes) -> str:
    return base64.b64encode(file).decode()
