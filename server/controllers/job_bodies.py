"""Stored jobs and their events, as they stand on the wire of /api/v1/jobs."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from server.controllers.musicgen_events import (
    AudioEvent,
    ProgressEvent,
    QueuedEvent,
    StartEvent,
    WarningEvent,
)
from server.controllers.musicgen_sse import WIRE_NAMES
from server.events import State
from server.generation import GenerationRequest
from server.stores.event_file import parts_of
from server.stores.stored_job import StoredJob, request_to_json

ROUTE = "/api/v1/jobs"


class JobError(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class JobWarning(BaseModel):
    """Something to know although the work went on."""

    code: str
    message: str


class JobFile(BaseModel):
    """A file that a completed job made; other formats are made of it when they are asked for."""

    take: int
    seed: int
    stem: str | None = Field(description="null: the whole sound")
    format: str
    url: str


class JobBody(BaseModel):
    """A stored job."""

    id: str
    state: State
    dialect: str = Field(description="whose routes it came by")
    model: str
    request: dict[str, Any] = Field(description="the fields it was sent, and what was filled in")
    seed: int
    progress: float = Field(ge=0, le=100)
    position: int | None = Field(description="in the queue of its model; 1 is next")
    attempt: int = Field(description="how often it was begun; above 1 after a restart")
    sample_rate: int
    channels: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None = Field(description="when its files are removed")
    error: JobError | None
    warnings: list[JobWarning]
    files: list[JobFile] = Field(description="once it is completed, or failed in the middle")
    partial: bool = Field(description="it failed, and `files` hold what was made before that")
    events_url: str
    audio_url: str


class JobsBody(BaseModel):
    """The jobs of a list that was submitted, in its order."""

    jobs: list[JobBody]


class JobPage(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobBody]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one")


class RestartedEvent(BaseModel):
    """The job is made anew after the server was restarted: drop the sound that came before."""

    event: Literal["restarted"] = "restarted"


class EndEvent(BaseModel):
    """The last event; `event` is the state that the job ended in."""

    event: Literal["completed", "failed", "cancelled"]
    job: JobBody


EVENTS: tuple[type[BaseModel], ...] = (
    QueuedEvent,
    RestartedEvent,
    StartEvent,
    ProgressEvent,
    AudioEvent,
    WarningEvent,
    EndEvent,
)


def job_body(stored: StoredJob, root: str, position: int | None = None) -> JobBody:
    """The job on the wire; `root` is the path that the server is mounted at."""
    url = f"{root}{ROUTE}/{stored.id}"
    return JobBody(
        id=stored.id,
        state=stored.state,
        dialect=stored.dialect,
        model=stored.model,
        request=_request(stored),
        seed=stored.request.drawn_seed,
        progress=round(stored.progress, 1),
        position=position,
        attempt=stored.attempt,
        sample_rate=stored.sample_rate,
        channels=stored.channels,
        created_at=_moment(stored.created_at),
        started_at=stored.started_at and _moment(stored.started_at),
        ended_at=stored.ended_at and _moment(stored.ended_at),
        expires_at=stored.expires_at and _moment(stored.expires_at),
        error=_error(stored),
        warnings=[JobWarning(**vars(warning)) for warning in stored.warnings],
        files=[_file(name, f"{url}/audio", stored.request) for name in stored.outputs],
        partial=stored.partial,
        events_url=f"{url}/events",
        audio_url=f"{url}/audio",
    )


def end_event(stored: StoredJob, root: str) -> EndEvent:
    """The last word about a finished job."""
    return EndEvent.model_validate({"event": stored.state.value, "job": job_body(stored, root)})


def _file(name: str, url: str, request: GenerationRequest) -> JobFile:
    take, stem, format = parts_of(name)
    seed = request.take(take).drawn_seed
    query = urlencode({"take": take, "format": format} | ({"stem": stem} if stem else {}))
    return JobFile(take=take, seed=seed, stem=stem, format=format, url=f"{url}?{query}")


def _request(stored: StoredJob) -> dict[str, Any]:
    fields = request_to_json(stored.request)
    return {WIRE_NAMES.get(name, name): value for name, value in fields.items()}


def _error(stored: StoredJob) -> JobError | None:
    if stored.error_message is None:
        return None
    return JobError(code=stored.error_code or stored.state.value, message=stored.error_message)


def _moment(seconds_since_1970: float) -> datetime:
    return datetime.fromtimestamp(seconds_since_1970, timezone.utc)
