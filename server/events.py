"""What happens to a request: its states, and the events that flow from a model up to the wire.

A model yields `Progress`, `AudioChunk`, `Document` and `Warning`; the service adds the others.
A leaf word: every layer may use it, it imports nothing of ours but the error tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from server.errors import ContinuoError

Samples: TypeAlias = NDArray[np.float32]


class State(str, Enum):
    """Where a job stands. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Pace:
    """How fast the sound is being made, seen from a listener.

    `realtime_factor`: seconds of work per second of music (below 1 is faster than real time);
    None until something was made. `buffer_seconds`: how much sound to hold back before playing,
    so that playback never stalls.
    """

    realtime_factor: float | None
    buffer_seconds: float


@dataclass(frozen=True)
class Queued:
    """Waiting for a slot; `position` 1 is next.

    `activity` is what the model is doing meanwhile, in words, while it is being loaded.
    """

    position: int
    eta_seconds: float | None = None
    activity: str = ""


@dataclass(frozen=True)
class Started:
    """The model has begun."""

    model: str
    seed: int
    sample_rate: int
    channels: int
    duration_seconds: int
    interpretation: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """`percent` of the work done, 0 to 100. The service fills in `pace`."""

    percent: float
    pace: Pace | None = None


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """Sound, as it is made: float32 `samples` [channels, n], nominally within ±1.

    The chunks of one `take`, joined, are its whole sound. `stems`, where they were asked for, are
    the parts that sum to it, each of the same shape. The service numbers the chunks (`sequence`, by
    take) and fills in `pace`.
    """

    samples: Samples
    take: int = 0
    stems: Mapping[str, Samples] = field(default_factory=dict)
    sequence: int = 0
    pace: Pace | None = None


@dataclass(frozen=True)
class Document:
    """What a model made besides sound, as a file: a score, say. `format` is one it declares."""

    format: str
    content: bytes
    take: int = 0


@dataclass(frozen=True)
class Warning:
    """Something the listener should know although the work goes on."""

    code: str
    message: str


@dataclass(frozen=True)
class Completed:
    """All sound was made; it is the concatenation of the job's chunks."""


@dataclass(frozen=True)
class Failed:
    """The work ended in an error."""

    error: ContinuoError


@dataclass(frozen=True)
class Cancelled:
    """The work was ended by its owner."""

    reason: str


ModelEvent: TypeAlias = Progress | AudioChunk | Document | Warning
Outcome: TypeAlias = Completed | Failed | Cancelled
Event: TypeAlias = Queued | Started | ModelEvent | Outcome
