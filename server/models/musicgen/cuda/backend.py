"""The language model on a GPU: recorded decode steps as the engine's backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from server.models.base import Resources
from server.models.musicgen.capacity import PAGE_POSITIONS
from server.models.musicgen.cuda.lanes import (
    URGENT,
    Lane,
    Mark,
    finish_own,
    let_go_first,
    wait_for,
)
from server.models.musicgen.cuda.operations import Operations, operations_for
from server.models.musicgen.cuda.pages import PagedMemory, PagedText
from server.models.musicgen.cuda.recording import Record, recorder
from server.models.musicgen.cuda.steps import Steps
from server.models.musicgen.kv_cache import ROWS, TextMemory, TextVectors, bytes_per_position
from server.models.musicgen.sampling import Settings
from server.models.musicgen.transformer import LanguageModel
from server.models.musicgen.turns import Turns

Text: TypeAlias = PagedText | TextVectors


class RecordedModel:
    """`model`, placed on its device, with its decode steps recorded: a `Backend`.

    Texts and columns that are read ahead go through `model` as it is, beside the steps. Each has a
    lane of its own on the device; the order between them is kept by marks, and the engine's thread
    waits for nothing but tokens and the piece read ahead before the last.
    """

    page_positions = PAGE_POSITIONS
    turns: Turns | None = None
    #: A piece is launched operation by operation: a shorter one would not be sooner.
    least_columns = 256

    def __init__(
        self,
        model: LanguageModel,
        operations: Operations | None = None,
        record: Record | None = None,
        remembers_in_int8: bool = False,
    ) -> None:
        self.config = model.config
        self._model = model
        self._operations = operations or operations_for(model.device, self.config.head_dim)
        self._steps_lane = Lane(model.device, URGENT)
        self._reading_lane = Lane(model.device)
        self._record = record
        self._in_int8 = remembers_in_int8
        self._made: Steps | None = None
        self._latest_step: Mark = None
        self._latest_piece: Mark = None

    @property
    def weights_bytes(self) -> int:
        return self._model.weights_bytes

    @property
    def bytes_per_position(self) -> int:
        return bytes_per_position(self.config, torch.int8 if self._in_int8 else self._model.dtype)

    @property
    def bytes_per_text_token(self) -> int:
        if self.config.melody_frames:
            return self._model.bytes_per_text_token
        return self.bytes_per_position // ROWS

    @torch.inference_mode()
    def set_aside(self, capacity: Resources, most_positions: int) -> None:
        self._made = None  # there may not be room for both
        record = self._record or recorder(self._steps_lane)
        self._made = Steps(
            self._model, self._operations, record, capacity, most_positions, self._in_int8
        )

    @property
    def _steps(self) -> Steps:
        assert self._made is not None, "set_aside comes first"
        return self._made

    @torch.inference_mode()
    def reserve(self, num_positions: int) -> PagedMemory:
        """Who had its pages before may have left while work of theirs was under way."""
        lane = self._reading_lane
        lane.after(self._latest_step)
        with lane.entered():
            memory = PagedMemory(self._steps.pool, num_positions)
        memory.ready = lane.mark()
        return memory

    @torch.inference_mode()
    def remember_text(self, states: Tensor) -> Text:
        """Returns when it is done; who waits for it waits on another thread."""
        text: Text | TextMemory = self._model.remember_text(states)
        if isinstance(text, TextMemory):
            let_go_first(self._reading_lane)
            text = PagedText(self._steps.pool, text)
        self._reading_lane.borrow(text.vectors if isinstance(text, TextVectors) else text.on_device)
        finish_own(self._model.device)
        return text

    def prefix(self, melody: Tensor | None, text: Text | None) -> Tensor:
        with self._reading_lane.entered():
            return self._model.prefix(melody, text)

    def read_prefix(self, vectors: Tensor, start: int, memory: PagedMemory) -> None:
        with self._reading(memory, start + vectors.shape[1]):
            self._model.read_prefix(vectors, start, memory)

    def extend(self, tokens: Tensor, start: int, memory: PagedMemory, text: Text | None) -> None:
        with self._reading(memory, start + tokens.shape[1]):
            self._model.extend(tokens, start, memory, text)

    @contextmanager
    def _reading(self, memory: PagedMemory, stop: int) -> Iterator[None]:
        """What is begun inside is read ahead, beside the steps; before `memory` takes part in one
        it must be done."""
        memory.check(stop - 1)
        wait_for(self._latest_piece)  # or pieces would pile up, and a newcomer's step stall all
        with self._reading_lane.entered():
            yield
        self._latest_piece = memory.ready = self._reading_lane.mark()

    @torch.inference_mode()
    def decode_step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[PagedMemory],
        texts: Sequence[Text | None],
    ) -> Tensor:
        with self._stepping():
            self._step(tokens, positions, memories, texts)
            logits = self._steps.logits(len(tokens))
        wait_for(self._latest_step)
        return logits

    @torch.inference_mode()
    def begin_step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[PagedMemory],
        texts: Sequence[Text | None],
        settings: Settings,
        clocks: Sequence[Tensor],
    ) -> Callable[[], Tensor]:
        with self._stepping():
            self._steps.inputs.draw_by(settings, clocks)
            self._step(tokens, positions, memories, texts)
            drawn = self._steps.fetch_tokens(len(tokens))
        return partial(_once_done, self._latest_step, drawn)

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        """What is begun inside belongs to one step."""
        wait_for(self._latest_step)  # it may have been left alone; what it reads is written anew
        try:
            with self._steps_lane.entered():
                yield
        finally:
            self._latest_step = self._steps_lane.mark()

    def _step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[PagedMemory],
        texts: Sequence[Text | None],
    ) -> None:
        for position, memory in zip(positions, memories, strict=True):
            memory.check(position)
            self._steps_lane.after(memory.ready)
            memory.ready = None
        looked_at = [text if isinstance(text, PagedText) else None for text in texts]
        self._steps.run(tokens, positions, list(zip(memories, looked_at, strict=True)))


def _once_done(step: Mark, drawn: Tensor) -> Tensor:
    wait_for(step)
    return drawn.clone()
