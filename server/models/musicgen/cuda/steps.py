"""All that recorded steps need: pages, tensors that never move, and a recording for each size."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import torch
from torch import Tensor

from server.models.base import Resources
from server.models.musicgen.cuda.inputs import Inputs, Placed
from server.models.musicgen.cuda.lanes import finish_own
from server.models.musicgen.cuda.operations import Operations
from server.models.musicgen.cuda.pages import PagePool
from server.models.musicgen.cuda.recording import Record, batch_sizes
from server.models.musicgen.cuda.step import Outputs, Step
from server.models.musicgen.transformer import LanguageModel


class Steps:
    """For what `capacity` lets in, each request of up to `most_positions`.

    `in_int8`: what they remember.
    """

    def __init__(
        self,
        model: LanguageModel,
        operations: Operations,
        record: Record,
        capacity: Resources,
        most_positions: int,
        in_int8: bool,
    ) -> None:
        config, device = model.config, model.device
        num_slots = max(1, capacity.slots)
        self.pool = PagePool(config, capacity.memory_bytes, device, model.dtype, in_int8)
        self.inputs = Inputs(config, num_slots, most_positions, device)
        self._outputs = Outputs(config, num_slots, device)
        self._drawn = torch.zeros_like(
            self._outputs.tokens, device="cpu", pin_memory=device.type == "cuda"
        )
        position_vectors = model.sinusoids([0], most_positions)[0]
        finish_own(device)  # weights and tables are there for all lanes
        self._sizes = batch_sizes(num_slots)
        self._replays = {
            size: record(
                Step(
                    model,
                    operations,
                    self.pool,
                    position_vectors,
                    self.inputs.of(size),
                    self._outputs,
                )
            )
            for size in reversed(self._sizes)
        }

    def run(self, tokens: Tensor, positions: Sequence[int], batch: Sequence[Placed]) -> None:
        """Begin the step of `batch`, at the smallest size that has room for it."""
        size = self._sizes[bisect_left(self._sizes, len(batch))]
        self.inputs.place(tokens, positions, batch)
        self._replays[size]()

    def logits(self, num_sequences: int) -> Tensor:
        """Of the latest step, [B, 2, K, card]."""
        return self._outputs.logits[:num_sequences].clone()

    def fetch_tokens(self, num_sequences: int) -> Tensor:
        """Begin to bring those of the latest step, [B, K], to the host."""
        drawn = self._drawn[:num_sequences]
        return drawn.copy_(self._outputs.tokens[:num_sequences], non_blocking=True)
