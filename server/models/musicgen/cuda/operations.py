"""The innermost parts of a decode step, of which there are two: in Triton, and in plain torch."""

from __future__ import annotations

from typing import Protocol

import torch
from loguru import logger
from torch import Tensor, nn

from server.models.musicgen.cuda import plain
from server.models.musicgen.cuda.int8 import Stored


class Operations(Protocol):
    """For R rows of D numbers, H heads each; nothing but the tensors' contents decides anything,
    so that calls can be recorded. `keys` and `values` are a layer's [pages, H, PAGE, head_dim], and
    a row of `tables` [R, n] names the pages of a row in the order of positions."""

    def product(self, x: Tensor, linear: nn.Module) -> Tensor:
        """`linear`, which is an `nn.Linear` without bias or an `Int8Linear`, of `x` [R, inputs]:
        [R, outputs]."""
        ...

    def look_back(
        self, projected: Tensor, keys: Stored, values: Stored, tables: Tensor, positions: Tensor
    ) -> Tensor:
        """Remember each row's key and value at its position, and look at all up to that: [R, D].

        `projected` [R, 3D] holds queries, keys and values; `positions` [R / 2] are of sequences.
        """
        ...

    def look_at_texts(
        self, queries: Tensor, keys: Stored, values: Stored, tables: Tensor, lengths: Tensor
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
    """Triton's on a GPU; plain torch's elsewhere, and where Triton cannot run, which is logged."""
    if device.type != "cuda":
        return plain
    try:
        if head_dim & (head_dim - 1):
            raise ValueError(f"a head has {head_dim} numbers, which is no power of two")
        from server.models.musicgen.cuda import kernels

        _rehearse(kernels, device)
    except Exception as error:  # of Triton, a compiler or the device: each version has its own
        logger.warning("Steps will be slow: the kernels in Triton are not used: {!r}", error)
        return plain
    return kernels


def _rehearse(operations: Operations, device: torch.device) -> None:
    """Triton compiles what it is, too, at its first use: it needs a C compiler."""
    dim = 16
    x, norm = torch.zeros(1, dim, device=device), nn.LayerNorm(dim, device=device)
    operations.add_norm(x, None, norm, torch.float32)
