"""The delay pattern: codebook k of a frame is generated `delays[k]` steps after the first one's.

Copet et al. (2023), section 2.1. The model reads columns: column 0 is all special tokens, and
column s ≥ 1 holds codebook k's token of frame s - 1 - delays[k], or the special one where there is
no such frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

UNKNOWN = -1


class DelayedTokens:
    """The tokens of `num_frames` frames as columns, filled from left to right.

    `prompt` [K, T0] are the first frames, already known. Raises `ValueError` where it leaves
    nothing to generate.
    """

    def __init__(
        self, delays: Sequence[int], num_frames: int, special_token: int, prompt: Tensor
    ) -> None:
        num_known = prompt.shape[1]
        if num_known >= num_frames:
            raise ValueError(f"a prompt of {num_known} frames in a window of {num_frames}")
        self.num_frames = num_frames
        self._delays = tuple(delays)
        self._columns = torch.full((len(delays), num_frames + max(delays) + 1), special_token)
        for codebook, delay in enumerate(delays):
            row = self._columns[codebook, 1 + delay : 1 + delay + num_frames]
            row[:num_known] = prompt[codebook]
            row[num_known:] = UNKNOWN
        #: Columns that are complete, from the left.
        self.num_filled = num_known + 1

    @property
    def num_columns(self) -> int:
        return self._columns.shape[1]

    @property
    def full(self) -> bool:
        return self.num_filled == self.num_columns

    @property
    def num_complete_frames(self) -> int:
        """Frames whose tokens of all codebooks are there."""
        return max(0, self.num_filled - 1 - max(self._delays))

    @property
    def filled(self) -> Tensor:
        """[K, num_filled]."""
        return self._columns[:, : self.num_filled]

    @property
    def newest(self) -> Tensor:
        """The last filled column, [K]."""
        return self._columns[:, self.num_filled - 1]

    def put(self, tokens: Tensor) -> None:
        """Fill the next column with `tokens` [K] where the pattern has room and no prompt."""
        column = self._columns[:, self.num_filled]
        column.copy_(torch.where(column == UNKNOWN, tokens, column))
        self.num_filled += 1

    def frames(self, start: int, stop: int) -> Tensor:
        """The complete frames from `start` to before `stop`, [K, stop - start]."""
        rows = [
            self._columns[codebook, 1 + delay + start : 1 + delay + stop]
            for codebook, delay in enumerate(self._delays)
        ]
        return torch.stack(rows)
