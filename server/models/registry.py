"""Which models there are, and which of them are loaded."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial

from loguru import logger

from server.errors import ContinuoError, UnknownModel, echo
from server.models.base import NO_RESOURCES, Model, ModelInfo, ModelOptions, Resources

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
    "diffrhythm": "server.models.diffrhythm.model:DiffRhythm",
    "lyria-realtime": "server.models.lyria.realtime:LyriaRealtime",
    **dict.fromkeys(
        ("lyria-3.5", "lyria-3-pro-preview", "lyria-3-clip-preview"),
        "server.models.lyria.songs:LyriaSong",
    ),
    **dict.fromkeys(
        (
            "facebook/musicgen-small",
            "facebook/musicgen-medium",
            "facebook/musicgen-large",
            "facebook/musicgen-stereo-small",
            "facebook/musicgen-stereo-medium",
            "facebook/musicgen-stereo-large",
            "facebook/musicgen-melody",
            "facebook/musicgen-melody-large",
            "facebook/musicgen-stereo-melody",
            "facebook/musicgen-stereo-melody-large",
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
    UNLOADING = "unloading"
    FAILED = "failed"


class Entry:
    """A model of this server and how far it is; only the service's loader changes it.

    `failure` says why it could not be loaded.
    """

    def __init__(self, name: str, build: Callable[[], Model]) -> None:
        self.name = name
        self.model = build()
        self.phase = Phase.UNLOADED
        self.failure: ContinuoError | None = None
        self.failed_at = 0.0
        #: What it holds, or, while it is being loaded, what is set aside for it.
        self.memory_bytes = 0
        self.last_used_at = 0.0
        self._build = build
        self._found_bytes = 0
        #: Whether `memory_bytes` are taken, and not only set aside.
        self.in_memory = False

    @property
    def loaded(self) -> bool:
        return self.phase in (Phase.READY, Phase.UNLOADING)

    @property
    def activity(self) -> str:
        """What it is doing while it loads, in words; empty otherwise."""
        if self.phase is not Phase.LOADING:
            return ""
        return self.model.activity or "loading"

    @property
    def capacity(self) -> Resources:
        """What is on its way out still works for those whom it has accepted."""
        return self.model.capacity if self.loaded else NO_RESOURCES

    @property
    def needed_bytes(self) -> int:
        """The least that a load takes, as the model judges; more, if it was found to take more."""
        return max(self.model.needed_bytes(), self._found_bytes)

    @property
    def wanted_bytes(self) -> int:
        """What a load takes if there is so much."""
        return max(self.model.wanted_bytes(), self.needed_bytes)

    async def load(self) -> None:
        """Let the model load, and see what it holds then. Raises what the model raises."""
        self.model.granted_bytes = self.memory_bytes or None
        await self.model.load()
        if self.model.memory_bytes > self.memory_bytes:
            self._found_bytes = self.model.memory_bytes
        self.memory_bytes, self.in_memory = self.model.memory_bytes, True

    async def renew(self) -> None:
        """Close the model and put a new one, unloaded, in its place."""
        closed = self.model
        try:
            await closed.close()
        except Exception:
            logger.exception("Model {} did not close as it should", self.name)
        self.model = self._build()
        self.memory_bytes, self.in_memory = 0, False


class Registry:
    """The models of this server by name."""

    def __init__(self, catalog: Mapping[str, str], options: ModelOptions) -> None:
        """Build every model of `catalog`: cheap, since a model imports what is heavy in `load`.

        Raises `ImportError` or `AttributeError` where there is no such class.
        """
        self.options = options
        self._entries = {
            name: Entry(name, partial(_class(target), name, options))
            for name, target in catalog.items()
        }

    @property
    def names(self) -> list[str]:
        return sorted(self._entries)

    @property
    def entries(self) -> list[Entry]:
        """By name."""
        return [self._entries[name] for name in self.names]

    @property
    def infos(self) -> list[ModelInfo]:
        return [entry.model.info for entry in self.entries]

    def entry(self, name: str) -> Entry:
        """The model of that name, or of an alias, loaded or not. Raises `UnknownModel`."""
        name = ALIASES.get(name, name)
        if name not in self._entries:
            known = ", ".join(self.names)
            raise UnknownModel("model", f"{echo(name)} is not served here; there is: {known}")
        return self._entries[name]

    async def close(self) -> None:
        for entry in self._entries.values():
            await entry.model.close()


def _class(target: str) -> Callable[[str, ModelOptions], Model]:
    module, _, class_name = target.partition(":")
    found: Callable[[str, ModelOptions], Model]
    found = getattr(importlib.import_module(module), class_name)
    return found
