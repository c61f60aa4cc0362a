"""What attention remembers: keys and values of past positions, and of the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from server.models.musicgen.checkpoint.config import LanguageModelConfig

#: A slot is one sequence: its conditional row and, next to it, its unconditional one.
ROWS_PER_SLOT = 2


class KVCache:
    """Self-attention's keys and values, allocated once: [L, rows, H, positions, head_dim].

    Slot `s` owns rows 2s and 2s + 1. The slots in use are always the first ones, so a batch is a
    slice and no copy: `move` fills the gap that a finished sequence leaves.
    """

    def __init__(
        self,
        config: LanguageModelConfig,
        num_slots: int,
        num_positions: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        rows = ROWS_PER_SLOT * num_slots
        shape = (config.num_layers, rows, config.num_heads, num_positions, config.head_dim)
        self.num_slots = num_slots
        self.num_positions = num_positions
        self._keys = torch.zeros(shape, device=device, dtype=dtype)
        self._values = torch.zeros(shape, device=device, dtype=dtype)

    @property
    def num_bytes(self) -> int:
        return 2 * self._keys.nbytes

    def write_start(self, layer: int, slot: int, keys: Tensor, values: Tensor) -> None:
        """Positions 0 … S-1 of a slot; `keys`, `values` [2, H, S, head_dim]."""
        rows = slice(ROWS_PER_SLOT * slot, ROWS_PER_SLOT * (slot + 1))
        length = keys.shape[2]
        self._keys[layer, rows, :, :length] = keys
        self._values[layer, rows, :, :length] = values

    def append(
        self, layer: int, keys: Tensor, values: Tensor, at: Positions
    ) -> tuple[Tensor, Tensor]:
        """One more position of each of the first rows; `keys`, `values` [R, H, 1, head_dim].

        Returns all that these rows may look at, [R, H, longest, head_dim]; see `at.mask`.
        """
        num_rows = keys.shape[0]
        own_keys, own_values = self._keys[layer, :num_rows], self._values[layer, :num_rows]
        own_keys[at.rows, :, at.of_rows] = keys[:, :, 0]
        own_values[at.rows, :, at.of_rows] = values[:, :, 0]
        return own_keys[:, :, : at.longest], own_values[:, :, : at.longest]

    def move(self, source: int, target: int) -> None:
        """Let slot `target` hold what slot `source` held."""
        for tensor in (self._keys, self._values):
            rows = tensor.unflatten(1, (self.num_slots, ROWS_PER_SLOT))
            rows[:, target] = rows[:, source]


@dataclass(frozen=True)
class Positions:
    """Where each row of a decode step stands, and what it may therefore look at.

    `rows`, `of_rows` [R] int64; `mask` [R, 1, 1, longest], true where there is something to see,
    None where all rows see everything.
    """

    rows: Tensor
    of_rows: Tensor
    longest: int
    mask: Tensor | None

    @classmethod
    def of(cls, positions: Sequence[int], device: torch.device) -> Positions:
        """One position for each sequence of the batch."""
        of_rows = torch.tensor(positions, device=device).repeat_interleave(ROWS_PER_SLOT)
        longest = max(positions) + 1
        mask = None
        if min(positions) + 1 < longest:
            seen = torch.arange(longest, device=device) <= of_rows[:, None]
            mask = seen[:, None, None, :]
        rows = torch.arange(len(of_rows), device=device)
        return cls(rows, of_rows, longest, mask)


@dataclass(frozen=True)
class TextMemory:
    """Cross-attention's keys and values of one prompt, for all layers: [L, H, T, head_dim]."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True)
class TextBatch:
    """The texts of a batch. `rows` [N]: those rows that have one; the others see nothing at all.

    `keys`, `values` [L, N, H, longest, head_dim]; `mask` [N, 1, 1, longest], true where there is
    text, None where all texts are equally long.
    """

    rows: Tensor
    keys: Tensor
    values: Tensor
    mask: Tensor | None

    @classmethod
    def of(cls, texts: Sequence[TextMemory | None], device: torch.device) -> TextBatch | None:
        """For the slots in order; None where no sequence has a text."""
        present = [(slot, text) for slot, text in enumerate(texts) if text is not None]
        if not present:
            return None
        rows = torch.tensor([ROWS_PER_SLOT * slot for slot, _ in present], device=device)
        lengths = [text.keys.shape[2] for _, text in present]
        longest = max(lengths)
        keys = torch.stack([_padded(text.keys, longest) for _, text in present], 1)
        values = torch.stack([_padded(text.values, longest) for _, text in present], 1)
        mask = None
        if min(lengths) < longest:
            seen = torch.arange(longest) < torch.tensor(lengths)[:, None]
            mask = seen[:, None, None, :].to(device)
        return cls(rows, keys, values, mask)


def _padded(tensor: Tensor, length: int) -> Tensor:
    """[L, H, T, head_dim] with zeros up to T = `length`."""
    return pad(tensor, (0, 0, 0, length - tensor.shape[2]))
