"""GET /api/v1/stats: how the server is doing, for people; /metrics has more, for machines."""

from __future__ import annotations

import time

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from server import __version__
from server.controllers.answer_descriptions import errors
from server.controllers.problems import ErrorBody, as_json, route_class
from server.models.registry import Entry, Phase
from server.service.generation import GenerationService
from server.service.readiness import Readiness, readiness


class ModelStats(BaseModel):
    """A model that is loaded, or has been asked for. Means are null until there is anything."""

    name: str
    phase: Phase
    activity: str = Field(description="what it is doing while it is being loaded")
    memory_bytes: int = Field(description="held by it, or set aside for its load")
    slots: int
    slots_used: int
    waiting: int = Field(description="requests that wait for a slot")
    requests: dict[str, int] = Field(description="by outcome, since the server was started")
    audio_seconds: float = Field(description="music made")
    mean_wait_seconds: float | None = Field(description="for a slot")
    mean_first_audio_seconds: float | None = Field(description="until the first sound was made")
    mean_realtime_factor: float | None = Field(description="seconds of work per second of music")


class StatsBody(BaseModel):
    """What the server has done since it was started, and how it stands."""

    version: str
    status: Readiness
    message: str
    uptime_seconds: int
    jobs: int = Field(description="requests that wait, are worked on or are being delivered")
    requests: dict[str, int] = Field(description="by outcome: completed, or the code of an error")
    stored_jobs_waiting: int
    output_bytes: int = Field(description="all stored files, counted once a minute")
    models: list[ModelStats]


def router(service: GenerationService, debug: bool) -> APIRouter:
    """The route."""
    routes = APIRouter(route_class=route_class(as_json, debug), tags=["operations"])

    @routes.get(
        "/api/v1/stats",
        response_model=StatsBody,
        responses=errors({"model": ErrorBody}, 500),
    )
    async def stats() -> Response:
        """Say how the server is doing, in lines that people can read."""
        body = _stats(service).model_dump_json(indent=2)
        return Response(body + "\n", media_type="application/json")

    return routes


def _stats(service: GenerationService) -> StatsBody:
    metrics = service.metrics
    status, message = readiness(service)
    known = service.registry.entries
    used = [e for e in known if e.phase is not Phase.UNLOADED or metrics.num_requests(e.name)]
    return StatsBody(
        version=__version__,
        status=status,
        message=message,
        uptime_seconds=int(time.monotonic() - service.started_at),
        jobs=service.num_jobs,
        requests=metrics.num_requests(),
        stored_jobs_waiting=int(metrics.total(metrics.jobs_waiting)),
        output_bytes=int(metrics.total(metrics.output_bytes)),
        models=[_model(service, entry) for entry in used],
    )


def _model(service: GenerationService, entry: Entry) -> ModelStats:
    name, metrics, room = entry.name, service.metrics, service.room(entry)
    return ModelStats(
        name=name,
        phase=entry.phase,
        activity=entry.activity,
        memory_bytes=entry.memory_bytes,
        slots=entry.capacity.slots,
        slots_used=room.used.slots,
        waiting=room.num_waiting,
        requests=metrics.num_requests(name),
        audio_seconds=metrics.total(metrics.audio_seconds, name),
        mean_wait_seconds=metrics.mean(metrics.wait_seconds, name),
        mean_first_audio_seconds=metrics.mean(metrics.first_audio_seconds, name),
        mean_realtime_factor=metrics.mean(metrics.realtime_factor, name),
    )
