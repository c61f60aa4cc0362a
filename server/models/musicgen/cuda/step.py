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
        logits = self.model.logits(self._states()).unflatten(0, (-1, ROWS))
        guided = guide(logits, inputs.settings.guidance)
        self.outputs.logits[:num_slots] = logits
        self.outputs.tokens[:num_slots] = draw(guided, inputs.settings, inputs.clocks)

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
        projected = layer.self_attention.qkv(self._normed(x, added, layer.norm1))
        keys, values = self.pool.keys[index], self.pool.values[index]
        inputs, operations = self.inputs, self.operations
        seen = operations.look_back(projected, keys, values, inputs.tables, inputs.positions)
        added = layer.self_attention.out(seen)
        if not self.model.config.melody_frames:
            normed = self._normed(x, added, layer.norm_cross)
            # rows without the text get nothing
            queries = layer.cross_attention.query(normed[::ROWS])
            read = operations.look_at_texts(
                queries, keys, values, inputs.text_tables, inputs.text_lengths
            )
            added = layer.cross_attention.out(read)
        hidden = layer.linear1(self._normed(x, added, layer.norm2))
        return layer.linear2(gelu(hidden))  # type: ignore[no-any-return]

    def _normed(self, x: Tensor, added: Tensor | None, norm: torch.nn.LayerNorm) -> Tensor:
        return self.operations.add_norm(x, added, norm, self.model.dtype)
