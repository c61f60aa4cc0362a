"""A model that only sleeps: what remains of a request's time is the server's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np

from server.events import AudioChunk, ModelEvent, Progress
from server.generation import GenerationRequest
from server.models.base import Model, ModelInfo, ModelOptions, Resources

SAMPLE_RATE = 32_000
#: Each second of music takes this long to "make".
STEP_SECONDS = 0.2


class Sleeping(Model):
    """MusicGen's form of sound (32 kHz mono, a chunk a second) at five times real time."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        self.info = ModelInfo(
            name=name,
            description="Sleeps; for benchmarks",
            sample_rate=SAMPLE_RATE,
            channels=1,
            max_duration_seconds=300,
            code_licence="as Continuo",
            weights_licence="none",
        )
        self.capacity = Resources(options.max_batch or 1)
        self._second = np.zeros((1, SAMPLE_RATE), np.float32)

    async def load(self) -> None:
        """Nothing to load."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        """Sleep, then hand out a second of silence; the sleeps keep to the clock."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        for second in range(1, request.num_seconds + 1):
            await asyncio.sleep(max(0.0, begun + second * STEP_SECONDS - clock()))
            yield AudioChunk(self._second.copy())
            yield Progress(100 * second / request.num_seconds)

    async def close(self) -> None:
        """Nothing to close."""
