"""Which models there are, and which of them are loaded."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum

from loguru import logger

from server.errors import ContinuoError, Unavailable, UnknownModel, echo
from server.models.base import Model, ModelOptions

#: Setting ENGINE → what serves MusicGen's checkpoints.
ENGINES: Mapping[str, str] = {
    "native": "server.models.musicgen.model:MusicGen",
    "audiocraft": "server.models.audiocraft:Audiocraft",
}

#: What serves a checkpoint where ENGINE says nothing else, one that the operator gave as a folder
#: included.
CHECKPOINT_MODEL = ENGINES["native"]

#: Name → "module:Class". This is the place to add a model.
CATALOG: Mapping[str, str] = {
    "sketch": "server.models.sketch.model:Sketch",
    **dict.fromkeys(
        (
            "facebook/musicgen-small",
            "facebook/musicgen-medium",
            "facebook/musicgen-large",
            "facebook/musicgen-stereo-small",
            "facebook/musicgen-stereo-medium",
            "facebook/musicgen-stereo-large",
        ),
        CHECKPOINT_MODEL,
    ),
}


def catalog(engine: str, checkpoints: Iterable[str]) -> dict[str, str]:
    """CATALOG and the operator's own `checkpoints`, those of MusicGen served by `engine`."""
    served = {**CATALOG, **dict.fromkeys(checkpoints, CHECKPOINT_MODEL)}
    replaced = {CHECKPOINT_MODEL: ENGINES[engine]}
    return {name: replaced.get(target, target) for name, target in served.items()}


#: Spellings that clients use → the name they mean.
ALIASES: Mapping[str, str] = {
    f"{prefix}musicgen-{size}-stereo": f"facebook/musicgen-stereo-{size}"
    for prefix in ("", "facebook/")
    for size in ("small", "medium", "large")
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
        self.failed_at = 0.0
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
            self._fail(error)
        except Exception:
            logger.exception("Model {} failed to load", name)
            self._fail(Unavailable(f"model {name} failed to load", "The server's log says why"))
        else:
            logger.info("Model {} is ready, {} slot(s)", name, self.model.capacity)
            self.phase = Phase.READY

    def _fail(self, error: ContinuoError) -> None:
        self.phase, self.failure, self.failed_at = Phase.FAILED, error, time.monotonic()


class Registry:
    """The models of this server by name."""

    def __init__(self, catalog: Mapping[str, str], options: ModelOptions) -> None:
        """Build every model of `catalog`: cheap, since a model imports what is heavy in `load`.

        Raises `ImportError` or `AttributeError` where there is no such class.
        """
        self._entries = {
            name: Entry(_class(target)(name, options)) for name, target in catalog.items()
        }

    @property
    def names(self) -> list[str]:
        return sorted(self._entries)

    def entry(self, name: str) -> Entry:
        """The model of that name, or of an alias, loaded or not. Raises `UnknownModel`."""
        name = ALIASES.get(name, name)
        if name not in self._entries:
            known = ", ".join(self.names)
            raise UnknownModel("model", f"{echo(name)} is not served here; there is: {known}")
        return self._entries[name]

    async def close(self) -> None:
        for entry in self._entries.values():
            await entry.close()


def _class(target: str) -> Callable[[str, ModelOptions], Model]:
    module, _, class_name = target.partition(":")
    found: Callable[[str, ModelOptions], Model]
    found = getattr(importlib.import_module(module), class_name)
    return found
