"""Which models there are, and which of them are loaded."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from enum import Enum

from loguru import logger

from server.errors import ContinuoError, Unavailable, UnknownModel, echo
from server.models.base import Model, ModelOptions

#: Name → "module:Class", imported only when used. This is the place to add a model.
CATALOG: Mapping[str, str] = {
    "sketch": "server.models.sketch.model:Sketch",
}


class Phase(str, Enum):
    """How far a model is."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Entry:
    """A model of this server and how far it is. `failure` says why it could not be loaded."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.phase = Phase.UNLOADED
        self.failure: ContinuoError | None = None
        self._loading: asyncio.Task[None] | None = None

    @property
    def capacity(self) -> int:
        return self.model.capacity if self.phase is Phase.READY else 0

    async def load(self) -> None:
        """Make the model ready, once, whoever asks. Never raises: see `phase` and `failure`."""
        if self._loading is None or self.phase is Phase.FAILED:
            self.phase, self.failure = Phase.LOADING, None
            self._loading = asyncio.create_task(self._load())
        await asyncio.shield(self._loading)

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        await self.model.close()

    async def _load(self) -> None:
        name = self.model.info.name
        logger.info("Loading model {}", name)
        try:
            await self.model.load()
        except ContinuoError as error:
            logger.error("Model {} cannot be served: {}", name, error)
            self.phase, self.failure = Phase.FAILED, error
        except Exception:
            logger.exception("Model {} failed to load", name)
            self.phase = Phase.FAILED
            self.failure = Unavailable(f"model {name} failed to load; the server's log says why")
        else:
            logger.info("Model {} is ready, {} slot(s)", name, self.model.capacity)
            self.phase = Phase.READY


class Registry:
    """The models of this server by name."""

    def __init__(self, catalog: Mapping[str, str], options: ModelOptions) -> None:
        self._catalog = dict(catalog)
        self._options = options
        self._entries: dict[str, Entry] = {}

    @property
    def names(self) -> list[str]:
        return sorted(self._catalog)

    def entry(self, name: str) -> Entry:
        """The model of that name, built if need be but not loaded. Raises `UnknownModel`."""
        if name not in self._catalog:
            known = ", ".join(self.names)
            raise UnknownModel("model", f"{echo(name)} is not served here; there is: {known}")
        if name not in self._entries:
            module, _, class_name = self._catalog[name].partition(":")
            build = getattr(importlib.import_module(module), class_name)
            self._entries[name] = Entry(build(name, self._options))
        return self._entries[name]

    async def close(self) -> None:
        for entry in self._entries.values():
            await entry.close()
