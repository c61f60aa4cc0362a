"""The Lyria job dialect: /generate-music, /music-status, /download-music, /api-keys/stats."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from server.audio.formats import FORMATS
from server.controllers.answer_descriptions import MEANINGS, Responses, errors_of_work, file_of
from server.controllers.bodies import read_json, validate
from server.controllers.keys import Keys
from server.controllers.lyria_bodies import (
    DIALECT,
    WIRE_NAMES,
    FaultsBody,
    FieldFault,
    KeyStats,
    LyriaRequest,
    LyriaStarted,
    LyriaStatus,
    file_name,
    key_stats,
    started,
    status,
    to_request,
)
from server.controllers.openapi import json_body
from server.controllers.problems import DetailBody, as_detail, route_class
from server.controllers.rate_limits import HEADERS, RateLimiter
from server.errors import BadRequest, ContinuoError, Unavailable, UnknownModel
from server.generation import MUSICAL_CONTROLS
from server.models.base import ModelInfo
from server.models.key_pool import KeyPool
from server.models.registry import Entry
from server.service.generation import GenerationService
from server.service.keeping import convert_to_stereo
from server.service.stored_jobs import StoredJobs

ROUTE = "/generate-music"
#: Published: whatever the model makes, clients get this.
SAMPLE_RATE, CHANNELS = 48_000, 2
MEDIA_TYPE = FORMATS["wav"].media_type

problems = partial(errors_of_work, {"model": DetailBody})
FAULTS: Responses = {422: {"model": FaultsBody, "description": MEANINGS[422]}}
SOUND = file_of([MEDIA_TYPE])
LIMITED: Responses = {200: {"headers": {name: {"schema": {"type": "integer"}} for name in HEADERS}}}


def as_faults(error: ContinuoError) -> JSONResponse:
    """`{"detail": …}`: a list of faults where the request is wrong, else a text."""
    error = error.renamed(WIRE_NAMES)
    if not isinstance(error, BadRequest):
        return as_detail(error)
    where = ["body", error.field] if error.field else ["body"]
    fault = FieldFault(type=error.code, loc=where, msg=error.message)
    return JSONResponse(FaultsBody(detail=[fault]).model_dump(), 422)


def router(
    service: GenerationService,
    jobs: StoredJobs,
    keys: Keys,
    pool: KeyPool,
    model: str,
    limiter: RateLimiter,
    debug: bool,
) -> APIRouter:
    """The routes; `model` serves them."""

    def problem(error: ContinuoError) -> Response:
        service.metrics.requests.labels(DIALECT, "", error.code).inc()
        return as_faults(error)

    routes = APIRouter(route_class=route_class(problem, debug), tags=["Lyria jobs"])

    @routes.post(
        ROUTE,
        dependencies=[Depends(limiter.watch)],
        responses=LIMITED | problems(413, 429) | FAULTS,
        openapi_extra=json_body(LyriaRequest),
    )
    async def generate(request: Request) -> LyriaStarted:
        """Store a job, and answer with its id at once."""
        body = validate(LyriaRequest, await read_json(request))
        info = _serving(service, model).model.info
        left_out = _not_understood(info, body)
        (stored,) = await jobs.submit([to_request(body, info, left_out)], DIALECT)
        return started(stored, left_out)

    @routes.get(
        "/music-status/{task_id}",
        response_model_exclude_none=True,
        responses=problems(404, 410),
    )
    async def music_status(task_id: str, request: Request) -> LyriaStatus:
        """Say how far a job is."""
        stored = await jobs.get(task_id)
        return status(stored, f"{request.scope.get('root_path', '')}/download-music/{stored.id}")

    @routes.get(
        "/download-music/{task_id}",
        response_class=Response,
        responses=problems(404, 409, 410) | SOUND,
    )
    async def download(task_id: str) -> Response:
        """Give the WAV, 48 kHz and 16-bit stereo whatever the model made, whole or by `Range`; of a
        job that failed in the middle, what was made before that."""
        stored = await jobs.get(task_id)
        path = await jobs.audio(stored)
        if (stored.sample_rate, stored.channels) != (SAMPLE_RATE, CHANNELS):
            make = partial(convert_to_stereo, path, sample_rate=SAMPLE_RATE, stored=stored)
            path = await jobs.derived(stored, ".48000-stereo.wav", make)
        return FileResponse(path, media_type=MEDIA_TYPE, filename=file_name(stored))

    @routes.get("/api-keys/stats", dependencies=keys.for_admins, responses=problems(401, 403))
    async def stats() -> KeyStats:
        """Say how upstream keys are used, without naming them."""
        return key_stats(pool.usage)

    return routes


def _serving(service: GenerationService, model: str) -> Entry:
    """The model of this interface. Raises `Unavailable`, which also names one that needs no key."""
    remedy = "Set GENAI_API_KEY_1"
    try:
        entry = service.registry.entry(model)
    except UnknownModel:
        reason = "there is no such model"
    else:
        known = entry.model.info.availability
        if known.available:
            return entry
        reason, remedy = known.reason, known.remedy
    raise Unavailable(
        f"{model}, the model of this interface, is not available on this server: {reason}",
        f"{remedy}, or set LYRIA_MODEL=sketch, which needs no key",
    )


def _not_understood(info: ModelInfo, body: LyriaRequest) -> list[str]:
    """The musical settings that were sent and that the model does not have: published clients send
    them to every model, and who has no use for one does without."""
    understood = {control.name for control in info.controls}
    return sorted(body.model_fields_set.intersection(MUSICAL_CONTROLS) - understood)
