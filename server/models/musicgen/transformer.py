"""The language model: a decoder-only transformer over codec tokens that looks at a text.

Pre-norm blocks of causal self-attention, cross-attention to the text and a feed-forward layer with
the exact GELU; no biases but in the norms and the text's projection (Copet et al., 2023; Vaswani et
al., 2017, for the sinusoidal positions). The residual stream and the norms are float32 whatever the
weights are, as the reference runs under autocast.

Rows: each sequence has two that differ only in that the second sees no text. A row that sees no
text gets exactly nothing from cross-attention, so nothing is computed there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.kv_cache import (
    ROWS_PER_SLOT,
    KVCache,
    Positions,
    TextBatch,
    TextMemory,
)

LONGEST_PERIOD = 10_000
#: Queries, keys and values of a layer, each [R, H, S, head_dim] → what was attended to, the same.
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


class Attention(nn.Module):
    """Projections of queries, keys and values in one, [3D, D], and the one out."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)


class Layer(nn.Module):
    """The weights of a block."""

    def __init__(self, dim: int, ffn_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.self_attention = Attention(dim)
        self.norm_cross = nn.LayerNorm(dim)
        self.cross_attention = Attention(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, ffn_dim, bias=False)
        self.linear2 = nn.Linear(ffn_dim, dim, bias=False)


class LanguageModel(nn.Module):
    """`prefill` begins a sequence, `decode_step` continues a batch, both give logits."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        num_rows = config.num_codebooks * (config.codebook_size + 1)
        self.embeddings = nn.Embedding(num_rows, config.dim)
        self.text_projection = nn.Linear(config.text_dim, config.dim)
        self.layers = nn.ModuleList(
            Layer(config.dim, config.ffn_dim) for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.heads = nn.Linear(config.dim, config.num_codebooks * config.codebook_size, bias=False)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights and the cache; norms and the residual stream are float32."""
        return self.heads.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.heads.weight.device

    @property
    def _typed_layers(self) -> list[Layer]:
        return cast("list[Layer]", list(self.layers))

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move to `device`; the weights of products become `dtype`."""
        self.to(device)
        for module in self.modules():
            if isinstance(module, nn.Linear) and module is not self.text_projection:
                module.to(dtype)

    def remember_text(self, states: Tensor) -> TextMemory:
        """Keys and values of a text for every layer, once a request; `states` [T, text_dim]."""
        text = self.text_projection(states.to(self.device)).to(self.dtype)[None]  # [1, T, D]
        keys, values = [], []
        for layer in self._typed_layers:
            weight = layer.cross_attention.qkv.weight[self.config.dim :]
            key, value = linear(text, weight).chunk(2, dim=-1)
            keys.append(self._by_head(key)[0])
            values.append(self._by_head(value)[0])
        return TextMemory(torch.stack(keys), torch.stack(values))

    def prefill(self, tokens: Tensor, text: TextMemory | None, cache: KVCache, slot: int) -> Tensor:
        """Begin a sequence in `slot` with `tokens` [K, S], from position 0.

        Returns the final states of all positions, [2, S, D] float32; see `logits`.
        """

        def attend(index: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            cache.write_start(index, slot, keys, values)
            return scaled_dot_product_attention(queries, keys, values, is_causal=True)

        positions = torch.arange(tokens.shape[1], device=self.device)
        start = self._embed(tokens[None]) + self._sinusoid(positions)
        return self._blocks(start, attend, TextBatch.of([text], self.device))

    def decode_step(
        self, tokens: Tensor, at: Positions, texts: TextBatch | None, cache: KVCache
    ) -> Tensor:
        """One more position of the sequences in the first slots; `tokens` [B, K].

        Returns logits [2B, K, codebook_size] float32.
        """

        def attend(index: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            seen_keys, seen_values = cache.append(index, keys, values, at)
            return scaled_dot_product_attention(queries, seen_keys, seen_values, at.mask)

        positions = self._sinusoid(at.of_rows[::ROWS_PER_SLOT])[:, None]  # [B, 1, D]
        states = self._blocks(self._embed(tokens[:, :, None]) + positions, attend, texts)
        return self.logits(states[:, 0])

    def logits(self, states: Tensor) -> Tensor:
        """Scores of the next token of every codebook: [..., D] → [..., K, codebook_size]."""
        scores = self.heads(states.to(self.dtype)).float()
        return scores.unflatten(-1, (self.config.num_codebooks, self.config.codebook_size))

    def _blocks(self, x: Tensor, attend: Attend, texts: TextBatch | None) -> Tensor:
        """[B, S, D] → [2B, S, D]: both rows of a sequence read the same tokens."""
        x = x.repeat_interleave(ROWS_PER_SLOT, dim=0)
        for index, layer in enumerate(self._typed_layers):
            x = x + self._look_back(index, layer, x, attend)
            if texts is not None:
                x = x.index_add(0, texts.rows, self._look_at_text(index, layer, x, texts))
            x = x + layer.linear2(gelu(layer.linear1(self._normed(x, layer.norm2)))).float()
        return self._normed(x, self.norm).float()

    def _look_back(self, index: int, layer: Layer, x: Tensor, attend: Attend) -> Tensor:
        projected = layer.self_attention.qkv(self._normed(x, layer.norm1))
        queries, keys, values = map(self._by_head, projected.chunk(3, dim=-1))
        return self._out(layer.self_attention, attend(index, queries, keys, values))

    def _look_at_text(self, index: int, layer: Layer, x: Tensor, texts: TextBatch) -> Tensor:
        weight = layer.cross_attention.qkv.weight[: self.config.dim]
        queries = self._by_head(linear(self._normed(x[texts.rows], layer.norm_cross), weight))
        seen = scaled_dot_product_attention(
            queries, texts.keys[index], texts.values[index], texts.mask
        )
        return self._out(layer.cross_attention, seen)

    def _out(self, attention: Attention, heads: Tensor) -> Tensor:
        merged = heads.transpose(1, 2).flatten(2)
        return attention.out(merged).float()  # type: ignore[no-any-return]

    def _normed(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        return layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps).to(self.dtype)

    def _by_head(self, x: Tensor) -> Tensor:
        """[B, S, D] → [B, H, S, head_dim]."""
        return x.unflatten(-1, (self.config.num_heads, -1)).transpose(1, 2)

    def _embed(self, tokens: Tensor) -> Tensor:
        """[B, K, S] → [B, S, D]: the sum over codebooks, each with a table of its own."""
        num_codebooks, table_rows = self.config.num_codebooks, self.config.codebook_size + 1
        first_rows = torch.arange(num_codebooks, device=tokens.device)[:, None] * table_rows
        return self.embeddings(tokens + first_rows).sum(dim=1)  # type: ignore[no-any-return]

    def _sinusoid(self, positions: Tensor) -> Tensor:
        """[N] → [N, D]: cosines, then sines."""
        half = self.config.dim // 2
        steps = torch.arange(half, device=positions.device) / (half - 1)
        angles = positions[:, None] / LONGEST_PERIOD**steps
        return torch.cat([angles.cos(), angles.sin()], dim=-1)
