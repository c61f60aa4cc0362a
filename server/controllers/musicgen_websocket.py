"""WS /api/v1/generate_music: the events of the SSE dialect, their sound in binary frames.

An event is a text message. Where the SSE dialect has `audio` in it, there is `audio_bytes`, and so
many bytes follow at once, in binary frames. No frame is longer than clients take unasked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from anyio import CapacityLimiter, sleep_forever
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from loguru import logger
from pydantic import BaseModel, Field
from starlette.types import Message

from server.controllers.bodies import parse_json, validate
from server.controllers.keys import Keys
from server.controllers.musicgen_messages import EMPTY_AUDIO, Messages, event_json
from server.controllers.musicgen_sse import (
    ROUTE,
    SOUND_FILES,
    WIRE_NAMES,
    GenerateMusic,
    to_request,
)
from server.controllers.problems import unforeseen
from server.controllers.rate_limits import RateLimiter
from server.controllers.recordings import RecordingReader
from server.controllers.responses import pieces, race
from server.errors import BadRequest, ContinuoError, MalformedBody, Refused
from server.service.generation import GenerationService
from server.service.jobs import Job

DIALECT = "musicgen-websocket"
CANCEL = {"cancel": True}
#: A refusal closes with this and the status that HTTP would have; 4000 and up are free for that.
CLOSE_CODES_FROM = 4000
#: The client reads nothing any more, or came from a page that may not call.
POLICY_VIOLATION = 1008


class RefusalEvent(BaseModel):
    """The last message before the server closes: a request was refused, or makes no sense."""

    event: Literal["error"] = "error"
    error: str = Field(description="a code for programs")
    message: str
    field: str | None
    retry_after: int | None = Field(description="seconds")


class Frames(NamedTuple):
    """An event as text, and the sound that follows it."""

    text: str
    sound: bytes


def as_frames(event: BaseModel, audio: bytes | None) -> Frames:
    """The event, with the length of its sound in place of the sound."""
    text = event_json(event)
    if audio is not None:
        text = text.replace(EMPTY_AUDIO, b'"audio_bytes":%d' % len(audio), 1)
    return Frames(text.decode(), audio or b"")


class Inbox:
    """What a client sends, message by message; none is lost when a wait for it is given up."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._coming: asyncio.Future[Message] | None = None

    async def next(self) -> Message:
        self._coming = self._coming or asyncio.ensure_future(self._socket.receive())
        message = await asyncio.shield(self._coming)
        self._coming = None
        return message

    def put_back(self, message: Message) -> None:
        self._coming = asyncio.get_running_loop().create_future()
        self._coming.set_result(message)

    def close(self) -> None:
        if self._coming is not None:
            self._coming.cancel()


def said(message: Message) -> object:
    """The JSON in `message`. Raises `MalformedBody`, or `WebSocketDisconnect` if it is the end."""
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    if message.get("text") is None:
        raise MalformedBody(None, "a message must be JSON as text; got a binary one")
    return parse_json(message["text"])


class Conversation:
    """One socket: requests one after the other, each with a job that this owns."""

    def __init__(
        self,
        socket: WebSocket,
        service: GenerationService,
        keys: Keys,
        waiting_places: int,
        send_timeout_seconds: float,
        encoders: CapacityLimiter,
        limiter: RateLimiter,
        recordings: RecordingReader,
        debug: bool,
    ) -> None:
        self._socket = socket
        self._service = service
        self._keys = keys
        self._waiting_places = waiting_places
        self._send_timeout_seconds = send_timeout_seconds
        self._encoders = encoders
        self._limiter = limiter
        self._recordings = recordings
        self._debug = debug
        self._inbox = Inbox(socket)

    async def hold(self) -> None:
        """Answer until the client closes, stops reading, or says what cannot be met."""
        try:
            await self._keys.user(self._socket)
            while True:
                wish = said(await self._inbox.next())
                if wish != CANCEL:  # nothing runs: it came too late
                    await self._answer(wish)
        except WebSocketDisconnect:
            pass
        except asyncio.TimeoutError:
            logger.info("A WebSocket's client stopped reading")
            await self._socket.close(POLICY_VIOLATION, "nothing was read for too long")
        except ContinuoError as error:
            await self._refuse(error.renamed(WIRE_NAMES))
        except Exception as error:
            await self._refuse(unforeseen(error, self._debug))
        finally:
            self._inbox.close()

    async def _answer(self, wish: object) -> None:
        body = validate(GenerateMusic, wish)
        await self._limiter.count(self._socket)
        wanted = to_request(body, await self._recordings.read(body))
        job = self._service.submit(wanted, DIALECT, self._waiting_places)
        try:
            await race(self._tell(job, body.stream_audio), self._listen(job))
        finally:
            self._service.end(job)

    async def _tell(self, job: Job, stream_audio: bool) -> None:
        messages = Messages(job, stream_audio, self._encoders, self._debug, as_frames)
        async with aclosing(aiter(messages)) as told:
            async for frames in told:
                await self._send({"type": "websocket.send", "text": frames.text})
                for piece in pieces(frames.sound):
                    await self._send({"type": "websocket.send", "bytes": piece})
        job.delivered = True

    async def _listen(self, job: Job) -> None:
        while True:
            message = await self._inbox.next()
            if said(message) == CANCEL:
                self._service.cancel(job, "cancelled by the client")
            elif job.finished:  # the end is on its way to the client, this is the next request
                self._inbox.put_back(message)
                await sleep_forever()
            else:
                raise BadRequest(None, 'while music is made only {"cancel": true} is understood')

    async def _refuse(self, error: ContinuoError) -> None:
        self._service.metrics.requests.labels(DIALECT, "", error.code).inc()
        refusal = RefusalEvent(
            error=error.code,
            message=error.message,
            field=error.field if isinstance(error, BadRequest) else None,
            retry_after=error.retry_after_seconds if isinstance(error, Refused) else None,
        )
        try:
            await self._send({"type": "websocket.send", "text": refusal.model_dump_json()})
            await self._socket.close(CLOSE_CODES_FROM + error.status, error.code)
        except (WebSocketDisconnect, asyncio.TimeoutError):
            pass  # it does not listen any more

    async def _send(self, message: Message) -> None:
        await asyncio.wait_for(self._socket.send(message), self._send_timeout_seconds)


def may_call(socket: WebSocket, origins: Sequence[str]) -> bool:
    """Whether the page that opened `socket` may: browsers ask nobody before they open one."""
    origin = socket.headers.get("origin")
    own = urlsplit(origin or "").netloc == socket.headers.get("host")
    return origin is None or own or origin in origins or "*" in origins


def router(
    service: GenerationService,
    keys: Keys,
    waiting_places: int,
    send_timeout_seconds: float,
    encoders: CapacityLimiter,
    limiter: RateLimiter,
    origins: Sequence[str],
    debug: bool,
) -> APIRouter:
    """The dialect's one route."""
    routes = APIRouter()
    recordings = RecordingReader(SOUND_FILES)

    @routes.websocket(ROUTE)
    async def generate_music(socket: WebSocket) -> None:
        if not may_call(socket, origins):
            await socket.close(POLICY_VIOLATION)
            return
        await socket.accept()
        talk = Conversation(
            socket,
            service,
            keys,
            waiting_places,
            send_timeout_seconds,
            encoders,
            limiter,
            recordings,
            debug,
        )
        await talk.hold()

    return routes
