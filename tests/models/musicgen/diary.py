"""What an engine posts, kept; and the sound in it. Needs no torch."""

from __future__ import annotations

import threading

import numpy as np

from server.errors import ContinuoError
from server.events import AudioChunk, ModelEvent


class Diary:
    """Takes what an engine posts, where there is no event loop."""

    def __init__(self) -> None:
        self.events: list[ModelEvent] = []
        self.error: ContinuoError | None = None
        self.closed = threading.Event()

    def post(self, event: ModelEvent) -> None:
        self.events.append(event)

    def close(self, error: ContinuoError | None = None) -> None:
        self.error = error
        self.closed.set()

    @property
    def sound(self) -> np.ndarray:
        return sound_of(self.events)


def sound_of(events: list[ModelEvent]) -> np.ndarray:
    return np.concatenate([e.samples for e in events if isinstance(e, AudioChunk)], axis=1)
