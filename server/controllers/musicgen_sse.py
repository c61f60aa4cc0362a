"""The MusicGen SSE dialect, POST /api/v1/generate_music: what is published, to the letter."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Literal, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from server.audio.formats import encode
from server.audio.waveform import to_pcm16
from server.controllers.bodies import Body, Integer, Seed, Text, read_json, validate
from server.controllers.musicgen_events import (
    EVENT_SCHEMA,
    EXAMPLE_STREAM,
    AudioEvent,
    CompletedEvent,
    ErrorEvent,
    ProgressEvent,
    QueuedEvent,
    StartEvent,
    WarningEvent,
)
from server.controllers.openapi import json_body
from server.controllers.problems import ErrorBody, as_json, route_class, said
from server.controllers.responses import JobResponse, with_heartbeat
from server.errors import ContinuoError
from server.events import (
    AudioChunk,
    Cancelled,
    Event,
    Failed,
    Pace,
    Progress,
    Queued,
    Started,
    Warning,
)
from server.generation import GenerationRequest
from server.service.generation import GenerationService
from server.service.jobs import Job

DIALECT = "musicgen-sse"
#: Clients are promised a progress event every two seconds; half of that leaves room for delays.
HEARTBEAT_SECONDS = 1.0
#: Whole files encoded at once; more would only take turns on the cores.
NUM_ENCODERS = 2

#: Field of the request → its name in this dialect; others have the same name.
WIRE_NAMES = {
    "prompt": "description",
    "duration_seconds": "duration",
    "guidance": "cfg_coef",
    "multiband_diffusion": "mbd",
}
T = TypeVar("T")


class GenerateMusic(Body):
    """A wish for music. Fields that are not sent take the model's own defaults."""

    description: Text = Field(description="what it should sound like", examples=["lofi with rain"])
    duration: Integer = Field(30, description="seconds; the limits are the model's", examples=[10])
    mbd: bool = Field(False, description="decode with MultiBand Diffusion, where a model has it")
    top_k: Integer = Field(250, ge=0, description="0: off")
    top_p: float = Field(0.0, ge=0, le=1, description="above 0 it replaces top_k")
    temperature: float = Field(1.0, ge=0, le=10)
    cfg_coef: float = Field(3.0, ge=0, le=20, description="guidance: how closely to follow")
    model: Text | None = Field(None, description="a name of /api/v1/models; else the default")
    seed: Seed | None = Field(None, description="drawn and told if not sent")
    stream_audio: bool = Field(False, description="send `audio` events while it is made")
    format: Literal["wav", "flac", "ogg", "mp3"] = Field("wav", description="of `completed`")
    bpm: Integer | None = Field(None, description="beats a minute, for models that have it")
    scale: Text | None = Field(None, description="for example C_MAJOR_A_MINOR")
    density: float | None = Field(None, ge=0, le=1, description="how much goes on")
    brightness: float | None = Field(None, ge=0, le=1, description="dark 0 to bright 1")


def to_request(body: GenerateMusic) -> GenerationRequest:
    """The body in the server's words; what was not sent stays unset."""
    words = {wire: word for word, wire in WIRE_NAMES.items()}
    sent = body.model_dump(include=body.model_fields_set - {"stream_audio"})
    fields = {words.get(name, name): value for name, value in sent.items()}
    return GenerationRequest(**{k: v for k, v in fields.items() if v is not None})


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
            case Queued(position, eta_seconds):
                return self._repeatable(QueuedEvent(position=position, eta_seconds=eta_seconds))
            case Started():
                self._repeatable(_progress(0, Pace(None, event.duration_seconds)))
                return _message(_start(self._job, event))
            case Progress(percent, pace):
                return self._repeatable(_progress(percent, pace))
            case AudioChunk():
                if not self._stream_audio:
                    return b""
                return await to_thread.run_sync(partial(_audio, self._job, event))
            case Warning(code, message):
                return _message(WarningEvent(code=code, message=message))
            case Failed(error):
                return _message(_error(self._job, said(error, self._debug), error.code))
            case Cancelled(reason):
                return _message(_error(self._job, reason, "cancelled"))
            case _:
                return await self._completed()

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
        return _message(event)

    def _beat(self) -> bytes:
        assert self._repeated is not None  # or _silent_seconds would not end
        return self._repeatable(self._repeated)

    def _silent_seconds(self) -> float | None:
        """How long from now nothing may be said; None before there is anything to repeat."""
        if self._repeated is None:
            return None
        return max(0.0, self._repeated_at + HEARTBEAT_SECONDS - time.monotonic())


