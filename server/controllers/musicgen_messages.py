"""A job's log as the messages of the MusicGen dialect, in the form of an SSE line or another."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel

from server.audio.formats import FORMATS, encode
from server.audio.waveform import to_pcm16
from server.controllers.encoding import stoppable
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
#: Where the sound belongs in an event that was written without it.
EMPTY_AUDIO = b'"audio":""'

T = TypeVar("T")
#: Writes an event with its sound, if it has any, as a transport wants it. Blocking if it has.
Form: TypeAlias = Callable[[BaseModel, bytes | None], T]


class Messages(Generic[T]):
    """A job's log as this dialect's messages in a `form`, with a heartbeat."""

    def __init__(
        self,
        job: Job,
        stream_audio: bool,
        encoders: CapacityLimiter,
        debug: bool,
        form: Form[T],
    ) -> None:
        self._job = job
        self._debug = debug
        self._stream_audio = stream_audio
        self._encoders = encoders
        self._form = form
        self._repeated: QueuedEvent | ProgressEvent | None = None
        self._repeated_at = 0.0

    def __aiter__(self) -> AsyncGenerator[T, None]:
        return with_heartbeat(self._from_log(), self._silent_seconds, self._beat)

    async def _from_log(self) -> AsyncIterator[T]:
        async for event in self._job.log.read():
            message = await self._to_wire(event)
            if message is not None:
                yield message

    async def _to_wire(self, event: Event) -> T | None:
        """The event as a message; None where this client is not told."""
        match event:
            case AudioChunk():
                return await self._audio(event) if self._stream_audio else None
            case Completed():
                return await stoppable(self._completed, self._encoders)
            case Started():
                self._repeatable(progress_event(0, Pace(None, event.duration_seconds)))
                return self._form(start_event(self._job.id, event), None)
            case Queued():
                return self._repeatable(queued_event(event))
            case Progress(percent, pace):
                return self._repeatable(progress_event(percent, pace))
            case Warning(code, message):
                return self._form(WarningEvent(code=code, message=message), None)
            case Document():
                return None  # it is in `completed`, if it was asked for
            case Failed() | Cancelled():
                return self._form(self._error(event), None)

    async def _audio(self, chunk: AudioChunk) -> T:
        info = self._job.info
        event = audio_event(chunk, info.sample_rate, info.channels)
        return await to_thread.run_sync(lambda: self._form(event, pcm(chunk)))

    def _error(self, event: Failed | Cancelled) -> ErrorEvent:
        if isinstance(event, Cancelled):
            return ErrorEvent(message=event.reason, error="cancelled", job_id=self._job.id)
        message = said(event.error, self._debug)
        return ErrorEvent(message=message, error=event.error.code, job_id=self._job.id)

    def _completed(self, stopped: Callable[[], bool]) -> T:
        return self._form(*completed_event(self._job, stopped))

    def _repeatable(self, event: QueuedEvent | ProgressEvent) -> T:
        self._repeated, self._repeated_at = event, time.monotonic()
        return self._form(event, None)

    def _beat(self) -> T:
        assert self._repeated is not None  # or _silent_seconds would not end
        return self._repeatable(self._repeated)

    def _silent_seconds(self) -> float | None:
        """How long from now nothing may be said; None before there is anything to repeat."""
        if self._repeated is None:
            return None
        return max(0.0, self._repeated_at + HEARTBEAT_SECONDS - time.monotonic())


def event_json(event: BaseModel) -> bytes:
    """The event without what was not asked for."""
    unasked = isinstance(event, CompletedEvent)  # stems and takes, if they are none
    return event.model_dump_json(exclude_none=unasked).encode()


def data_line(event: BaseModel, audio: bytes | None = None) -> bytes:
    """Exactly one `data: ` line and a blank one. `audio` is put in its place in base64, without
    copying megabytes again."""
    text = event_json(event)
    if audio is None:
        return b"data: " + text + b"\n\n"
    head, tail = text.split(EMPTY_AUDIO, 1)
    return b"".join((b"data: ", head, b'"audio":"', base64.b64encode(audio), b'"', tail, b"\n\n"))


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
    return data_line(audio_event(chunk, sample_rate, channels), pcm(chunk))


def audio_event(chunk: AudioChunk, sample_rate: int, channels: int) -> AudioEvent:
    """What there is to say of a piece of sound; `audio` is still empty."""
    assert chunk.pace is not None
    return AudioEvent(
        audio="",
        sequence=chunk.sequence,
        take=chunk.take,
        sample_rate=sample_rate,
        channels=channels,
        realtime_factor=chunk.pace.realtime_factor,
        buffer_seconds=chunk.pace.buffer_seconds,
    )


def pcm(chunk: AudioChunk) -> bytes:
    """Its sound, interleaved 16-bit little-endian."""
    return to_pcm16(chunk.samples).tobytes()


def completed_event(job: Job, stopped: Callable[[], bool]) -> tuple[CompletedEvent, bytes]:
    """The end, its `audio` beside it. Blocking: runs on a worker thread."""
    request, info = job.request, job.info
    files = [_files(job, number, stopped) for number in range(request.num_takes)]
    event = CompletedEvent(
        audio="",
        format=request.format,
        job_id=job.id,
        model=info.name,
        seed=request.drawn_seed,
        sample_rate=info.sample_rate,
        channels=info.channels,
        duration=request.num_seconds,
        stems=files[0].stems,
        lyrics=files[0].lyrics,
        takes=[_take(take) for take in files] if len(files) > 1 else None,
    )
    return event, files[0].audio


class _TakeFiles(NamedTuple):
    seed: int
    audio: bytes
    stems: dict[str, str] | None
    lyrics: str | None


def _files(job: Job, number: int, stopped: Callable[[], bool]) -> _TakeFiles:
    """A take whole: the model's own document if that was asked for, else its sound."""
    take = FinishedTake(job, number)
    # where the format asked for is no audio format, the stems are WAV
    format = job.request.format if job.request.format in FORMATS else "wav"

    def encoded(sound: Iterable[Samples]) -> bytes:
        return encode(sound, job.info.sample_rate, job.info.channels, format, stopped)

    stems = {name: _base64(encoded(take.stem(name))) for name in take.stem_names}
    audio = take.documents.get(job.request.format) or encoded(take.sound())
    return _TakeFiles(take.seed, audio, stems or None, lyrics_of(take))


def _take(files: _TakeFiles) -> TakeBody:
    audio = _base64(files.audio)
    return TakeBody(seed=files.seed, audio=audio, stems=files.stems, lyrics=files.lyrics)


def lyrics_of(take: FinishedTake) -> str | None:
    """The words that the model has written, if it has."""
    text = take.documents.get("txt")
    return None if text is None else text.decode()


def _base64(file: bytes) -> str:
    return base64.b64encode(file).decode()
