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
from server.models.upstream import Upstream


@dataclass(frozen=True)
class Control:
    """One setting that a model understands, as `/api/v1/models` declares it.

    `name` is a field of `GenerationRequest`; the range is the model's own, ends included.
    """

    name: str
    kind: Literal["number", "integer", "choice", "switch"]
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
        if self.kind == "switch":
            return "true or false"
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
    needs_prompt: bool = False
    #: The dialect that was published for this model: there, what was not sent has the value that
    #: is documented there.
    native_dialect: str = ""
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
    #: The user's clone of DiffRhythm's repository.
    diffrhythm_home: Path = Path("vendor/DiffRhythm")
    #: Where the style of songs is read: auto is with the rest of the model.
    style_device: str = "auto"
    #: Folders given on the command line: model name → its checkpoint.
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    #: Models that may be downloaded when they are first used; None: all.
    downloads: frozenset[str] | None = None
    upstream: Upstream = field(default_factory=Upstream)

    def may_download(self, name: str) -> bool:
        return self.downloads is None or name in self.downloads


@dataclass(frozen=True)
class Resources:
    """What a model can give to requests, or what one takes of it: slots, each for a request at
    work, and memory beside the weights, for models that count it."""

    slots: int = 1
    memory_bytes: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.slots + other.slots, self.memory_bytes + other.memory_bytes)

    def fit(self, capacity: Resources) -> bool:
        """Whether `capacity` has so much of each."""
        return self.slots <= capacity.slots and self.memory_bytes <= capacity.memory_bytes


NO_RESOURCES = Resources(slots=0)


@dataclass(frozen=True)
class Workload:
    """How a model that works in batches is doing: a batch is the requests of one decode step."""

    batch_size: int = 0
    num_steps: int = 0
    num_tokens: int = 0


class Model(Protocol):
    """A model: built with `(name, options)`, made ready by `load`, let go by `close`.

    Its module is imported and it is built at every start, so both must be cheap: what is heavy
    (torch, weights) is imported and read in `load`. It is loaded once and closed once: a model that
    comes back is a new one, so nothing of the old one can stay behind.

    The conformance suite (`tests/models/conformance.py`) says what is promised: the same request
    and seed give the same audio, chunks are exactly the duration asked for, progress rises to 100,
    and a generation that is closed stops within one step.
    """

    info: ModelInfo
    #: What it has for requests now; may shrink and grow while it runs.
    capacity: Resources
    #: What it is doing while it loads, in words ("downloading …: 40 %"); empty otherwise.
    activity: str = ""
    #: Memory of the device that it holds once it is loaded, or may come to hold at work; 0 where
    #: that is too little to count.
    memory_bytes: int = 0

    #: What it may come to hold, told before it is loaded; None: nobody counts.
    granted_bytes: int | None = None

    def needed_bytes(self) -> int:
        """The least it can work with, judged before it is loaded; quick, and rather too much."""
        return 0

    def wanted_bytes(self) -> int:
        """What it would rather have, if there is so much, to serve several at once."""
        return self.needed_bytes()

    def workload(self) -> Workload:
        """How its batches are going, counted since it was loaded."""
        return Workload()

    async def load(self) -> None:
        """Make ready: weights, devices, a first warm run. Raises `Unavailable` with a remedy."""

    def check(self) -> None:
        """Raise `Refused` where any request would be in vain now, although the model can run."""

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """The request with what the model reads in it written out, so that its caller can see and
        change that; quick. Reading what it wrote changes nothing more.

        Called before anything is queued, with a request that keeps to `info`. Raises `BadRequest`.
        """
        return request

    def cost(self, request: GenerationRequest) -> Resources:
        """What the request takes. Raises `TooLarge`, with the numbers, if that is more than there
        ever is. Before the model is loaded it may not know of memory: then it counts a slot."""
        return Resources()

    def interpret(self, request: GenerationRequest) -> Mapping[str, object]:
        """What the model reads in the request, for the start event; quick, without side effects."""
        return {}

    def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        """Make the music. Closing the generator stops the work: its `aclose` returns once the
        model has let go, within one step."""
        ...

    async def close(self) -> None:
        """Let go of threads and memory, also after a load that failed. Nothing is generating."""
