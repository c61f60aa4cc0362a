"""The language model: a decoder-only transformer over codec tokens that looks at a text.

Pre-norm blocks of causal self-attention, cross-attention to the text and a feed-forward layer with
the exact GELU; no biases but in the norms and the text's projection (Copet et al., 2023; Vaswani et
al., 2017, for the sinusoidal positions). The residual stream and the norms are float32 whatever the
weights are, as the reference runs under autocast.

Rows: each sequence has two that differ only in that the second sees no conditions. A row that sees
no text gets exactly nothing from cross-attention, so nothing is computed there.

A model that hears a melody has no cross-attention: melody and text are vectors before the tokens,
and positions count them too (section 2.3 of the paper).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, one_hot

from server.models.musicgen import chroma
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.eager import Eager
from server.models.musicgen.kv_cache import (
    ROWS,
    KVMemory,
    LookedAt,
    LooksBack,
    TextMemory,
    TextVectors,
    bytes_per_position,
)

LONGEST_PERIOD = 10_000
#: What a model makes of a text: something to look at, or vectors before the tokens.
Text: TypeAlias = TextMemory | TextVectors
#: The same, wherever its memory lies.
ReadText: TypeAlias = LookedAt | TextVectors


class Attention(nn.Module):
    """Projections of queries, keys and values in one, [3D, D], and the one out."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)


