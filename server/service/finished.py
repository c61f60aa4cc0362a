"""What a completed job made: each take as it is handed over."""

from __future__ import annotations

from collections.abc import Iterator

from server.audio.levels import gain_to
from server.events import Samples
from server.service.jobs import Job


class FinishedTake:
    """One take of `job`, at the level that was asked for. Building it is blocking."""

    def __init__(self, job: Job, number: int) -> None:
        self.seed = job.request.take(number).drawn_seed
        #: The file that the model itself made in the format asked for, if it did.
        self.document = job.log.document(job.request.format, number)
        self._chunks = job.log.chunks(number)
        sound = [chunk.samples for chunk in self._chunks]
        self._gain = gain_to(job.request.normalize, sound, job.info.sample_rate)

    def sound(self) -> Iterator[Samples]:
        """Its chunks, each [channels, n]."""
        return (chunk.samples * self._gain for chunk in self._chunks)

    @property
    def stem_names(self) -> tuple[str, ...]:
        return tuple(self._chunks[0].stems) if self._chunks else ()

    def stem(self, name: str) -> Iterator[Samples]:
        """The chunks of a part; the parts sum to `sound`."""
        return (chunk.stems[name] * self._gain for chunk in self._chunks)
