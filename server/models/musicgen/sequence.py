"""One request inside the engine: its tokens, window by window, and where it stands."""

from __future__ import annotations

import torch
from torch import Tensor

from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.delay_pattern import DelayedTokens
from server.models.musicgen.kv_cache import TextMemory
from server.models.musicgen.wish import Wish


class Sequence:
    """The tokens of a wish as they are drawn; nothing here computes.

    `text` is what cross-attention remembers of the prompt, None for none.
    """

    def __init__(self, wish: Wish, config: LanguageModelConfig) -> None:
        self.wish = wish
        self.text: TextMemory | None = None
        self.generator = torch.Generator().manual_seed(wish.seed)
        self._config = config
        self._windows = list(wish.windows())
        self._num_steps = wish.num_steps(config.max_delay)
        self._num_steps_done = 0
        none = torch.empty(config.num_codebooks, 0, dtype=torch.int64)
        opening = none if wish.opening is None else wish.opening
        self._earlier = opening  # the frames of the result before this window's own, [K, n]
        self._index = 0
        self._open_window(opening)

    @property
    def num_positions(self) -> int:
        """Positions of the cache that it needs: those of its longest window."""
        return max(length for length, _ in self._windows) + self._config.max_delay

    @property
    def position(self) -> int:
        """The position of the newest column."""
        return self.window.num_filled - 1

    @property
    def finished(self) -> bool:
        return self.window.full

    @property
    def percent(self) -> float:
        """Of all steps, those done."""
        return 100.0 * self._num_steps_done / self._num_steps

    @property
    def num_complete_frames(self) -> int:
        """Frames of the result that will not change any more, the opening's included."""
        own = self.window.num_complete_frames - self._num_known
        return self._earlier.shape[1] + max(0, own)

    def put(self, tokens: Tensor) -> None:
        """Take the tokens [K] of one step."""
        self.window.put(tokens)
        self._num_steps_done += 1
        self.begins_window = False
        if self.window.full and self._index + 1 < len(self._windows):
            self._earlier = self.frames(0, self.num_complete_frames)
            known = self.window.frames(self.wish.stride_frames, self.window.num_frames)
            self._index += 1
            self._open_window(known)
        if self.finished and self.wish.keep is not None:
            self.wish.keep(self.frames(0, self.num_complete_frames))

    def frames(self, start: int, stop: int) -> Tensor:
        """Complete frames of the result, [K, stop - start]."""
        own = self.window.frames(self._num_known, self.window.num_complete_frames)
        return torch.cat([self._earlier, own], dim=1)[:, start:stop]

    def _open_window(self, known: Tensor) -> None:
        length, self._num_known = self._windows[self._index]
        config = self._config
        self.window = DelayedTokens(config.delays, length, config.special_token, known)
        #: Whether the next step is a prefill.
        self.begins_window = True
