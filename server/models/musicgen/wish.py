"""What a request wants of the engine. Needs no torch, so that reading a request is quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from server.generation import GenerationRequest

if TYPE_CHECKING:
    from torch import Tensor

#: The codec is heard from so long before the new music (2 s): it remembers what it has decoded.
LEAD_FRAMES = 100
#: The reference's `extend_stride`, 18 s of a window of 30 s.
STRIDE_SHARE = 18 / 30
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
    `melody` [windows, moments] has a row of pitch classes (0 is C) for each window.
    `keep` is called with all tokens, [K, num_frames], once they are drawn; again, if memory ran out
    after that and it began anew.
    """

    prompt: str
    num_frames: int
    window_frames: int
    stride_frames: int
    seed: int
    sampling: Sampling
    guidance: float
    opening: NDArray[np.int64] | None = field(default=None, compare=False)
    melody: NDArray[np.int64] | None = field(default=None, compare=False)
    keep: Callable[[Tensor], object] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.stride_frames < self.window_frames:
            raise ValueError(
                f"stride_frames is {self.stride_frames}; must lie between 0 and the window's "
                f"{self.window_frames}"
            )

    @property
    def num_opening_frames(self) -> int:
        return 0 if self.opening is None else self.opening.shape[1]

    @property
    def first_heard_frame(self) -> int:
        """Where its sound begins: late in an opening, whose sound is known."""
        return max(0, self.num_opening_frames - LEAD_FRAMES)

    def window_starts(self) -> list[int]:
        """The frame of the result at which each window begins."""
        return [index * self.stride_frames for index, _ in enumerate(self.windows())]

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

    def num_steps(self, max_delay: int) -> int:
        """Steps of the language model until all tokens are drawn."""
        return sum(length + max_delay - num_known for length, num_known in self.windows())


def stride_of(window_frames: int) -> int:
    """How far on the next window begins."""
    return round(STRIDE_SHARE * window_frames)


def wish_of(
    request: GenerationRequest,
    frame_rate: float,
    window_frames: int,
    guidance: float,
    opening: NDArray[np.int64] | None = None,
) -> Wish:
    """The request in a checkpoint's terms, to be made after `opening` [K, T0].

    `guidance` is what the checkpoint recommends.
    """
    num_opening_frames = 0 if opening is None else opening.shape[1]
    return Wish(
        prompt=request.prompt,
        num_frames=num_opening_frames + int(request.num_seconds * frame_rate),
        window_frames=window_frames,
        stride_frames=stride_of(window_frames),
        seed=request.drawn_seed,
        sampling=_sampling_of(request),
        guidance=guidance if request.guidance is None else request.guidance,
        opening=opening,
    )


def _sampling_of(request: GenerationRequest) -> Sampling:
    default = Sampling()
    return Sampling(
        default.temperature if request.temperature is None else request.temperature,
        default.top_k if request.top_k is None else request.top_k,
        default.top_p if request.top_p is None else request.top_p,
    )
