"""The seam between the engine and what computes: torch, a decode step for CPUs, a graph for a GPU.

Everything above it (engine, scheduler, sequences, sampling, sound) is the same for all of them.

A sequence is two rows, with and without its conditions; both read the same tokens. Its memory
begins with the prefix, if the model has one, and goes on with the columns of its delayed tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from server.models.base import Resources
    from server.models.musicgen.checkpoint.config import LanguageModelConfig
    from server.models.musicgen.sampling import Settings
    from server.models.musicgen.turns import Turns


class Memory(Protocol):
    """Keys and values of one sequence or of one text; freed when nothing refers to it."""

    @property
    def num_bytes(self) -> int: ...


M = TypeVar("M", bound=Memory)
T = TypeVar("T", bound=Memory)


class Backend(Protocol[M, T]):
    """The language model at work. `M` is the memory of a sequence, `T` that of a text.

    Methods are for the engine's thread, but `remember_text`, which may be called from others while
    a step runs. What fails in the middle can be called again: nothing else has changed.
    """

    config: LanguageModelConfig
    #: Memory is reserved for so many positions at a time, a text's too.
    page_positions: int
    #: To read fewer columns ahead takes no less time.
    least_columns: int

    @property
    def turns(self) -> Turns | None:
        """Who wants as many cores as a step takes turns with steps; None: they go side by side."""
        ...

    @property
    def weights_bytes(self) -> int: ...

    @property
    def bytes_per_position(self) -> int:
        """What a position of a sequence takes: keys and values, both rows, all layers."""
        ...

    @property
    def bytes_per_text_token(self) -> int:
        """What a token of a text takes: keys and values of cross-attention, all layers."""
        ...

    def set_aside(self, capacity: Resources, most_positions: int) -> None:
        """Get ready for what `capacity` lets in, each request of up to `most_positions`.

        Called before the first `reserve`; again, with nothing reserved, where that has changed.
        """
        ...

    def reserve(self, num_positions: int) -> M:
        """Memory for one sequence of exactly so many positions, from 0."""
        ...

    def remember_text(self, states: Tensor) -> T:
        """What cross-attention needs of a text, computed once; `states` [T, text_dim] float32."""
        ...

    def prefix(self, melody: Tensor | None, text: T | None) -> Tensor:
        """What stands before the columns, [2, P, D]: row 0 with the conditions, row 1 without.

        P is `config.num_prefix` of the text. `melody` holds a pitch class for each of
        `config.melody_frames` moments; None is no melody.
        """
        ...

    def read_prefix(self, vectors: Tensor, start: int, memory: M) -> None:
        """Remember `vectors` [2, S, D] of the prefix at positions `start` to `start + S - 1`."""
        ...

    def extend(self, tokens: Tensor, start: int, memory: M, text: T | None) -> None:
        """Remember the columns `tokens` [K, S] at positions `start` to `start + S - 1`.

        All positions before `start` are there. A sequence that begins with many columns is read
        in pieces, all but the newest column, which takes part in the next `decode_step`.
        """
        ...

    def decode_step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[M],
        texts: Sequence[T | None],
    ) -> Tensor:
        """One column of each of B sequences, `tokens` [B, K], each at its own position.

        Returns the scores of the next tokens, [B, 2, K, card] float32, row 0 with the text and row
        1 without; the same, but for rounding, where the text is None.
        """
        ...

    def begin_step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[M],
        texts: Sequence[T | None],
        settings: Settings,
        clocks: Sequence[Tensor],
    ) -> Callable[[], Tensor]:
        """A `decode_step` whose scores become tokens at once, as `sampling.draw` draws them by
        `settings` and `clocks`, [K, card] for each sequence.

        What it returns waits for the tokens, [B, K] on the CPU; it is called before anything else.
        """
        ...
