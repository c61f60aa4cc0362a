"""What attention remembers: keys and values of past positions, and of the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from server.models.musicgen.checkpoint.config import LanguageModelConfig

#: A sequence's row with its text and, next to it, its row without.
ROWS = 2


def bytes_per_position(config: LanguageModelConfig, dtype: torch.dtype) -> int:
    """Of keys and values, in both rows and all layers; in int8 each head has a step."""
    step_bytes = torch.float32.itemsize if dtype == torch.int8 else 0
    head_bytes = config.head_dim * dtype.itemsize + step_bytes
    return 2 * ROWS * config.num_layers * config.num_heads * head_bytes


class LooksBack(Protocol):
    """Keys and values of one sequence."""

    def attend(
        self, layer: int, start: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        """Remember S more positions from `start` on, and look at all up to one's own.

        All arguments and the result are [2, H, S, head_dim].
        """
        ...


class LookedAt(Protocol):
    """Keys and values of one text."""

    def attend(self, layer: int, queries: Tensor) -> Tensor:
        """`queries` [1, H, S, head_dim] → what was seen of the text, the same."""
        ...


class KVMemory:
    """Self-attention's keys and values of one sequence: each [L, 2, H, positions, head_dim].

    Every sequence has memory of its own and of its own length: none is padded to another's, and
    attention reads what is there, without a mask.
    """

    def __init__(
        self,
        config: LanguageModelConfig,
        num_positions: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        shape = (config.num_layers, ROWS, config.num_heads, num_positions, config.head_dim)
        self.num_bytes = num_positions * bytes_per_position(config, dtype)
        # Never read beyond what was written, so it need not be cleared.
        self._keys = torch.empty(shape, device=device, dtype=dtype).unbind()
        self._values = torch.empty(shape, device=device, dtype=dtype).unbind()

    def attend(
        self, layer: int, start: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        stop = start + queries.shape[2]
        own_keys, own_values = self._keys[layer], self._values[layer]
        own_keys[:, :, start:stop] = keys
        own_values[:, :, start:stop] = values
        return look_back(queries, own_keys[:, :, :stop], own_values[:, :, :stop])


@dataclass(frozen=True)
class TextMemory:
    """Cross-attention's keys and values of one prompt, for all layers: [L, H, T, head_dim]."""

    keys: Tensor
    values: Tensor

    @property
    def num_bytes(self) -> int:
        return self.keys.nbytes + self.values.nbytes

    def attend(self, layer: int, queries: Tensor) -> Tensor:
        keys, values = self.keys[layer, None], self.values[layer, None]
        return scaled_dot_product_attention(queries, keys, values)


@dataclass(frozen=True)
class TextVectors:
    """A prompt as it stands before the tokens, for a model without cross-attention: [T, D]."""

    vectors: Tensor

    @property
    def num_bytes(self) -> int:
        return self.vectors.nbytes


def look_back(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The newest S positions look at all of [2, H, N, head_dim] up to their own."""
    num_new, num_seen = queries.shape[2], keys.shape[2]
    everything = torch.ones(num_new, num_seen, dtype=torch.bool, device=queries.device)
    mask = everything.tril(num_seen - num_new) if num_new > 1 else None
    return scaled_dot_product_attention(queries, keys, values, mask)
