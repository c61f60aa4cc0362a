"""Pieces that tests listen to, each made once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from server.events import AudioChunk
from server.generation import GenerationRequest
from server.models.base import ModelOptions
from server.models.sketch.composition.composer import compose
from server.models.sketch.composition.score import Score
from server.models.sketch.model import Sketch
from server.models.sketch.reading.request import brief_for

RATE = 48_000

SKETCH = Sketch("sketch", ModelOptions())


def request_for(
    prompt: str, seconds: int = 12, seed: int = 1, **fields: object
) -> GenerationRequest:
    """A request as the service hands it to the model."""
    return GenerationRequest(prompt, duration_seconds=seconds, seed=seed, **fields)  # type: ignore[arg-type]


def chunks_of(request: GenerationRequest) -> list[NDArray[np.float32]]:
    """The chunks of a piece."""
    return [event.samples for event in SKETCH.steps(request) if isinstance(event, AudioChunk)]


@lru_cache(maxsize=24)
def sound_of(
    prompt: str, seconds: int = 12, seed: int = 1, **fields: object
) -> NDArray[np.float32]:
    """A whole piece: [2, n]."""
    return np.concatenate(chunks_of(request_for(prompt, seconds, seed, **fields)), axis=1)


def score_of(prompt: str, seconds: int = 30, seed: int = 1, **fields: object) -> Score:
    """What is composed, without its sound."""
    return compose(brief_for(request_for(prompt, seconds, seed, **fields)))


def as_int16(sound: NDArray[np.float32]) -> bytes:
    """The bytes that leave the server."""
    return np.rint(np.clip(sound, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
