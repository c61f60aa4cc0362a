"""The result of one request, gathered from its events."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clients.errors import ConnectionLost
from clients.events import Audio, Completed, Event, Started
from clients.output_file import OutputFile, save_stems, save_takes


@dataclass(frozen=True)
class Music:
    """A finished piece. A field is None where the server did not say."""

    path: Path
    stems: Mapping[str, Path]  # saved beside it, where they were asked for
    takes: Sequence[Path]  # of all takes, the first being `path`; their stems lie beside them
    audio: bytes = field(repr=False)  # the file at `path`, whole
    seed: int | None
    sample_rate: int | None
    duration_seconds: float | None
    model: str | None
    job_id: str | None
    lyrics: str | None  # where the model has written any
    #: From the call to the end of the work; to the first sound, where it was streamed.
    elapsed_seconds: float
    first_sound_seconds: float | None


class Recording:
    """Gathers the events of one request, from the call on."""

    def __init__(self) -> None:
        self._called_at = time.monotonic()
        self._started = Started()
        self._completed: Completed | None = None
        self._elapsed_seconds = 0.0
        self._first_sound_seconds: float | None = None

    def add(self, event: Event) -> None:
        """Take note of one event."""
        self._elapsed_seconds = time.monotonic() - self._called_at
        if isinstance(event, Started):
            self._started = event
        elif isinstance(event, Completed):
            self._completed = event
        elif isinstance(event, Audio) and self._first_sound_seconds is None:
            self._first_sound_seconds = self._elapsed_seconds

    def save(self, output: OutputFile) -> Music:
        """Write the finished piece to `output`. Raises OSError if that fails."""
        start, end = self._started, self._completed
        if end is None:
            raise ConnectionLost("there is nothing to save: the stream had no completed event")
        seed = start.seed if end.seed is None else end.seed
        path = output.save(end.audio, seed)
        return Music(
            path=path,
            stems=save_stems(path, end.stems),
            takes=(path, *save_takes(path, end.takes[1:])),
            audio=end.audio,
            seed=seed,
            sample_rate=end.sample_rate or start.sample_rate,
            duration_seconds=end.duration_seconds or start.duration_seconds,
            model=end.model or start.model,
            job_id=end.job_id or start.job_id,
            lyrics=end.lyrics,
            elapsed_seconds=self._elapsed_seconds,
            first_sound_seconds=self._first_sound_seconds,
        )
