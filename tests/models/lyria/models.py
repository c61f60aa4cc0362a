"""The Lyria models with keys and little patience, and what comes out of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import SecretStr

from server.errors import ContinuoError
from server.events import AudioChunk, ModelEvent, Progress, Samples, Warning
from server.generation import GenerationRequest
from server.models.base import ModelOptions
from server.models.key_pool import KeyPool
from server.models.lyria.keyed import KeyedModel
from server.models.lyria.realtime import LyriaRealtime
from server.models.upstream import Upstream

#: For services that say nothing; too short for one that only is slow.
IMPATIENT = {"setup_seconds": 0.3, "first_sound_seconds": 0.3, "gap_seconds": 0.3}


def pool(*keys: str) -> KeyPool:
    return KeyPool([SecretStr(key) for key in keys])


def upstream(*keys: str, **changes: Any) -> Upstream:
    return Upstream(keys=pool(*keys), **{"retry_delay_seconds": 0.01, **changes})


@asynccontextmanager
async def loaded(
    *keys: str,
    kind: type[KeyedModel] = LyriaRealtime,
    name: str = "lyria-realtime",
    **changes: Any,
) -> AsyncIterator[KeyedModel]:
    model = kind(name, ModelOptions(upstream=upstream(*keys, **changes)))
    await model.load()
    try:
        yield model
    finally:
        await model.close()


def wish(seconds: int = 6, **fields: Any) -> GenerationRequest:
    known = {"prompt": "rain", "model": "lyria-realtime", "seed": 3}
    return GenerationRequest(**{**known, "duration_seconds": seconds, **fields})


@dataclass
class Outcome:
    """What a model made of a request, to the end or to its failure."""

    events: list[ModelEvent] = field(default_factory=list)
    error: ContinuoError | None = None

    @property
    def sound(self) -> Samples:
        chunks = [event.samples for event in self.events if isinstance(event, AudioChunk)]
        return np.concatenate([np.zeros((2, 0), np.float32), *chunks], axis=1)

    @property
    def warnings(self) -> list[Warning]:
        return [event for event in self.events if isinstance(event, Warning)]

    @property
    def codes(self) -> list[str]:
        return [warning.code for warning in self.warnings]

    @property
    def percent(self) -> float:
        return [event.percent for event in self.events if isinstance(event, Progress)][-1]


async def performed(model: KeyedModel, request: GenerationRequest) -> Outcome:
    outcome = Outcome()
    try:
        async for event in model.generate(request):
            outcome.events.append(event)
    except ContinuoError as error:
        outcome.error = error
    return outcome


def pcm(sound: Samples) -> bytes:
    """As Google sent it, unless it is where two sessions overlap."""
    return np.rint(sound.T * 32767).astype("<i2").tobytes()
