"""Our own jobs: /api/v1/jobs. Stored before they are answered for; they outlive both sides."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse
from sse_starlette import EventSourceResponse

from server.audio.formats import FORMATS
from server.controllers.bodies import read_json, validate
from server.controllers.job_bodies import ROUTE, JobBody, JobPage, JobsBody, job_body
from server.controllers.job_descriptions import BODY, EVENT_STREAM, SOUND, problems
from server.controllers.job_events import JobMessages
from server.controllers.musicgen_sse import WIRE_NAMES, GenerateMusic, to_request
from server.controllers.problems import as_problem, route_class
from server.errors import BadRequest, ContinuoError
from server.events import State
from server.generation import GenerationRequest
from server.service.generation import GenerationService
from server.service.stored_events import EventId, last_id
from server.service.stored_jobs import StoredJobs
from server.stores.stored_job import IdempotencyKey, StoredJob

DIALECT = "jobs"
MAX_LIST = 100
MAX_PAGE = 100
KEY = re.compile(r"[!-~]{1,255}")
SANE_CURSOR = r"^[0-9]{1,18}$"


def router(
    service: GenerationService, jobs: StoredJobs, send_timeout_seconds: float, debug: bool
) -> APIRouter:
    """The routes."""

    def problem(error: ContinuoError) -> Response:
        return as_problem(error, WIRE_NAMES)

    routes = APIRouter(prefix=ROUTE, route_class=route_class(problem, debug), tags=["jobs"])

    @routes.post(
        "",
        status_code=202,
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
        body = await read_json(request)
        key = _key(idempotency_key, body)
        root = request.scope.get("root_path", "")
        if isinstance(body, list):
            stored = await jobs.submit(_requests(service, body), DIALECT, key)
            return JobsBody(jobs=[job_body(job, root) for job in stored])
        stored = await jobs.submit([to_request(validate(GenerateMusic, body))], DIALECT, key)
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
        messages = aiter(JobMessages(stored, jobs.events(stored, after), audio, root))
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
            media_type=known.media_type if known else "audio/midi",
            filename=f"{id}-{path.name}",
            content_disposition_type="inline",
        )

    return routes


async def _whole(jobs: StoredJobs, stored: StoredJob, root: str) -> JobBody:
    """The job with its place in the queue."""
    queued = stored.state is State.QUEUED
    return job_body(stored, root, await jobs.position(stored) if queued else None)


def _requests(service: GenerationService, bodies: list[object]) -> list[GenerationRequest]:
    """The wishes of a list; an error says which of them is wrong."""
    if not 1 <= len(bodies) <= MAX_LIST:
        allowed = f"a job, or a list of 1 to {MAX_LIST}"
        raise BadRequest(None, f"the body must be {allowed}; got {len(bodies)}")
    requests = []
    for index, body in enumerate(bodies):
        try:
            requests.append(service.resolve(to_request(validate(GenerateMusic, body)))[1])
        except BadRequest as error:
            named = error.renamed(WIRE_NAMES)
            place = f"{index}.{named.field}" if named.field else str(index)
            raise type(named)(place, named.problem) from None
    return requests


def _key(name: str | None, body: object) -> IdempotencyKey | None:
    """The submission's name; the body's digest does not depend on how its JSON is written."""
    if name is None:
        return None
    if not KEY.fullmatch(name):
        raise BadRequest.value("Idempotency-Key", "1 to 255 visible ASCII characters", name)
    written = json.dumps(body, sort_keys=True).encode()
    return IdempotencyKey(name, hashlib.sha256(written).hexdigest())
