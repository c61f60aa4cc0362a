"""Requests that stand at any position of their music; what they remember before it is noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.race import Step
from server.models.base import Resources
from server.models.musicgen.backend import Backend
from server.models.musicgen.capacity import whole_pages
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.sampling import Settings, draw_clocks
from server.models.musicgen.wish import Sampling

NUM_TEXT_TOKENS = 12
GUIDANCE = 3.0
#: Read at once, to have something to remember.
COLUMNS_AT_ONCE = 250


class Standing:
    """Requests with the same text, each with memory of `num_positions`.

    Memory is taken for as many as are asked for, and anew for more of them: begin with the most.
    """

    def __init__(self, backend: Backend[Any, Any], num_positions: int) -> None:
        self._backend = backend
        self._num_positions = num_positions
        self._states = torch.randn(NUM_TEXT_TOKENS, backend.config.text_dim)
        self._memories: list[Any] = []
        self._text: Any = None

    def step(self, num_requests: int, position: int) -> Step:
        """Makes the decode step at `position`, again and again: its scores."""
        what = self._columns(num_requests, position)
        return lambda _: self._backend.decode_step(*what)

    def drawing_step(self, num_requests: int, position: int, device: torch.device) -> Step:
        """The same with guidance and drawing; the tokens come to the CPU. Chances were drawn
        before."""
        what = self._columns(num_requests, position)
        config = self._backend.config
        card, chance = config.codebook_size, torch.Generator().manual_seed(0)
        settings = Settings.of([Sampling()] * num_requests, [GUIDANCE] * num_requests, card, device)
        clocks = [draw_clocks(config.num_codebooks, card, chance) for _ in range(num_requests)]
        return lambda _: self._backend.begin_step(*what, settings, clocks)()

    def _columns(
        self, num_requests: int, position: int
    ) -> tuple[Tensor, list[int], list[Any], list[Any]]:
        """What a decode step of them takes."""
        if num_requests > len(self._memories):
            self._make_room(num_requests)
        config = self._backend.config
        tokens = torch.randint(config.codebook_size, (num_requests, config.num_codebooks))
        memories = self._memories[:num_requests]
        return tokens, [position] * num_requests, memories, [self._text] * num_requests

    def _make_room(self, num_requests: int) -> None:
        self._memories, self._text = [], None
        set_aside(self._backend, num_requests, self._num_positions, NUM_TEXT_TOKENS)
        self._text = self._backend.remember_text(self._states)
        self._memories = [self._remember() for _ in range(num_requests)]

    def _remember(self) -> Any:
        config = self._backend.config
        memory = self._backend.reserve(self._num_positions)
        columns = torch.randint(config.codebook_size, (config.num_codebooks, self._num_positions))
        for start in range(0, self._num_positions, COLUMNS_AT_ONCE):
            piece = columns[:, start : start + COLUMNS_AT_ONCE]
            self._backend.extend(piece, start, memory, self._text)
        return memory


def set_aside(
    backend: Backend[Any, Any], num_requests: int, num_positions: int, num_text_tokens: int
) -> None:
    """Room for requests of `num_positions` each and for a text that they share."""
    positions = num_requests * whole_pages(num_positions, backend.page_positions)
    tokens = whole_pages(num_text_tokens, backend.page_positions)
    num_bytes = positions * backend.bytes_per_position + tokens * backend.bytes_per_text_token
    backend.set_aside(Resources(num_requests, num_bytes), num_positions)


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