def _message(event: BaseModel) -> bytes:
    """Exactly one `data: ` line and a blank one."""
    return b"data: " + event.model_dump_json().encode() + b"\n\n"


def _message_with_audio(event: AudioEvent | CompletedEvent, audio: bytes) -> bytes:
    """The same with `audio` in base64 put in its place, without copying megabytes again."""
    head, tail = _message(event).split(b'"audio":""', 1)
    return b"".join((head, b'"audio":"', base64.b64encode(audio), b'"', tail))


def _start(job: Job, event: Started) -> StartEvent:
    return StartEvent(
        job_id=job.id,
        model=event.model,
        seed=event.seed,
        sample_rate=event.sample_rate,
        channels=event.channels,
        duration=event.duration_seconds,
        interpretation=dict(event.interpretation),
    )


def _progress(percent: float, pace: Pace | None) -> ProgressEvent:
    assert pace is not None  # a job's log has no other
    return ProgressEvent(
        progress=round(percent, 1),
        realtime_factor=pace.realtime_factor,
        buffer_seconds=pace.buffer_seconds,
    )


def _error(job: Job, message: str, code: str) -> ErrorEvent:
    return ErrorEvent(message=message, error=code, job_id=job.id)


def _audio(job: Job, chunk: AudioChunk) -> bytes:
    """Blocking: runs on a worker thread."""
    assert chunk.pace is not None
    event = AudioEvent(
        audio="",
        sequence=chunk.sequence,
        take=chunk.take,
        sample_rate=job.info.sample_rate,
        channels=job.info.channels,
        realtime_factor=chunk.pace.realtime_factor,
        buffer_seconds=chunk.pace.buffer_seconds,
    )
    return _message_with_audio(event, to_pcm16(chunk.samples).tobytes())


def _completed(job: Job, stopped: Callable[[], bool]) -> bytes:
    """Blocking: runs on a worker thread."""
    request, info = job.request, job.info
    file = encode(job.log.chunks(0), info.sample_rate, info.channels, request.format, stopped)
    event = CompletedEvent(
        audio="",
        format=request.format,
        job_id=job.id,
        model=info.name,
        seed=request.drawn_seed,
        sample_rate=info.sample_rate,
        channels=info.channels,
        duration=request.num_seconds,
    )
    return _message_with_audio(event, file)


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-Sent Events, one JSON object each, in `data:` lines. The connection "
        "closes after `completed` or `error`.",
        "content": {"text/event-stream": {"schema": EVENT_SCHEMA, "example": EXAMPLE_STREAM}},
    },
    400: {"model": ErrorBody, "description": "The request cannot be met; `field` says where"},
    413: {"model": ErrorBody, "description": "The body is too long"},
    500: {"model": ErrorBody, "description": "A fault of the server; the log has the request id"},
    503: {
        "model": ErrorBody,
        "description": "Busy, loading, stopping, or the model cannot run here; the message says",
        "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}},
    },
}


def router(
    service: GenerationService, waiting_places: int, send_timeout_seconds: float, debug: bool
) -> APIRouter:
    """The dialect's one route."""

    def problem(error: ContinuoError) -> Response:
        service.metrics.requests.labels(DIALECT, "", error.code).inc()
        return as_json(error, WIRE_NAMES)

    routes = APIRouter(route_class=route_class(problem, debug), tags=["MusicGen SSE"])
    encoders = CapacityLimiter(NUM_ENCODERS)

    @routes.post(
        "/api/v1/generate_music",
        response_class=Response,
        responses=RESPONSES,
        openapi_extra=json_body(GenerateMusic),
    )
    async def generate_music(request: Request) -> JobResponse:
        """Make music from a description, and stream progress and sound while it is made."""
        body = validate(GenerateMusic, await read_json(request))
        # No await from here to the response's own __call__: nothing can come between the place
        # that is taken and the owner that gives it back.
        job = service.submit(to_request(body), DIALECT, waiting_places)
        messages = aiter(Messages(job, body.stream_audio, encoders, debug))
        return JobResponse(service, job, messages, send_timeout_seconds)

    return routes
