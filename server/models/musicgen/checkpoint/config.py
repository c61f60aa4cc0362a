"""The sizes and constants of a checkpoint, whichever layout they were read from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields

from server.models.checkpoints.errors import WrongCheckpoint

#: No published model comes near it; what is larger would hang or exhaust the machine.
MAX_SIZE = 2**17

DEFAULT_WINDOW_SECONDS = 30


@contextmanager
def reading(name: str) -> Iterator[None]:
    """What goes wrong inside is about the files of the published model `name`."""
    try:
        yield
    except WrongCheckpoint as error:
        raise WrongCheckpoint(str(error), name) from error


@dataclass(frozen=True)
class LanguageModelConfig:
    """The transformer over codec tokens. A token is 0 … `codebook_size` - 1, or the special one."""

    dim: int
    num_heads: int
    num_layers: int
    ffn_dim: int
    num_codebooks: int
    codebook_size: int
    text_dim: int
    delays: tuple[int, ...]
    #: Moments of a melody that stand before the tokens, and the text after them; 0 for a model
    #: that hears no melody and looks at the text by cross-attention.
    melody_frames: int = 0

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.dim % self.num_heads:
            raise WrongCheckpoint(f"dim {self.dim} is no multiple of {self.num_heads} heads")
        if len(self.delays) != self.num_codebooks:
            raise WrongCheckpoint(
                f"{len(self.delays)} delays for {self.num_codebooks} codebooks: {self.delays}"
            )

    @property
    def special_token(self) -> int:
        return self.codebook_size

    @property
    def head_dim(self) -> int:
        return self.dim // self.num_heads

    @property
    def max_delay(self) -> int:
        return max(self.delays)

    def num_prefix(self, num_text_tokens: int) -> int:
        """Positions before the tokens' columns; a text that is empty is one blank there."""
        return self.melody_frames + max(1, num_text_tokens) if self.melody_frames else 0


@dataclass(frozen=True)
class CodecConfig:
    """EnCodec (Défossez et al., 2022) in its non-causal, one-channel form."""

    sample_rate: int
    num_filters: int
    dimension: int
    ratios: tuple[int, ...]
    num_residual_layers: int
    dilation_growth: int
    kernel_size: int
    last_kernel_size: int
    residual_kernel_size: int
    compress: int
    num_lstm_layers: int
    num_codebooks: int
    codebook_size: int
    pad_mode: str
    conv_shortcut: bool

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.sample_rate % self.hop_samples:
            raise WrongCheckpoint(
                f"codec sample_rate {self.sample_rate} is no multiple of the "
                f"{self.hop_samples} samples of a frame"
            )
        if self.pad_mode not in ("constant", "reflect"):
            raise WrongCheckpoint(
                f"codec pad_mode is {self.pad_mode!r}; can be run: constant, reflect"
            )

    @property
    def hop_samples(self) -> int:
        """Samples of a frame."""
        return math.prod(self.ratios)

    @property
    def frame_rate(self) -> int:
        """Frames per second."""
        return self.sample_rate // self.hop_samples


@dataclass(frozen=True)
class MusicGenConfig:
    """A whole checkpoint. `window_frames` is the longest stretch the language model was made for.

    `t5` is the configuration of the text encoder, as transformers reads it.
    """

    language_model: LanguageModelConfig
    codec: CodecConfig
    channels: int
    window_frames: int
    guidance: float
    t5: Mapping[str, object]

    def __post_init__(self) -> None:
        model, codec = self.language_model, self.codec
        if self.window_frames < 2:
            raise WrongCheckpoint(f"the window has {self.window_frames} frames; must be 2 or more")
        if not 0 <= self.guidance < math.inf:
            raise WrongCheckpoint(f"the guidance is {self.guidance}; must be 0 or more, and finite")
        if self.channels not in (1, 2):
            raise WrongCheckpoint(f"{self.channels} channels; can be run: 1, 2")
        if model.num_codebooks != self.channels * codec.num_codebooks:
            raise WrongCheckpoint(
                f"the language model has {model.num_codebooks} codebooks, but the codec has "
                f"{codec.num_codebooks} for each of {self.channels} channel(s)"
            )
        if model.codebook_size != codec.codebook_size:
            raise WrongCheckpoint(
                f"the language model has {model.codebook_size} tokens a codebook, "
                f"but the codec has {codec.codebook_size}"
            )


def require(field: str, value: object, allowed: object) -> None:
    """Refuse a checkpoint whose `field` is not what this implementation runs."""
    if value != allowed:
        raise WrongCheckpoint(f"{field} is {value!r}; can be run: {allowed!r}")


def check_sizes(config: LanguageModelConfig | CodecConfig) -> None:
    """Refuse sizes that no network can have, before one is built of them."""
    for field in fields(config):
        value = getattr(config, field.name)
        smallest = 0 if field.name in ("delays", "melody_frames") else 1
        if field.type in ("int", "tuple[int, ...]") and not all(
            type(size) is int and smallest <= size <= MAX_SIZE
            for size in (value if isinstance(value, tuple) else (value,))
        ):
            raise WrongCheckpoint(
                f"the configuration says {field.name} {value!r}; "
                f"must be integers from {smallest} to {MAX_SIZE}"
            )
