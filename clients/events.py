"""What happens while music is made, as both clients tell it: typed, frozen events.

A field is None where the server did not send it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """The root. `wire` is the message as the server sent it, every key but the sound."""

    wire: Mapping[str, object] = field(
        default_factory=dict, kw_only=True, repr=False, compare=False
    )


@dataclass(frozen=True)
class Retrying(Event):
    """The server was busy (`reason`); the client asks again in `wait_seconds`."""

    wait_seconds: float
    reason: str


@dataclass(frozen=True)
class Queued(Event):
    """Waiting for a slot; `position` 1 is next."""

    position: int | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True)
class Started(Event):
    """The model has begun."""

    job_id: str | None = None
    model: str | None = None
    seed: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    duration_seconds: float | None = None


@dataclass(frozen=True)
class Progress(Event):
    """`percent` of the work done, 0 to 100.

    `realtime_factor`: seconds of work per second of music. `buffer_seconds`: how much sound to
    hold back before playing, so that playback never stalls.
    """

    percent: float
    realtime_factor: float | None = None
    buffer_seconds: float | None = None


@dataclass(frozen=True)
class Audio(Event):
    """Sound as it is made: `pcm` is interleaved signed 16-bit little-endian, [samples, channels].

    The chunks of one `take`, joined in the order of `sequence`, are its whole sound.
    """

    pcm: bytes = field(repr=False)
    sample_rate: int
    channels: int
    sequence: int = 0
    take: int = 0
    realtime_factor: float | None = None
    buffer_seconds: float | None = None


@dataclass(frozen=True)
class Warning(Event):
    """Something to know although the work goes on."""

    message: str
    code: str | None = None


@dataclass(frozen=True)
class Take:
    """One of several takes: a complete file, and its stems if they were asked for."""

    audio: bytes = field(repr=False)
    seed: int | None = None
    stems: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Completed(Event):
    """All of it: `audio` is a complete file in the format that was asked for. The last event."""

    audio: bytes = field(repr=False)
    job_id: str | None = None
    model: str | None = None
    seed: int | None = None
    sample_rate: int | None = None
    duration_seconds: float | None = None
    #: Name → a complete file, if they were asked for; they sum to `audio`.
    stems: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    #: All takes, the first being `audio`, if more than one was asked for.
    takes: Sequence[Take] = field(default=(), repr=False)
    #: Where the model has written any.
    lyrics: str | None = None


@dataclass(frozen=True)
class Unknown(Event):
    """An event of a newer server; `wire` has what it says."""

    name: str
