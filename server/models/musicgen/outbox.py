"""The way back from the engine's thread to the event loop: one for each request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from server.errors import ContinuoError
from server.events import ModelEvent


class Outbox:
    """`post` and `close` are for the engine's thread, the rest for the loop it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[ModelEvent | None] = asyncio.Queue()
        self._closed = asyncio.Event()
        self._error: ContinuoError | None = None

    def post(self, event: ModelEvent) -> None:
        self._call(event)

    def close(self, error: ContinuoError | None = None) -> None:
        """Nothing more will come: the engine has let go."""
        self._error = error
        self._call(None)

    async def events(self) -> AsyncGenerator[ModelEvent, None]:
        """What is posted, in order, then the error if there was one."""
        while (event := await self._events.get()) is not None:
            yield event
        if self._error is not None:
            raise self._error

    async def closed(self) -> None:
        """Return once the engine has let go, however often this task is cancelled meanwhile."""
        cancelled = False
        while not self._closed.is_set():
            try:
                await self._closed.wait()
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError

    def _call(self, event: ModelEvent | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process is ending
            self._loop.call_soon_threadsafe(self._take, event)

    def _take(self, event: ModelEvent | None) -> None:
        self._events.put_nowait(event)
        if event is None:
            self._closed.set()
