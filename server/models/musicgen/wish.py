"""What a request wants of the engine. Needs no torch, so that reading a request is quick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


#: The text encoder's memory grows with the square: here it is some 600 MB at T5-base's width.
MAX_TEXT_TOKENS = 2048


@dataclass(frozen=True)
class Sampling:
    """How a request's tokens are drawn.

    `temperature` 0 takes the best token; `top_p` above 0 replaces `top_k`; `top_k` 0, or above the
    number of tokens, keeps all.
    """

    temperature: float = 1.0
    top_k: int = 250
    top_p: float = 0.0


@dataclass(frozen=True)
class Wish:
    """What a sequence is to become.

    Longer music than a window is made in several: each begins anew with the frames of the one
    before it from `stride_frames` on. `opening` [K, T0] is music to continue, part of the result.
    """

    prompt: str
    num_frames: int
    window_frames: int
    stride_frames: int
    seed: int
    sampling: Sampling
    guidance: float
    opening: Tensor | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.stride_frames < self.window_frames:
            raise ValueError(
                f"stride_frames is {self.stride_frames}; must lie between 0 and the window's "
                f"{self.window_frames}"
            )

    @property
    def num_opening_frames(self) -> int:
        return 0 if self.opening is None else self.opening.shape[1]

    def windows(self) -> Iterator[tuple[int, int]]:
        """For each window: its frames, and how many of them are known when it begins."""
        start, num_known = 0, self.num_opening_frames
        while start + num_known < self.num_frames:
            length = min(self.num_frames - start, self.window_frames)
            yield length, num_known
            start, num_known = start + self.stride_frames, length - self.stride_frames

    def num_positions(self, max_delay: int) -> int:
        """Columns that the model reads of its longest window, whose last one is only drawn."""
        return max(length for length, _ in self.windows()) + max_delay