class CrossAttention(nn.Module):
    """Projections of queries, [D, D], of a text's keys and values in one, [2D, D], and out."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)


class Layer(nn.Module):
    """The weights of a block."""

    def __init__(self, dim: int, ffn_dim: int, looks_at_text: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.self_attention = Attention(dim)
        if looks_at_text:
            self.norm_cross = nn.LayerNorm(dim)
            self.cross_attention = CrossAttention(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, ffn_dim, bias=False)
        self.linear2 = nn.Linear(ffn_dim, dim, bias=False)


class LanguageModel(nn.Module, Eager):
    """The model in torch: a `Backend` for every device and number format."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        #: Of the weights of products and of what is remembered; norms and the residual stream are
        #: float32.
        self.dtype = torch.float32
        #: Of weights that are no parameters any more.
        self.packed_bytes = 0
        num_rows = config.num_codebooks * (config.codebook_size + 1)
        self.embeddings = nn.Embedding(num_rows, config.dim)
        self.text_projection = nn.Linear(config.text_dim, config.dim)
        if config.melody_frames:
            self.melody_projection = nn.Linear(chroma.NUM_CLASSES, config.dim)
        looks_at_text = not config.melody_frames
        self.layers = nn.ModuleList(
            Layer(config.dim, config.ffn_dim, looks_at_text) for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.heads = nn.Linear(config.dim, config.num_codebooks * config.codebook_size, bias=False)

    @property
    def device(self) -> torch.device:
        return self.embeddings.weight.device

    @property
    def typed_layers(self) -> list[Layer]:
        return cast("list[Layer]", list(self.layers))

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move to `device`; the weights of products become `dtype`, the others float32."""
        self.dtype = dtype
        for module in self.modules():
            is_product = isinstance(module, nn.Linear) and module.bias is None
            if not list(module.children()):
                module.to(device, dtype if is_product else torch.float32)

    @property
    def weights_bytes(self) -> int:
        return sum(parameter.nbytes for parameter in self.parameters()) + self.packed_bytes

    @property
    def bytes_per_position(self) -> int:
        return bytes_per_position(self.config, self.dtype)

    @property
    def bytes_per_text_token(self) -> int:
        if self.config.melody_frames:
            return self.config.dim * torch.float32.itemsize
        return self.bytes_per_position // ROWS

    def reserve(self, num_positions: int) -> KVMemory:
        return KVMemory(self.config, num_positions, self.device, self.dtype)

    @torch.inference_mode()
    def remember_text(self, states: Tensor) -> Text:
        vectors = self.text_projection(states.to(self.device))
        if self.config.melody_frames:
            return TextVectors(vectors)
        text = vectors.to(self.dtype)[None]  # [1, T, D]
        keys, values = [], []
        for layer in self.typed_layers:
            key, value = layer.cross_attention.key_value(text).chunk(2, dim=-1)
            keys.append(self._by_head(key)[0])
            values.append(self._by_head(value)[0])
        return TextMemory(torch.stack(keys), torch.stack(values))

    @torch.inference_mode()
    def prefix(self, melody: Tensor | None, text: ReadText | None) -> Tensor:
        num_moments, dim = self.config.melody_frames, self.config.dim
        if not num_moments:
            return torch.empty(ROWS, 0, dim, device=self.device)
        silence = torch.zeros(num_moments, dtype=torch.int64)  # the reference hears C in silence
        heard = torch.stack([silence if melody is None else melody, silence]).to(self.device)
        melodies = self.melody_projection(one_hot(heard, chroma.NUM_CLASSES).float())
        said = text.vectors if isinstance(text, TextVectors) else self._blank(1)
        return torch.cat([melodies, torch.stack([said, self._blank(len(said))])], dim=1)

    def _blank(self, num_tokens: int) -> Tensor:
        return torch.zeros(num_tokens, self.config.dim, device=self.device)

    @torch.inference_mode()
    def read_prefix(self, vectors: Tensor, start: int, memory: LooksBack) -> None:
        x = vectors + self.sinusoids([start], vectors.shape[1])
        self._through_layers(x, [start], [memory], [None])

    @torch.inference_mode()
    def extend(self, tokens: Tensor, start: int, memory: LooksBack, text: ReadText | None) -> None:
        self.states(tokens[None], [start], [memory], [text])

    @torch.inference_mode()
    def decode_step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[LooksBack],
        texts: Sequence[ReadText | None],
    ) -> Tensor:
        states = self.states(tokens[:, :, None], positions, memories, texts)
        return self.logits(states[:, 0]).unflatten(0, (-1, ROWS))

    def states(
        self,
        tokens: Tensor,
        starts: Sequence[int],
        memories: Sequence[LooksBack],
        texts: Sequence[ReadText | None],
    ) -> Tensor:
        """Read S columns of each of B sequences, `tokens` [B, K, S], from `starts` on.

        Returns the final states, [2B, S, D] float32; see `logits`.
        """
        tokens = tokens.to(self.device)
        x = self.embed(tokens) + self.sinusoids(starts, tokens.shape[2])
        return self._through_layers(x.repeat_interleave(ROWS, dim=0), starts, memories, texts)

    def _through_layers(
        self,
        x: Tensor,
        starts: Sequence[int],
        memories: Sequence[LooksBack],
        texts: Sequence[ReadText | None],
    ) -> Tensor:
        """`x` [2B, S, D] is what goes in, the final states are what comes out."""
        there = [
            (ROWS * i, text)
            for i, text in enumerate(texts)
            if text is not None and not isinstance(text, TextVectors)
        ]
        rows = torch.tensor([row for row, _ in there], device=self.device)
        present = [text for _, text in there]
        for index, layer in enumerate(self.typed_layers):
            x = x + self._look_back(index, layer, x, starts, memories)
            if present:
                seen = torch.zeros_like(x)
                seen[rows] = self._look_at_texts(index, layer, x[rows], present)
                x = x + seen
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
        memories: Sequence[LooksBack],
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
        self, index: int, layer: Layer, x: Tensor, texts: Sequence[LookedAt]
    ) -> Tensor:
        """`x` [N, S, D]: the rows that have a text."""
        normed = self._normed(x, layer.norm_cross)
        queries = self._by_head(layer.cross_attention.query(normed)).split(1)
        seen = [text.attend(index, query) for text, query in zip(texts, queries, strict=True)]
        return self._out(layer.cross_attention, torch.cat(seen))

    def _out(self, attention: Attention | CrossAttention, heads: Tensor) -> Tensor:
        merged = heads.transpose(1, 2).flatten(2)
        return attention.out(merged).float()  # type: ignore[no-any-return]

    def _normed(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        return layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps).to(self.dtype)

    def _by_head(self, x: Tensor) -> Tensor:
        """[B, S, D] → [B, H, S, head_dim]."""
        return x.unflatten(-1, (self.config.num_heads, -1)).transpose(1, 2)

    def embed(self, tokens: Tensor) -> Tensor:
        """[B, K, S] → [B, S, D]: the sum over codebooks, each with a table of its own."""
        num_codebooks, table_rows = self.config.num_codebooks, self.config.codebook_size + 1
        first_rows = torch.arange(num_codebooks, device=tokens.device)[:, None] * table_rows
        return self.embeddings(tokens + first_rows).sum(dim=1)  # type: ignore[no-any-return]

    def sinusoids(self, starts: Sequence[int], num_columns: int) -> Tensor:
        """Of `num_columns` positions from each of B starts: [B, S, D], cosines, then sines."""
        firsts = torch.tensor(starts, device=self.device)[:, None]
        positions = firsts + torch.arange(num_columns, device=self.device)  # [B, S]
        angles = positions[..., None] / _periods(self.config.dim // 2, self.device)
        return torch.cat([angles.cos(), angles.sin()], dim=-1)


@lru_cache(maxsize=8)
def _periods(count: int, device: torch.device) -> Tensor:
    """From 1 to the longest, in geometric steps."""
    return LONGEST_PERIOD ** (torch.arange(count, device=device) / (count - 1))
