"""The innermost parts of a decode step, of which there are two: in Triton, and in plain torch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor, nn

from server.models.musicgen.cuda import plain


class Operations(Protocol):
    """For R rows of D numbers, H heads each; nothing but the tensors' contents decides anything,
    so that calls can be recorded. `keys` and `values` are a layer's [pages, H, PAGE, head_dim], and
    a row of `tables` [R, n] names the pages of a row in the order of positions."""

    def look_back(
        self, projected: Tensor, keys: Tensor, values: Tensor, tables: Tensor, positions: Tensor
    ) -> Tensor:
        """Remember each row's key and value at its position, and look at all up to that: [R, D].

        `projected` [R, 3D] holds queries, keys and values; `positions` [R / 2] are of sequences.
        """
        ...

    def look_at_texts(
        self, queries: Tensor, keys: Tensor, values: Tensor, tables: Tensor, lengths: Tensor
    ) -> Tensor:
        """What each of `queries` [R, D] sees of its text of `lengths` [R]: [R, D], zeros where
        there is none."""
        ...

    def add_norm(
        self, x: Tensor, added: Tensor | None, norm: nn.LayerNorm, dtype: torch.dtype
    ) -> Tensor:
        """Add to `x` [R, D] float32, in place, and normalize: [R, D] in `dtype`.

        `added` [R, D] is for all rows, [R / 2, D] for every second one from the first on.
        """
        ...


def operations_for(device: torch.device, head_dim: int) -> Operations:
    """Triton's, which come with torch for GPUs, and need heads whose size is a power of two."""
    is_power_of_two = head_dim & (head_dim - 1) == 0
    if device.type != "cuda" or not is_power_of_two or find_spec("triton") is None:
        return plain
    from server.models.musicgen.cuda import kernels

    return kernels
