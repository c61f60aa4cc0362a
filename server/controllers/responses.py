"""The SSE response that owns a job: when it ends, however it ends, so does the job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import TypeVar

from loguru import logger
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from server.service.generation import GenerationService
from server.service.jobs import Job

#: A long message is sent in pieces, so that a slow but living client is not taken for a dead one.
PIECE_BYTES = 64 * 1024

T = TypeVar("T")


class JobResponse(EventSourceResponse):
    """Streams `messages` about `job`.

    No clean-up depends on an `await`: when the client goes, this response's task is being
    cancelled, and only plain synchronous code is sure to run.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        service: GenerationService,
        job: Job,
        messages: AsyncIterator[bytes],
        send_timeout_seconds: float,
    ) -> None:
        # No pings of the library's: dialects send a heartbeat of their own.
        super().__init__(
            _delivering(job, messages), ping=0, sep="\n", send_timeout=send_timeout_seconds
        )
        self.headers["Connection"] = "close"
        self._service = service
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            logger.info("Job {}: its client stopped reading", self._job.id)
        finally:
            self._service.end(self._job)


async def _delivering(job: Job, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for message in messages:
        for piece in pieces(message):
            yield piece
    job.delivered = True


async def with_heartbeat(
    messages: AsyncIterator[T],
    silent_seconds: Callable[[], float | None],
    beat: Callable[[], T],
) -> AsyncGenerator[T, None]:
    """`messages`, and `beat()` whenever `silent_seconds()`, asked after each message, are over."""
    coming: asyncio.Future[T] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(messages))
            done, _ = await asyncio.wait({coming}, timeout=silent_seconds())
            if done:
                message, coming = coming.result(), None
                yield message
            else:
                yield beat()
    except StopAsyncIteration:
        return
    finally:
        if coming is not None:
            coming.cancel()


async def race(*works: Coroutine[None, None, None]) -> None:
    """Until one of them is done, which may raise; the others are cancelled, whatever happens."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for failure in [task.exception() for task in done]:
            if failure is not None:
                raise failure
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(_let_be)


def _let_be(task: asyncio.Future[None]) -> None:
    """Whatever came of it in the end; asyncio complains of failures that nobody looks at."""
    if not task.cancelled():
        task.exception()


async def gone(receive: Receive) -> None:
    """Until the client has closed the connection; its request must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


def pieces(message: bytes) -> Iterator[bytes]:
    """The message, cut so that a slow but living client is not taken for a dead one."""
    for start in range(0, len(message), PIECE_BYTES):
        yield message[start : start + PIECE_BYTES]
