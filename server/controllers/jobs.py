"""Our own jobs: /api/v1/jobs. Stored before they are answered for; they outlive both sides."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import FileResponse
from sse_starlette import EventSourceResponse

from server.audio.formats import DOCUMENT_MEDIA_TYPES, FORMATS
from server.controllers.bodies import read_body, read_json, validate
from server.controllers.forms import is_form
from server.controllers.job_bodies import ROUTE, JobBody, JobPage, JobsBody, job_body
from server.controllers.job_descriptions import BODY, EVENT_STREAM, SOUND, problems
from server.controllers.job_events import JobMessages
from server.controllers.musicgen_sse import (
    SOUND_FILES,
    WIRE_NAMES,
    GenerateMusic,
    to_request,
)
from server.controllers.problems import as_problem, route_class
from server.controllers.rate_limits import RateLimiter
from server.controllers.recordings import RecordingReader
from server.errors import BadRequest, ContinuoError, Refused, Unauthorized
from server.events import State
from server.generation import GenerationRequest
from server.service.generation import GenerationService
from server.service.stored_events import EventId, last_id
from server.service.stored_jobs import StoredJobs
from server.stores.stored_job import IdempotencyKey, StoredJob

DIALECT = "jobs"
MAX_LIST = 100
MAX_PAGE = 100
#: What sound files may become in memory: a song and its style, or ten melodies.
MAX_SOUND_SECONDS = 310
KEY = re.compile(r"[!-~]{1,255}")
SANE_CURSOR = r"^[0-9]{1,18}$"


def router(
    service: GenerationService,
    jobs: StoredJobs,
    send_timeout_seconds: float,
    limiter: RateLimiter,
    debug: bool,
) -> APIRouter:
    """The routes."""

    def problem(error: ContinuoError) -> Response:
        if isinstance(error, BadRequest | Refused | Unauthorized):
            service.metrics.requests.labels(DIALECT, "", error.code).inc()
        return as_problem(error, WIRE_NAMES)

    recordings = RecordingReader(SOUND_FILES)

    routes = APIRouter(prefix=ROUTE, route_class=route_class(problem, debug), tags=["jobs"])

    @routes.post(
        "",
        status_code=202,
        dependencies=[Depends(limiter.watch)],
        response_model=JobBody | JobsBody,
        responses=problems(413, 422, 429),
        openapi_extra=BODY,
    )
    async def submit(
        request: Request,
        response: Response,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> JobBody | JobsBody:
        """Store a job, or a list of up to 100 as a whole, and answer with it at once."""
        bodies, is_list = await _read(request)
        key = _key(idempotency_key, bodies)
        root = request.scope.get("root_path", "")
        stored = await jobs.submit(
            await _requests(service, recordings, bodies, is_list), DIALECT, key
        )
        if is_list:
            return JobsBody(jobs=[job_body(job, root) for job in stored])
        response.headers["Location"] = f"{root}{ROUTE}/{stored[0].id}"
        return await _whole(jobs, stored[0], root)

    @routes.get("", responses=problems(422))
    async def page(
        request: Request,
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Annotated[str | None, Query(pattern=SANE_CURSOR)] = None,
    ) -> JobPage:
        """List the jobs, the newest first."""
        found = await jobs.page(state, int(cursor) if cursor else None, limit + 1)
        root = request.scope.get("root_path", "")
        more = len(found) > limit
        return JobPage(
            jobs=[job_body(job, root) for job in found[:limit]],
            next_cursor=str(found[limit - 1].number) if more else None,
        )

    @routes.get("/{id}", responses=problems(404, 410))
    async def get(id: str, request: Request) -> JobBody:
        """Say how far a job is."""
        return await _whole(jobs, await jobs.get(id), request.scope.get("root_path", ""))

    @routes.post("/{id}/cancel", responses=problems(404, 410))
    async def cancel(id: str, request: Request) -> JobBody:
        """End a job, if it has not ended; answer with it as it is now."""
        stored = await jobs.cancel(await jobs.get(id))
        return await _whole(jobs, stored, request.scope.get("root_path", ""))

    @routes.delete("/{id}", status_code=204, responses=problems(404))
    async def delete(id: str) -> None:
        """Cancel a job if it has not ended, and remove it with its files."""
        await jobs.delete(id)

    @routes.get(
        "/{id}/events", response_class=Response, responses=EVENT_STREAM | problems(404, 410, 422)
    )
    async def events(
        id: str,
        request: Request,
        audio: bool = True,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Stream what happens to a job: from its beginning, or from after `Last-Event-ID`."""
        after = EventId.parse(last_event_id) if last_event_id else None
        stored = await jobs.get(id)
        if stored.finished and after == last_id(stored):
            return Response(status_code=204)  # an EventSource does not come back after that
        root = request.scope.get("root_path", "")
        streams = audio and stored.request.normalize is None  # its level is known at the end
        messages = aiter(JobMessages(stored, jobs.events(stored, after), streams, root))
        return EventSourceResponse(messages, ping=0, sep="\n", send_timeout=send_timeout_seconds)

    @routes.head("/{id}/audio", include_in_schema=False)
    @routes.get(
        "/{id}/audio", response_class=Response, responses=SOUND | problems(404, 409, 410, 422)
    )
    async def audio(
        id: str,
        format: str | None = None,
        take: Annotated[int, Query(ge=0)] = 0,
        stem: str | None = None,
    ) -> Response:
        """Give the file of a take, whole or by `Range`."""
        stored = await jobs.get(id)
        format = format or stored.request.format
        path = await jobs.audio(stored, take, format, stem)
        known = FORMATS.get(format)
        return FileResponse(
            path,
            media_type=known.media_type if known else DOCUMENT_MEDIA_TYPES[format],
            filename=f"{id}-{path.name}",
            content_disposition_type="inline",
        )

    return routes


