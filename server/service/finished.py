"""What a completed job made: each take as it is handed over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from server.audio.levels import gain_to
from server.audio.recordings import MAX_SECONDS
from server.events import Samples
from server.generation import GenerationRequest, Recording
from server.service.jobs import Job


class FinishedTake:
    """One take of `job`, at the level that was asked for. Building it is blocking."""

    def __init__(self, job: Job, number: int) -> None:
        self.seed = job.request.take(number).drawn_seed
        #: The files that the model itself made: format → content.
        self.documents = job.log.documents(number)
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


def extend(job: Job, number: int, num_seconds: int) -> GenerationRequest:
    """The request for `num_seconds` more of take `number`: the same wish, going on from its end.

    Blocking. Its seed is drawn anew; its model may lack the ability, which submitting it tells.
    """
    num_samples = int(MAX_SECONDS * job.info.sample_rate)
    sound = np.concatenate(list(FinishedTake(job, number).sound()), axis=1)[:, -num_samples:]
    end = Recording(np.clip(sound, -1.0, 1.0), job.info.sample_rate)
    return replace(
        job.request, continuation=end, duration_seconds=num_seconds, seed=None, num_takes=1
    )
