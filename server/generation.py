"""What is wanted: the request that every dialect is translated into.

A leaf word: every layer may use it, it imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

#: Seeds are what `torch.Generator` and `numpy.random.Generator` both take on every platform.
MAX_SEED = 2**32 - 1
MAX_TAKES = 8

#: Key signatures as Lyria RealTime names them, by the pitch class of their major tonic.
Scale: TypeAlias = Literal[
    "C_MAJOR_A_MINOR",
    "D_FLAT_MAJOR_B_FLAT_MINOR",
    "D_MAJOR_B_MINOR",
    "E_FLAT_MAJOR_C_MINOR",
    "E_MAJOR_D_FLAT_MINOR",
    "F_MAJOR_D_MINOR",
    "G_FLAT_MAJOR_E_FLAT_MINOR",
    "G_MAJOR_E_MINOR",
    "A_FLAT_MAJOR_F_MINOR",
    "A_MAJOR_G_FLAT_MINOR",
    "B_FLAT_MAJOR_G_MINOR",
    "B_MAJOR_A_FLAT_MINOR",
]
SCALES: tuple[Scale, ...] = get_args(Scale)
#: Fields of a request that only models understand that declare them.
MUSICAL_CONTROLS = (
    "bpm",
    "scale",
    "density",
    "brightness",
    "mute_bass",
    "mute_drums",
    "only_bass_and_drums",
    "music_generation_mode",
)


@dataclass(frozen=True, eq=False)
class Recording:
    """Sound that came with a request: float32 `samples` [channels, n] within ±1."""

    samples: NDArray[np.float32]
    sample_rate: int

    @property
    def duration_seconds(self) -> float:
        return self.samples.shape[1] / self.sample_rate


@dataclass(frozen=True, eq=False)
class Edit:
    """A song of which only `segments`, each (start, end) in seconds, are made anew."""

    song: Recording
    segments: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class WeightedPrompt:
    """One of several prompts, with how much it counts beside the others: any number but 0."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class GenerationRequest:
    """One wish for music, in the server's own words.

    A field that is None was not sent: it takes the model's own default. The service fills in
    `model`, `duration_seconds` and `seed` before a model sees the request.
    """

    prompt: str
    model: str = ""
    duration_seconds: int | None = None
    seed: int | None = None
    format: str = "wav"
    #: The request is met so many times, with `seed`, `seed` + 1, …
    num_takes: int = 1
    #: What the finished sound is brought to; None leaves it as the model made it.
    normalize: Literal["peak", "loudness"] | None = None

    # Sampling: published clients send these always, so every model accepts them.
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    guidance: float | None = None

    # MUSICAL_CONTROLS
    bpm: int | None = None
    scale: str | None = None
    density: float | None = None
    brightness: float | None = None
    mute_bass: bool | None = None
    mute_drums: bool | None = None
    only_bass_and_drums: bool | None = None
    music_generation_mode: str | None = None

    # Abilities: refused by a model that lacks them.
    multiband_diffusion: bool = False
    stems: bool = False
    #: Beside `prompt`, which unless it is blank is one more, of weight 1.
    weighted_prompts: tuple[WeightedPrompt, ...] | None = None
    melody: Recording | None = None
    continuation: Recording | None = None
    #: LRC, lines that begin with their time, or plain ones; empty is an instrumental.
    lyrics: str | None = None
    #: What it should sound like, in place of `prompt`.
    style_audio: Recording | None = None
    #: These two come together; -1 is the song's start or end until the service has resolved it.
    edited_song: Recording | None = None
    edit_segments: tuple[tuple[float, float], ...] | None = None
    #: Decode all sound at once, at the end, where a model otherwise does it in pieces.
    whole_decoding: bool = False

    @property
    def num_seconds(self) -> int:
        """The duration, once the service has resolved it."""
        if self.duration_seconds is None:
            raise ValueError("the request has no duration yet: the service resolves it")
        return self.duration_seconds

    @property
    def edit(self) -> Edit | None:
        """What is to be made anew of which song, if that is what is wanted."""
        if self.edited_song is None or self.edit_segments is None:
            return None
        return Edit(self.edited_song, self.edit_segments)

    @property
    def total_seconds(self) -> int:
        """Of all takes together."""
        return self.num_seconds * self.num_takes

    @property
    def drawn_seed(self) -> int:
        """The seed, once the service has resolved it."""
        if self.seed is None:
            raise ValueError("the request has no seed yet: the service resolves it")
        return self.seed

    def take(self, number: int) -> GenerationRequest:
        """The request for one of its takes alone; seeds begin anew after the highest."""
        seed = (self.drawn_seed + number) % (MAX_SEED + 1)
        return replace(self, seed=seed, num_takes=1)
