"""One request inside the engine: its tokens, window by window, and where it stands."""

from __future__ import annotations

import torch
from torch import Tensor

from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.delay_pattern import DelayedTokens
from server.models.musicgen.sampling import draw_clocks, is_greedy
from server.models.musicgen.wish import Wish


class Sequence:
    """The tokens of a wish as they are drawn; nothing here computes.

    A column is remembered once the model has read it. All columns but the newest are read ahead,
    and the newest one in a decode step, which gives the next. Each window begins with `num_prefix`
    positions of melody and text.
    """

    def __init__(self, wish: Wish, config: LanguageModelConfig, num_prefix: int = 0) -> None:
        self.wish = wish
        self._num_prefix = num_prefix
        self._generator = torch.Generator().manual_seed(wish.seed)
        self._clocks: list[Tensor] = []
        self._config = config
        self._windows = list(wish.windows())
        self._num_steps = wish.num_steps(config.max_delay)
        self._num_steps_done = 0
        none = torch.empty(config.num_codebooks, 0, dtype=torch.int64)
        opening = none if wish.opening is None else torch.from_numpy(wish.opening)
        self._earlier = opening  # the frames of the result before this window's own, [K, n]
        self._index = 0
        self._open_window(opening)

    @property
    def position(self) -> int:
        """The first position that is not remembered yet."""
        return self._num_remembered

    @property
    def melody(self) -> Tensor | None:
        """The pitch classes that stand before this window."""
        melody = self.wish.melody
        return None if melody is None else torch.from_numpy(melody[self._index])

    @property
    def num_unread(self) -> int:
        """Positions to be read ahead of the next decode step; 0 mostly."""
        return self._num_prefix + self.window.num_filled - 1 - self._num_remembered

    @property
    def num_unread_prefix(self) -> int:
        """Those of them that are the prefix's; they come first."""
        return max(0, self._num_prefix - self._num_remembered)

    @property
    def unread(self) -> Tensor:
        """Those of them that are columns, [K, n]."""
        return self.window.filled[:, max(0, self._num_remembered - self._num_prefix) : -1]

    @property
    def clocks(self) -> Tensor:
        """The chance of the next step, [K, card]; the same until the step is done."""
        if not self._clocks:
            self.draw_ahead()
        return self._clocks[0]

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

    def draw_ahead(self) -> None:
        """Draw the chance of one more step: there is time while a step is being computed."""
        self._clocks.append(self._draw_clocks())

    def remember(self, num_positions: int) -> None:
        """The model has read so many more positions ahead."""
        self._num_remembered += num_positions

    def put(self, tokens: Tensor) -> None:
        """Take the tokens [K] of a decode step, which has read the newest column."""
        self.window.put(tokens)
        self.remember(1)
        self._clocks = self._clocks[1:]
        self._num_steps_done += 1
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
        self._num_remembered = 0

    def _draw_clocks(self) -> Tensor:
        num_codebooks, card = self._config.num_codebooks, self._config.codebook_size
        if is_greedy(self.wish.sampling):
            return torch.ones(num_codebooks, card)
        return draw_clocks(num_codebooks, card, self._generator)
