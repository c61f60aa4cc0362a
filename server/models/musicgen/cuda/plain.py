"""`Operations` in plain torch: what the kernels must compute, and what computes without them.

Shapes must not depend on contents, so attention looks at whole tables and leaves out what is not
there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, scaled_dot_product_attention

from server.models.musicgen.cuda.int8 import Stored
from server.models.musicgen.kv_cache import ROWS


def product(x: Tensor, linear: nn.Module) -> Tensor:
    return linear(x)  # type: ignore[no-any-return]


def look_back(
    projected: Tensor, keys: Stored, values: Stored, tables: Tensor, positions: Tensor
) -> Tensor:
    num_heads, page_positions = keys.numbers.shape[1:3]
    heads = projected.unflatten(-1, (3, num_heads, -1))  # [R, 3, H, head_dim]
    queries, new_keys, new_values = heads.unbind(dim=1)
    at = positions.repeat_interleave(ROWS, output_size=len(tables))
    pages = tables.gather(1, (at // page_positions)[:, None])[:, 0]
    keys[pages, :, at % page_positions] = new_keys
    values[pages, :, at % page_positions] = new_values
    return _seen(queries, keys, values, tables, at + 1)


def look_at_texts(
    queries: Tensor, keys: Stored, values: Stored, tables: Tensor, lengths: Tensor
) -> Tensor:
    heads = queries.unflatten(-1, (keys.numbers.shape[1], -1))
    return _seen(heads, keys, values, tables, lengths)


def add_norm(x: Tensor, added: Tensor | None, norm: nn.LayerNorm, dtype: torch.dtype) -> Tensor:
    if added is not None:
        x[:: len(x) // len(added)] += added
    return layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps).to(dtype)


def _seen(queries: Tensor, keys: Stored, values: Stored, tables: Tensor, lengths: Tensor) -> Tensor:
    """What `queries` [R, H, head_dim] see of the first `lengths` [R] positions, [R, D]."""
    at = torch.arange(tables.shape[1] * keys.numbers.shape[2], device=tables.device)
    there = at < lengths[:, None]  # [R, N]
    # what was never written may be no number, and even no share of it would be none
    all_keys, all_values = (
        stored[tables].transpose(1, 2).flatten(2, 3).where(there[:, None, :, None], 0)
        for stored in (keys, values)
    )  # [R, H, N, head_dim]
    # who has nothing to look at looks at a zero
    mask = (there | (at == 0))[:, None, None]
    seen = scaled_dot_product_attention(queries[:, :, None], all_keys, all_values, mask)
    return seen[:, :, 0].flatten(1)
