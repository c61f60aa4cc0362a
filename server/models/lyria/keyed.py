"""What all models behind Google's keys have in common."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from server.models.base import Availability, Model, ModelInfo, ModelOptions, Resources
from server.models.lyria.clients import Clients

#: Requests at once: they cost this machine little, so the keys' quota is the real bound.
NUM_SLOTS = 8


class KeyedModel(Model):
    """A model that runs at Google; it can run here while there is a key that may be good."""

    def __init__(self, info: ModelInfo, options: ModelOptions, api_version: str | None) -> None:
        """`api_version` is the one of Google's interface; None leaves it to its client."""
        self._info = info
        self.upstream = options.upstream
        self.clients = Clients(options.upstream.keys, api_version)
        self.capacity = Resources(options.max_batch or NUM_SLOTS)

    @property
    def info(self) -> ModelInfo:  # type: ignore[override]
        lacking = self.upstream.keys.lacking
        if lacking is None:
            return self._info
        return replace(self._info, availability=Availability(lacking.reason, lacking.remedy))

    def check(self) -> None:
        """Raise `QuotaExhausted` while every key rests."""
        self.upstream.keys.check()

    async def load(self) -> None:
        """Import Google's client, which takes a second."""
        await asyncio.to_thread(self.clients.build)

    async def close(self) -> None:
        await self.clients.close()
