"""The events of the MusicGen SSE dialect, as they stand on the wire.

The published keys are `event`, `progress`, `audio` (of `completed`) and `message`; the others are
additions, which published clients ignore.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from server.controllers.openapi import reference


class QueuedEvent(BaseModel):
    """Waiting for a slot; only where the server has waiting places."""

    event: Literal["queued"] = "queued"
    position: int = Field(description="1 is next")
    eta_seconds: float | None = Field(description="null until the server has timed a generation")
    activity: str = Field(description="what the model is doing while it is being loaded, or empty")


class StartEvent(BaseModel):
    """The model has begun."""

    event: Literal["start"] = "start"
    job_id: str
    model: str
    seed: int
    sample_rate: int
    channels: int
    duration: int = Field(description="seconds")
    interpretation: dict[str, object] = Field(description="what the model read in the request")


class ProgressEvent(BaseModel):
    """At least one every two seconds; `progress` never falls."""

    event: Literal["progress"] = "progress"
    progress: float = Field(ge=0, le=100)
    realtime_factor: float | None = Field(
        description="seconds of work per second of music; null until something was made"
    )
    buffer_seconds: float = Field(
        description="how much sound to hold back so that playback never stalls"
    )


class AudioEvent(BaseModel):
    """Sound as it is made; only with `stream_audio`."""

    event: Literal["audio"] = "audio"
    audio: str = Field(description="base64 of interleaved 16-bit little-endian PCM")
    sequence: int = Field(description="0, 1, 2… within the take")
    take: int
    sample_rate: int
    channels: int
    realtime_factor: float | None
    buffer_seconds: float


class WarningEvent(BaseModel):
    """Something to know although the work goes on."""

    event: Literal["warning"] = "warning"
    code: str
    message: str


class TakeBody(BaseModel):
    """One of several takes, whole."""

    seed: int
    audio: str = Field(description="as the `audio` of `completed`")
    stems: dict[str, str] | None = None
    lyrics: str | None = None


class CompletedEvent(BaseModel):
    """The last event of a success. `takes` and `stems` stand in it if they were asked for."""

    event: Literal["completed"] = "completed"
    audio: str = Field(description="base64 of the complete file, a WAV unless `format` says else")
    format: str
    job_id: str
    model: str
    seed: int
    sample_rate: int
    channels: int
    duration: int = Field(description="seconds")
    stems: dict[str, str] | None = Field(
        None, description="name → base64 of a file; they sum to `audio`"
    )
    lyrics: str | None = Field(None, description="where the model has written any")
    takes: list[TakeBody] | None = Field(None, description="all of them; `audio` is the first")


class ErrorEvent(BaseModel):
    """The last event of a failure that came after the stream had started."""

    event: Literal["error"] = "error"
    message: str
    error: str = Field(description="a code for programs")
    job_id: str


EVENTS: tuple[type[BaseModel], ...] = (
    QueuedEvent,
    StartEvent,
    ProgressEvent,
    AudioEvent,
    WarningEvent,
    CompletedEvent,
    ErrorEvent,
)
#: One event of the stream, in the form that OpenAPI 3.2 gives server-sent events.
EVENT_SCHEMA = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"oneOf": [reference(event) for event in EVENTS]},
        }
    },
}

#: One short example each, for the interface description.
EXAMPLE_STREAM = """\
data: {"event":"start","job_id":"0f6c…","model":"sketch","seed":7,"sample_rate":48000,"channels":2,\
"duration":10,"interpretation":{"bpm":84}}

data: {"event":"progress","progress":25.5,"realtime_factor":0.02,"buffer_seconds":0.04}

data: {"event":"audio","audio":"AAD//w…","sequence":0,"take":0,"sample_rate":48000,"channels":2,\
"realtime_factor":0.02,"buffer_seconds":0.04}

data: {"event":"completed","audio":"UklGR…","format":"wav","job_id":"0f6c…","model":"sketch",\
"seed":7,"sample_rate":48000,"channels":2,"duration":10}

"""
