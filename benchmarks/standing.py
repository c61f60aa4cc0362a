"""Requests that stand at any position of their music; what they remember before it is noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.race import Step
from server.models.musicgen.backend import Backend
from server.models.musicgen.checkpoint.config import LanguageModelConfig

NUM_TEXT_TOKENS = 12
#: Read at once, to have something to remember.
COLUMNS_AT_ONCE = 250


class Standing:
    """Requests with the same text, each with memory of `num_positions`, made when needed."""

    def __init__(self, backend: Backend[Any, Any], num_positions: int) -> None:
        self._backend = backend
        self._num_positions = num_positions
        self._text = backend.remember_text(torch.randn(NUM_TEXT_TOKENS, backend.config.text_dim))
        self._memories: list[Any] = []

    def step(self, num_requests: int, position: int) -> Step:
        """Makes decode steps from `position` on, each a position further."""
        while len(self._memories) < num_requests:
            self._memories.append(self._remember())
        config = self._backend.config
        tokens = torch.randint(config.codebook_size, (num_requests, config.num_codebooks))
        memories, texts = self._memories[:num_requests], [self._text] * num_requests

        def step(index: int) -> Tensor:
            positions = [position + index] * num_requests
            return self._backend.decode_step(tokens, positions, memories, texts)

        return step

    def _remember(self) -> Any:
        config = self._backend.config
        memory = self._backend.reserve(self._num_positions)
        columns = torch.randint(config.codebook_size, (config.num_codebooks, self._num_positions))
        for start in range(0, self._num_positions, COLUMNS_AT_ONCE):
            piece = columns[:, start : start + COLUMNS_AT_ONCE]
            self._backend.extend(piece, start, memory, self._text)
        return memory


def bytes_of_step(
    config: LanguageModelConfig, bytes_per_weight: int, bytes_per_position: int, positions: int
) -> int:
    """What a step has to read: each weight of its products once, and the keys and values of so
    many `positions`, those of all requests together.

    Not counted: what it writes, embeddings, norms, and what it remembers of texts.
    """
    blocks = config.num_layers * (6 * config.dim**2 + 2 * config.dim * config.ffn_dim)
    heads = config.dim * config.num_codebooks * config.codebook_size
    return bytes_per_weight * (blocks + heads) + positions * bytes_per_position