async def _whole(jobs: StoredJobs, stored: StoredJob, root: str) -> JobBody:
    """The job with its place in the queue."""
    queued = stored.state is State.QUEUED
    return job_body(stored, root, await jobs.position(stored) if queued else None)


async def _read(request: Request) -> tuple[list[GenerateMusic], bool]:
    """The wishes in the body, and whether they came as a list; an error says which is wrong."""
    if is_form(request):
        return [await read_body(GenerateMusic, request)], False
    value = await read_json(request)
    if not isinstance(value, list):
        return [validate(GenerateMusic, value)], False
    if not 1 <= len(value) <= MAX_LIST:
        allowed = f"a job, or a list of 1 to {MAX_LIST}"
        raise BadRequest(None, f"the body must be {allowed}; got {len(value)}")
    bodies = []
    for index, item in enumerate(value):
        with _item(index):
            bodies.append(validate(GenerateMusic, item))
    return bodies, True


async def _requests(
    service: GenerationService,
    recordings: RecordingReader,
    bodies: list[GenerateMusic],
    is_list: bool,
) -> list[GenerationRequest]:
    """The wishes as their models will see them; an error says which of a list is wrong."""
    _check_sound(bodies)
    requests = []
    for index, body in enumerate(bodies):
        with _item(index if is_list else None):
            wish = to_request(body, await recordings.read(body))
            requests.append(service.resolve(wish)[1])
    return requests


def _check_sound(bodies: list[GenerateMusic]) -> None:
    seconds = sum(
        excerpt.max_seconds
        for body in bodies
        for name, excerpt in SOUND_FILES.items()
        if getattr(body, name) is not None
    )
    if seconds > MAX_SOUND_SECONDS:
        held = f"its sound files may hold {seconds:g} s that are used"
        raise BadRequest(None, f"the list is too much at once: {held}, {MAX_SOUND_SECONDS} may be")


@contextmanager
def _item(index: int | None) -> Iterator[None]:
    """What is wrong here is wrong with that item of the list; None: there is no list."""
    try:
        yield
    except BadRequest as error:
        if index is None:
            raise
        named = error.renamed(WIRE_NAMES)
        place = f"{index}.{named.field}" if named.field else str(index)
        raise type(named)(place, named.problem) from None


def _key(name: str | None, bodies: list[GenerateMusic]) -> IdempotencyKey | None:
    """The submission's name; the digest is of what the bodies say, however they are written."""
    if name is None:
        return None
    if not KEY.fullmatch(name):
        raise BadRequest.value("Idempotency-Key", "1 to 255 visible ASCII characters", name)
    said = [sorted(body.model_dump(exclude_unset=True).items()) for body in bodies]
    return IdempotencyKey(name, hashlib.sha256(repr(said).encode()).hexdigest())
