"""What every request passes: an id, a line in the log, a bound on its body."""

from __future__ import annotations

import re
import time
import uuid
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import quote

from loguru import logger
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import tracing
from server.errors import BodyTooLarge
from server.logs import request_id

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
#: Asked every few seconds by machines: not worth a line each.
QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
#: What begins an answer, whose headers may be added to.
ANSWERS = frozenset({"http.response.start", "websocket.accept"})
#: The status of a connection that became a WebSocket.
SWITCHED = 101


class RequestId:
    """Names each request, by the caller's `X-Request-Id` if that is sane, and logs its end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        name = asked if SANE_ID.fullmatch(asked) else uuid.uuid4().hex
        token = request_id.set(name)
        begun, status = time.monotonic(), 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] in ANSWERS:
                status = message.get("status", SWITCHED)
                MutableHeaders(scope=message)["X-Request-Id"] = name
            await send(message)

        try:
            with _span(scope, name) as note:
                await self.app(scope, receive, send_named)
                note(_outcome(scope, status))
        finally:
            _log(scope, status, time.monotonic() - begun)
            request_id.reset(token)


def _log(scope: Scope, status: int, seconds: float) -> None:
    level = "DEBUG" if scope["path"] in QUIET_PATHS else "INFO"
    path = quote(scope["path"])  # no line breaks of the caller's in our log
    logger.log(level, "{} {} {} {:.3f} s", _method(scope), path, status or "no answer", seconds)


def _span(scope: Scope, name: str) -> AbstractContextManager[tracing.Note]:
    """What is asked every few seconds is no more worth a trace than a line."""
    if scope["path"] in QUIET_PATHS:
        return nullcontext(lambda more: None)
    within = tracing.arrived(Headers(scope=scope))
    attributes = {"http.request.method": _method(scope), "continuo.request_id": name}
    return tracing.span(_method(scope), attributes, within)


def _outcome(scope: Scope, status: int) -> dict[str, str | int]:
    """By the route's pattern: names of spans should be few."""
    route = str(getattr(scope.get("route"), "path", "unknown"))
    name = f"{_method(scope)} {route}"
    return {"name": name, "http.route": route, "http.response.status_code": status}


def _method(scope: Scope) -> str:
    return str(scope.get("method", "WebSocket"))


class BodyLimit:
    """Stops reading a body at `max_body_bytes`."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        num_bytes = 0

        async def receive_bounded() -> Message:
            nonlocal num_bytes
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if num_bytes > self.max_body_bytes:
                limit = self.max_body_bytes
                raise BodyTooLarge(f"the body must be at most {limit} bytes (MAX_BODY_BYTES)")
            return message

        await self.app(scope, receive_bounded, send)
