"""What a recorded step reads: tensors that never move, for as many sequences as there are slots.

Rows of the batch that nobody has read and write the scratch page, and look at no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias
from weakref import ref

import torch
from torch import Tensor

from server.models.musicgen.capacity import PAGE_POSITIONS, whole_pages
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.cuda.pages import SCRATCH_PAGE, Paged, PagedMemory, PagedText
from server.models.musicgen.kv_cache import ROWS
from server.models.musicgen.sampling import Settings
from server.models.musicgen.wish import MAX_TEXT_TOKENS, Sampling

#: A sequence in the batch: what it remembers, and its text if it looks at one.
Placed: TypeAlias = "tuple[PagedMemory, PagedText | None]"


@dataclass(frozen=True)
class BatchInputs:
    """For B sequences: `tokens` [B, K], `positions` [B], the pages of each row in `tables` [2B, n],
    those of texts in `text_tables` [B, m] with `text_lengths` [B], how tokens are drawn, and by
    which `clocks` [B, K, card]."""

    tokens: Tensor
    positions: Tensor
    tables: Tensor
    text_tables: Tensor
    text_lengths: Tensor
    settings: Settings
    clocks: Tensor


class Fed:
    """A tensor on the device, and where the host prepares what it will hold."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        self.tensor = torch.zeros(shape, dtype=dtype, device=device)
        self.host = torch.zeros(shape, dtype=dtype, pin_memory=device.type == "cuda")

    def send(self, num_rows: int | None = None) -> None:
        """The first rows, or all. They are not to be changed until the device has them."""
        self.tensor[:num_rows].copy_(self.host[:num_rows], non_blocking=True)


class Inputs:
    """For `num_slots` sequences, each of up to `most_positions`."""

    def __init__(
        self,
        config: LanguageModelConfig,
        num_slots: int,
        most_positions: int,
        device: torch.device,
    ) -> None:
        num_codebooks, card = config.num_codebooks, config.codebook_size
        num_pages, num_text_pages = (
            whole_pages(most) // PAGE_POSITIONS for most in (most_positions, MAX_TEXT_TOKENS)
        )
        #: The newest columns, and below them their positions.
        self._newest = Fed((num_codebooks + 1, num_slots), torch.int64, device)
        self._tables = Fed((num_slots, ROWS, num_pages), torch.int64, device)
        self._text_tables = Fed((num_slots, num_text_pages), torch.int64, device)
        self._text_lengths = Fed((num_slots,), torch.int64, device)
        self._clocks = Fed((num_slots, num_codebooks, card), torch.float32, device)
        self._clocks.tensor.fill_(1)
        nobody = Settings.of([Sampling()] * num_slots, [1.0] * num_slots, card, device)
        #: Which kinds of drawing there are is not known when a step is recorded.
        self._settings = replace(nobody, largest_top_k=card, any_greedy=True, any_nucleus=True)
        #: Weakly, for what has left goes back to the pool.
        self._batch: list[ref[Paged]] = []
        self._drawn_by: Settings | None = None

    def of(self, num_slots: int) -> BatchInputs:
        """What is read for the first `num_slots` sequences."""
        some = slice(num_slots)
        columns: dict[str, Any] = {name: column[some] for name, column in _columns(self._settings)}
        return BatchInputs(
            tokens=self._newest.tensor[:-1, some].T,
            positions=self._newest.tensor[-1, some],
            tables=self._tables.tensor[some].flatten(0, 1),
            text_tables=self._text_tables.tensor[some],
            text_lengths=self._text_lengths.tensor[some],
            settings=replace(self._settings, **columns),
            clocks=self._clocks.tensor[some],
        )

    def place(self, tokens: Tensor, positions: Sequence[int], batch: Sequence[Placed]) -> None:
        """The newest columns `tokens` [B, K] of `batch`, in the first slots."""
        newest = self._newest.host
        newest[:-1, : len(batch)] = tokens.T
        newest[-1, : len(batch)] = torch.tensor(positions)
        newest[:, len(batch) :] = 0
        self._newest.send()
        present: list[ref[Paged]] = [
            ref(each) for pair in batch for each in pair if each is not None
        ]
        if present != self._batch:
            self._place_tables(batch)
            self._batch = present

    def draw_by(self, settings: Settings, clocks: Sequence[Tensor]) -> None:
        """The settings of B sequences, and a chance [K, card] for each."""
        num_drawn = len(clocks)
        torch.stack(list(clocks), out=self._clocks.host[:num_drawn])
        self._clocks.send(num_drawn)
        if settings is not self._drawn_by:
            for name, column in _columns(self._settings):
                column[:num_drawn] = getattr(settings, name)
            self._drawn_by = settings

    def _place_tables(self, batch: Sequence[Placed]) -> None:
        fed = (self._tables, self._text_tables, self._text_lengths)
        for each in fed:
            each.host.fill_(SCRATCH_PAGE)
        for slot, (memory, text) in enumerate(batch):
            self._tables.host[slot, :, : memory.table.shape[1]] = memory.table
            if text is not None:
                self._text_tables.host[slot, : text.table.shape[1]] = text.table[0]
                self._text_lengths.host[slot] = text.num_positions
        for each in fed:
            each.send()


def _columns(settings: Settings) -> Iterator[tuple[str, Tensor]]:
    """Those of its fields that are columns, [B, 1, 1]."""
    for field in fields(settings):
        if isinstance(value := getattr(settings, field.name), Tensor):
            yield field.name, value
