"""What happens to a stored job, as Server-Sent Events with ids."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from anyio import to_thread
from loguru import logger

from server.controllers.job_bodies import RestartedEvent, end_event
from server.controllers.musicgen_events import WarningEvent
from server.controllers.musicgen_messages import (
    audio_line,
    data_line,
    progress_event,
    queued_event,
    start_event,
)
from server.controllers.responses import with_heartbeat
from server.errors import StoreUnreachable
from server.events import AudioChunk, Progress, Queued, Started, Warning
from server.service.stored_events import Ended, Numbered, Restarted, Told
from server.stores.stored_job import StoredJob

#: A comment now and then, so that proxies keep the connection, and a listener knows that it lives.
HEARTBEAT_SECONDS = 5.0
HEARTBEAT = b": still there\n\n"
#: Browsers come back by themselves after this time.
RETRY = b"retry: 1000\n\n"
#: What happened → its `event:` line.
NAMES: dict[type[Told], str] = {
    Queued: "queued",
    Restarted: "restarted",
    Started: "start",
    Progress: "progress",
    AudioChunk: "audio",
    Warning: "warning",
}


class JobMessages:
    """The events of `stored` as messages, with a heartbeat; sound only if `audio`."""

    def __init__(
        self, stored: StoredJob, events: AsyncIterator[Numbered], audio: bool, root: str
    ) -> None:
        self._stored = stored
        self._sample_rate, self._channels = stored.sample_rate, stored.channels
        self._events = events
        self._audio = audio
        self._root = root
        self._told_at = time.monotonic()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return with_heartbeat(self._messages(), self._silent_seconds, self._beat)

    async def _messages(self) -> AsyncIterator[bytes]:
        yield RETRY
        try:
            async for numbered in self._events:
                if line := await self._to_wire(numbered.event):
                    self._told_at = time.monotonic()
                    yield _head(numbered) + line
        except StoreUnreachable as error:
            logger.info("Listeners of job {} must come back: {}", self._stored.id, error)

    async def _to_wire(self, event: Told) -> bytes:
        """The event as a `data:` line; empty where this listener is not told."""
        match event:
            case AudioChunk():
                if not self._audio:
                    return b""
                sound = (event, self._sample_rate, self._channels)
                return await to_thread.run_sync(audio_line, *sound)
            case Queued():
                return data_line(queued_event(event))
            case Restarted():
                return data_line(RestartedEvent())
            case Started():
                self._sample_rate, self._channels = event.sample_rate, event.channels
                return data_line(start_event(self._stored.id, event))
            case Progress(percent, pace):
                return data_line(progress_event(percent, pace))
            case Warning(code, message):
                return data_line(WarningEvent(code=code, message=message))
            case Ended(job):
                return data_line(end_event(job, self._root))
        return b""

    def _silent_seconds(self) -> float:
        return max(0.0, self._told_at + HEARTBEAT_SECONDS - time.monotonic())

    def _beat(self) -> bytes:
        self._told_at = time.monotonic()
        return HEARTBEAT


def _head(numbered: Numbered) -> bytes:
    """The lines before the `data:` line."""
    event = numbered.event
    name = event.job.state.value if isinstance(event, Ended) else NAMES[type(event)]
    id = f"id: {numbered.id}\n" if numbered.id else ""
    return f"{id}event: {name}\n".encode()
