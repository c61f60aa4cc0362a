"""The sound files of a body, read off the event loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel

from server.audio.recordings import UnusableRecording, read_recording
from server.errors import BadRequest
from server.generation import Recording

#: Files read at once: it bounds what their sound takes before a request has a place.
NUM_READERS = 2


class RecordingReader:
    """Reads the fields of a body that are sound files; `parts` says what is used of each."""

    def __init__(self, parts: Mapping[str, Literal["first", "last"]]) -> None:
        self._parts = parts
        self._readers = CapacityLimiter(NUM_READERS)

    async def read(self, body: BaseModel) -> dict[str, Recording]:
        """The sound of each file that was sent, by field. Raises `BadRequest`."""
        files = {name: getattr(body, name) for name in self._parts}
        return {
            name: await self._read(name, file) for name, file in files.items() if file is not None
        }

    async def _read(self, name: str, file: bytes) -> Recording:
        try:
            return await to_thread.run_sync(
                read_recording, file, self._parts[name], limiter=self._readers
            )
        except UnusableRecording as error:
            raise BadRequest(name, str(error)) from None
