"""The sound files of a body, read off the event loop."""

from __future__ import annotations

from collections.abc import Mapping

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel

from server.audio.recordings import Excerpt, UnusableRecording, read_recording
from server.errors import BadRequest
from server.generation import Recording

#: What DiffRhythm's style encoder hears of a recording; less would be another style.
STYLE_EXCERPT = Excerpt("middle", max_seconds=10, min_seconds=10)
#: Longer than any song that can be edited.
SONG_EXCERPT = Excerpt("first", max_seconds=300)
#: Files read at once: it bounds what their sound takes before a request has a place.
NUM_READERS = 2


class RecordingReader:
    """Reads the fields of a body that are sound files; `excerpts` says what is used of each."""

    def __init__(self, excerpts: Mapping[str, Excerpt]) -> None:
        self._excerpts = excerpts
        self._readers = CapacityLimiter(NUM_READERS)

    async def read(self, body: BaseModel) -> dict[str, Recording]:
        """The sound of each file that was sent, by field. Raises `BadRequest`."""
        files = {name: getattr(body, name, None) for name in self._excerpts}
        return {
            name: await self._read(name, file) for name, file in files.items() if file is not None
        }

    async def _read(self, name: str, file: bytes) -> Recording:
        try:
            return await to_thread.run_sync(
                read_recording, file, self._excerpts[name], limiter=self._readers
            )
        except UnusableRecording as error:
            raise BadRequest(name, str(error)) from None
