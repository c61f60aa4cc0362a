"""The decode step of a batch, from tensors that never move to tensors that never move.

Nothing in it depends on anything but what those tensors hold, so it can be recorded once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import gelu

from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.cuda.inputs import BatchInputs
from server.models.musicgen.cuda.operations import Operations
from server.models.musicgen.cuda.pages import PagePool
from server.models.musicgen.kv_cache import ROWS
from server.models.musicgen.sampling import draw, guide
from server.models.musicgen.transformer import LanguageModel, Layer


class Outputs:
    """Of steps of up to `num_slots` sequences: `logits` [N, 2, K, card] and `tokens` [N, K]."""

    def __init__(self, config: LanguageModelConfig, num_slots: int, device: torch.device) -> None:
        num_codebooks, card = config.num_codebooks, config.codebook_size
        self.logits = torch.zeros(num_slots, ROWS, num_codebooks, card, device=device)
        self.tokens = torch.zeros(num_slots, num_codebooks, dtype=torch.int64, device=device)


@dataclass(frozen=True)
class Step:
    """One column of each of B sequences, and the tokens that come after it."""

    model: LanguageModel
    operations: Operations
    pool: PagePool
    #: What is added to a column at each position, [positions, D].
    position_vectors: Tensor
    inputs: BatchInputs
    outputs: Outputs

    def __call__(self) -> None:
        inputs, num_slots = self.inputs, len(self.inputs.positions)
        logits = self._scores(self._states())
        guided = guide(logits, inputs.settings.guidance)
        self.outputs.logits[:num_slots] = logits
        self.outputs.tokens[:num_slots] = draw(guided, inputs.settings, inputs.clocks)

    def _scores(self, states: Tensor) -> Tensor:
        """[2B, D] → [B, 2, K, card], float32."""
        config = self.model.config
        scores = self.operations.product(states, self.model.heads).float()
        return scores.view(-1, ROWS, config.num_codebooks, config.codebook_size)

    def _states(self) -> Tensor:
        """The final states, [2B, D]."""
        column = self.model.embed(self.inputs.tokens[:, :, None])[:, 0]
        column = column + self.position_vectors[self.inputs.positions]
        x = column.repeat_interleave(ROWS, dim=0)
        added: Tensor | None = None
        for index, layer in enumerate(self.model.typed_layers):
            added = self._through(index, layer, x, added)
        return self._normed(x, added, self.model.norm)

    def _through(self, index: int, layer: Layer, x: Tensor, added: Tensor | None) -> Tensor:
        """`x` [2B, D] gets what each part adds at the beginning of the next; returns the last."""
        inputs, operations, product = self.inputs, self.operations, self.operations.product
        keys, values = self.pool.keys.of(index), self.pool.values.of(index)
        projected = product(self._normed(x, added, layer.norm1), layer.self_attention.qkv)
        seen = operations.look_back(projected, keys, values, inputs.tables, inputs.positions)
        added = product(seen, layer.self_attention.out)
        if not self.model.config.melody_frames:
            normed = self._normed(x, added, layer.norm_cross)
            # rows without the text get nothing
            queries = product(normed[::ROWS], layer.cross_attention.query)
            read = operations.look_at_texts(
                queries, keys, values, inputs.text_tables, inputs.text_lengths
            )
            added = product(read, layer.cross_attention.out)
        hidden = product(self._normed(x, added, layer.norm2), layer.linear1)
        return product(gelu(hidden), layer.linear2)

    def _normed(self, x: Tensor, added: Tensor | None, norm: torch.nn.LayerNorm) -> Tensor:
        return self.operations.add_norm(x, added, norm, self.model.dtype)
