"""The DiffRhythm job dialect: /api/generate, /api/edit, /api/status, /api/download, /api/tasks."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse

from server.audio.formats import FORMATS
from server.controllers.answer_descriptions import Responses, errors_of_work, file_of
from server.controllers.bodies import read_body
from server.controllers.diffrhythm_bodies import (
    SOUND_FILES,
    WIRE_NAMES,
    EditSong,
    GenerateSong,
    SongHealth,
    SongQueued,
    SongStatus,
    TaskDeleted,
    status,
    to_request,
)
from server.controllers.openapi import json_or_form
from server.controllers.problems import DetailBody, as_detail, route_class
from server.controllers.rate_limits import RateLimiter
from server.controllers.recordings import RecordingReader
from server.errors import ContinuoError, NotReady, Unavailable, UnknownModel
from server.service.generation import GenerationService
from server.service.stored_jobs import StoredJobs

DIALECT = "diffrhythm"
MEDIA_TYPE = FORMATS["wav"].media_type

problems = partial(errors_of_work, {"model": DetailBody})
SOUND: Responses = file_of([MEDIA_TYPE]) | {
    400: {
        "model": DetailBody,
        "description": "It is not completed, has no such take, or `Range` cannot be read",
    }
}


def as_text(error: ContinuoError) -> Response:
    """`{"detail": text}`; what was asked for too early is a 400, as it is published."""
    response = as_detail(error.renamed(WIRE_NAMES), bad_request_status=400)
    if isinstance(error, NotReady):
        response.status_code = 400
    return response


def router(
    service: GenerationService, jobs: StoredJobs, model: str, limiter: RateLimiter, debug: bool
) -> APIRouter:
    """The routes; `model` serves them."""

    def problem(error: ContinuoError) -> Response:
        service.metrics.requests.labels(DIALECT, "", error.code).inc()
        return as_text(error)

    routes = APIRouter(
        prefix="/api",
        route_class=route_class(problem, debug, bad_parameter_status=400),
        tags=["DiffRhythm jobs"],
    )
    recordings = RecordingReader(SOUND_FILES)

    async def submit(body: GenerateSong) -> SongQueued:
        wish = to_request(body, await recordings.read(body), _served(service, model))
        (stored,) = await jobs.submit([wish], DIALECT)
        return SongQueued(task_id=stored.id)

    @routes.post(
        "/generate",
        dependencies=[Depends(limiter.watch)],
        responses=problems(400, 413, 429),
        openapi_extra=json_or_form(GenerateSong),
    )
    async def generate(request: Request) -> SongQueued:
        """Store a song to be made of lyrics and a style, and answer with its id at once."""
        return await submit(await read_body(GenerateSong, request))

    @routes.post(
        "/edit",
        dependencies=[Depends(limiter.watch)],
        responses=problems(400, 413, 429),
        openapi_extra=json_or_form(EditSong),
    )
    async def edit(request: Request) -> SongQueued:
        """Store a song of which parts are to be made anew, and answer with its id at once."""
        return await submit(await read_body(EditSong, request))

    @routes.get("/status/{task_id}", responses=problems(404, 410))
    async def song_status(task_id: str) -> SongStatus:
        """Say how far a job is, and what lyrics are sung when."""
        return status(await jobs.get(task_id))

    @routes.get(
        "/download/{task_id}", response_class=Response, responses=problems(404, 410) | SOUND
    )
    async def download(task_id: str, take: Annotated[int, Query(ge=0)] = 0) -> Response:
        """Give the WAV of a take, whole or by `Range`."""
        stored = await jobs.get(task_id)
        path = await jobs.audio(stored, take)
        return FileResponse(path, media_type=MEDIA_TYPE, filename=f"{stored.id}-{path.name}")

    @routes.delete("/tasks/{task_id}", responses=problems(404))
    async def delete(task_id: str) -> TaskDeleted:
        """Cancel a job if it has not ended, and remove it with its files."""
        await jobs.delete(task_id)
        return TaskDeleted(message=f"Task {task_id} deleted successfully")

    @routes.get("/health")
    async def health() -> SongHealth:
        """Say that the process lives, and whether the model of this interface can be used."""
        try:
            service.loader.check_available(service.registry.entry(_served(service, model)))
        except Unavailable as error:
            return SongHealth(message=error.message)
        return SongHealth(message=f"Songs are made by {model}")

    return routes


def _served(service: GenerationService, model: str) -> str:
    """The model's name. Raises `Unavailable` where this server has no such model."""
    try:
        return service.registry.entry(model).name
    except UnknownModel:
        raise Unavailable(
            f"{model}, the model of this interface, is not one of this server's",
            "Set DIFFRHYTHM_MODEL to one of /api/v1/models that sings",
        ) from None
