"""The extension point: what a model is, to the rest of the server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from server.errors import range_in_words
from server.events import ModelEvent
from server.generation import GenerationRequest


@dataclass(frozen=True)
class Control:
    """One setting that a model understands, as `/api/v1/models` declares it.

    `name` is a field of `GenerationRequest`; the range is the model's own, ends included.
    """

    name: str
    kind: Literal["number", "integer", "choice"]
    help: str
    minimum: float | None = None
    maximum: float | None = None
    default: float | str | None = None
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """The range in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        noun = "an integer" if self.kind == "integer" else "a number"
        return range_in_words(noun, self.minimum, self.maximum)


@dataclass(frozen=True)
class Availability:
    """Whether a model can run here; if not, why, and what to do about it."""

    reason: str = ""
    remedy: str = ""

    @property
    def available(self) -> bool:
        return not self.reason


@lru_cache
def installed(packages: tuple[str, ...], remedy: str) -> Availability:
    """Whether Python has all of `packages`, found without importing them."""
    missing = [name for name in packages if find_spec(name) is None]
    if not missing:
        return Availability()
    return Availability(f"the Python packages {', '.join(missing)} are not installed", remedy)


@dataclass(frozen=True)
class ModelInfo:
    """What a model is and can do. Known before it is loaded."""

    name: str
    description: str
    sample_rate: int
    channels: int
    max_duration_seconds: int
    code_licence: str
    weights_licence: str
    min_duration_seconds: int = 1
    default_duration_seconds: int = 30
    max_prompt_characters: int = 10_000
    abilities: frozenset[str] = frozenset()
    #: Abilities that it would have → how to get them.
    obtainable: Mapping[str, str] = field(default_factory=dict)
    #: Formats of the documents it makes, beside the audio formats that every model has.
    formats: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    availability: Availability = Availability()


@dataclass(frozen=True)
class ModelOptions:
    """What the operator decided about models; the same for all of them."""

    models_dir: Path = Path("models")
    device: str = "auto"
    precision: str = "auto"
    max_batch: int | None = None
    #: How much music is made before its sound begins to be sent, where a model can choose.
    first_audio_seconds: float = 0.16
    #: Folders given on the command line: model name → its checkpoint.
    checkpoints: Mapping[str, Path] = field(default_factory=dict)


class Model(Protocol):
    """A model: built with `(name, options)`, made ready by `load`.

    Its module is imported and it is built at every start, so both must be cheap: what is heavy
    (torch, weights) is imported and read in `load`.

    The conformance suite (`tests/models/conformance.py`) says what is promised: the same request
    and seed give the same audio, chunks are exactly the duration asked for, progress rises to 100,
    and a generation that is closed stops within one step.
    """

    info: ModelInfo
    #: Slots now; may shrink and grow while it runs.
    capacity: int
    #: What it is doing while it loads, in words ("downloading …: 40 %"); empty otherwise.
    activity: str = ""

    async def load(self) -> None:
        """Make ready: weights, devices, a first warm run. Raises `Unavailable` with a remedy."""

    def cost(self, request: GenerationRequest) -> int:
        """How many slots the request takes. Raises `TooLarge`, with the numbers."""
        return 1

    def interpret(self, request: GenerationRequest) -> Mapping[str, object]:
        """What the model reads in the request, for the start event; quick, without side effects."""
        return {}

    def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        """Make the music. Closing the generator stops the work: its `aclose` returns once the
        model has let go, within one step."""
        ...

    async def close(self) -> None:
        """Let go of threads and memory. Nothing is generating any more."""
