"""The language model: a decoder-only transformer over codec tokens that looks at a text.

Pre-norm blocks of causal self-attention, cross-attention to the text and a feed-forward layer with
the exact GELU; no biases but in the norms and the text's projection (Copet et al., 2023; Vaswani et
al., 2017, for the sinusoidal positions). The residual stream and the norms are float32 whatever the
weights are, as the reference runs under autocast.

Rows: each sequence has two that differ only in that the second sees no text. A row that sees no
text gets exactly nothing from cross-attention, so nothing is computed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear

from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.kv_cache import ROWS, KVMemory, TextMemory, bytes_per_position

LONGEST_PERIOD = 10_000


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
    """The model in torch: a `Backend` for every device and number format."""

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

    @property
    def weights_bytes(self) -> int:
        return sum(parameter.nbytes for parameter in self.parameters())

    @property
    def bytes_per_position(self) -> int:
        return bytes_per_position(self.config, self.dtype)

    @property
    def bytes_per_text_token(self) -> int:
        return self.bytes_per_position // ROWS

    def reserve(self, num_positions: int) -> KVMemory:
        return KVMemory(self.config, num_positions, self.device, self.dtype)

    @torch.inference_mode()
    def remember_text(self, states: Tensor) -> TextMemory:
        text = self.text_projection(states.to(self.device)).to(self.dtype)[None]  # [1, T, D]
        keys, values = [], []
        for layer in self._typed_layers:
            weight = layer.cross_attention.qkv.weight[self.config.dim :]
            key, value = linear(text, weight).chunk(2, dim=-1)
            keys.append(self._by_head(key)[0])
            values.append(self._by_head(value)[0])
        return TextMemory(torch.stack(keys), torch.stack(values))

    @torch.inference_mode()
    def extend(self, tokens: Tensor, start: int, memory: KVMemory, text: TextMemory | None) -> None:
        self.states(tokens[None], [start], [memory], [text])

    @torch.inference_mode()
    def decode_step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[KVMemory],
        texts: Sequence[TextMemory | None],
    ) -> Tensor:
        states = self.states(tokens[:, :, None], positions, memories, texts)
        return self.logits(states[:, 0]).unflatten(0, (-1, ROWS))

    def states(
        self,
        tokens: Tensor,
        starts: Sequence[int],
        memories: Sequence[KVMemory],
        texts: Sequence[TextMemory | None],
    ) -> Tensor:
        """Read S columns of each of B sequences, `tokens` [B, K, S], from `starts` on.

        Returns the final states, [2B, S, D] float32; see `logits`.
        """
        tokens = tokens.to(self.device)
        x = self._embed(tokens) + self._sinusoids(starts, tokens.shape[2])
        x = x.repeat_interleave(ROWS, dim=0)
        there = [(ROWS * index, text) for index, text in enumerate(texts) if text is not None]
        rows = torch.tensor([row for row, _ in there], device=self.device)
        present = [text for _, text in there]
        for index, layer in enumerate(self._typed_layers):
            x = x + self._look_back(index, layer, x, starts, memories)
            if present:
                seen = self._look_at_texts(index, layer, x[rows], present)
                x = x.index_add(0, rows, seen)
            x = x + layer.linear2(gelu(layer.linear1(self._normed(x, layer.norm2)))).float()
        return self._normed(x, self.norm).float()

    def logits(self, states: Tensor) -> Tensor:
        """Scores of the next token of every codebook: [..., D] → [..., K, codebook_size]."""
        scores = self.heads(states.to(self.dtype)).float()
        return scores.unflatten(-1, (self.config.num_codebooks, self.config.codebook_size))

    def _look_back(
        self,
        index: int,
        layer: Layer,
        x: Tensor,
        starts: Sequence[int],
        memories: Sequence[KVMemory],
    ) -> Tensor:
        projected = layer.self_attention.qkv(self._normed(x, layer.norm1))
        queries, keys, values = (
            self._by_head(each).split(ROWS) for each in projected.chunk(3, dim=-1)
        )
        seen = [
            memory.attend(index, *rows)
            for memory, *rows in zip(memories, starts, queries, keys, values, strict=True)
        ]
        return self._out(layer.self_attention, torch.cat(seen))

    def _look_at_texts(
        self, index: int, layer: Layer, x: Tensor, texts: Sequence[TextMemory]
    ) -> Tensor:
        """`x` [N, S, D]: the rows that have a text."""
        weight = layer.cross_attention.qkv.weight[: self.config.dim]
        queries = self._by_head(linear(self._normed(x, layer.norm_cross), weight)).split(1)
        seen = [text.attend(index, query) for text, query in zip(texts, queries, strict=True)]
        return self._out(layer.cross_attention, torch.cat(seen))

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

    def _sinusoids(self, starts: Sequence[int], num_columns: int) -> Tensor:
        """Of `num_columns` positions from each of B starts: [B, S, D], cosines, then sines."""
        firsts = torch.tensor(starts, device=self.device)[:, None]
        positions = firsts + torch.arange(num_columns, device=self.device)  # [B, S]
        half = self.config.dim // 2
        steps = torch.arange(half, device=self.device) / (half - 1)
        angles = positions[..., None] / LONGEST_PERIOD**steps
        return torch.cat([angles.cos(), angles.sin()], dim=-1)
