"""The direct WAV dialect, POST /generate: one request, one file, nothing kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, Request, Response
from loguru import logger
from pydantic import Field
from starlette.types import Receive, Scope, Send

from server.audio.formats import FORMATS, encode
from server.controllers.answer_descriptions import Responses, errors_of_work
from server.controllers.bodies import Body, Integer, Text, read_json, validate
from server.controllers.encoding import stoppable
from server.controllers.openapi import json_body
from server.controllers.problems import DetailBody, as_detail, route_class
from server.controllers.rate_limits import RateLimiter
from server.controllers.responses import gone, pieces, race
from server.errors import ContinuoError, Interrupted
from server.events import Cancelled, Failed
from server.generation import GenerationRequest
from server.models.registry import Entry, Phase
from server.service.generation import GenerationService
from server.service.jobs import Job

DIALECT = "direct-wav"
ROUTE = "/generate"
#: Field of the request → its name in this dialect.
WIRE_NAMES = {"duration_seconds": "duration"}
MEDIA_TYPE = FORMATS["wav"].media_type


class Generate(Body):
    """A wish for a file."""

    model: Text = Field(description="a name of /api/v1/models", examples=["sketch"])
    prompt: Text = Field(description="what it should sound like", examples=["lofi with rain"])
    duration: Integer = Field(
        30, description="seconds; the default and the limits are the model's", examples=[10]
    )


def to_request(body: Generate) -> GenerationRequest:
    """The body in the server's words; what was not sent stays unset."""
    sent = "duration" in body.model_fields_set
    return GenerationRequest(body.prompt, body.model, body.duration if sent else None)


class WavResponse(Response):
    """The whole sound of `job`, which it owns, as a file; or why there is none.

    Only when all is made does an answer begin: a failure is then a status with a message, and
    never half a file that looks like one. When the client goes, only synchronous code is sure to
    run.
    """

    def __init__(
        self,
        service: GenerationService,
        job: Job,
        encoders: CapacityLimiter,
        send_timeout_seconds: float,
        debug: bool,
    ) -> None:
        super().__init__(media_type=MEDIA_TYPE)
        self._service = service
        self._job = job
        self._encoders = encoders
        self._send_timeout_seconds = send_timeout_seconds
        self._debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await race(self._answer(scope, receive, send), gone(receive))
        except asyncio.TimeoutError:
            logger.info("Job {}: its client stopped reading", self._job.id)
        finally:
            self._service.end(self._job)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async for event in self._job.log.read():
            if isinstance(event, Failed):
                await as_detail(event.error, self._debug)(scope, receive, send)
                return
            if isinstance(event, Cancelled):
                await as_detail(Interrupted(event.reason))(scope, receive, send)
                return
        await self._send(await stoppable(self._file, self._encoders), send)
        self._job.delivered = True

    def _file(self, stopped: Callable[[], bool]) -> bytes:
        """Blocking: runs on a worker thread."""
        info = self._job.info
        sound = (chunk.samples for chunk in self._job.log.chunks(0))
        return encode(sound, info.sample_rate, info.channels, "wav", stopped)

    async def _send(self, file: bytes, send: Send) -> None:
        self.headers["Content-Length"] = str(len(file))
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for piece in pieces(file):
            message = {"type": "http.response.body", "body": piece, "more_body": True}
            await asyncio.wait_for(send(message), self._send_timeout_seconds)
        await send({"type": "http.response.body", "body": b""})


def places(entry: Entry, waiting_places: int) -> int:
    """A model is loaded on first use: who asks first waits for that, whatever is set."""
    return waiting_places if entry.phase is Phase.READY else max(1, waiting_places)


RESPONSES: Responses = errors_of_work({"model": DetailBody}, 413, 422, 429) | {
    200: {"description": "The file", "content": {MEDIA_TYPE: {}}}
}


def router(
    service: GenerationService,
    waiting_places: int,
    send_timeout_seconds: float,
    encoders: CapacityLimiter,
    limiter: RateLimiter,
    debug: bool,
) -> APIRouter:
    """The dialect's one route."""

    def problem(error: ContinuoError) -> Response:
        service.metrics.requests.labels(DIALECT, "", error.code).inc()
        return as_detail(error.renamed(WIRE_NAMES))

    routes = APIRouter(route_class=route_class(problem, debug), tags=["direct WAV"])

    @routes.post(
        ROUTE,
        dependencies=[Depends(limiter.watch)],
        response_class=Response,
        responses=RESPONSES,
        openapi_extra=json_body(Generate),
    )
    async def generate(request: Request) -> WavResponse:
        """Make music from a prompt, and answer with the whole of it. Leaving stops the work."""
        wish = to_request(validate(Generate, await read_json(request)))
        entry = service.registry.entry(wish.model)
        # No await from here to the response's own __call__, as in the dialect with streams.
        job = service.submit(wish, DIALECT, places(entry, waiting_places))
        return WavResponse(service, job, encoders, send_timeout_seconds, debug)

    return routes
