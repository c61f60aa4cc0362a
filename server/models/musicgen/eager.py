"""What backends have in common that do at once, and with memory of the moment, what is asked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from server.models.base import Resources
from server.models.musicgen.reading_pace import LEAST_COLUMNS
from server.models.musicgen.sampling import Settings, draw, guide
from server.models.musicgen.turns import Turns


class Eager:
    """Takes memory when a sequence comes, and draws from the scores of its `decode_step`."""

    page_positions = 1
    least_columns = LEAST_COLUMNS
    turns: Turns | None = None

    def set_aside(self, capacity: Resources, most_positions: int) -> None:
        """There is nothing to prepare."""

    @abstractmethod
    def decode_step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[Any],
        texts: Sequence[Any],
    ) -> Tensor:
        """As `Backend` has it."""

    @torch.inference_mode()
    def begin_step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[Any],
        texts: Sequence[Any],
        settings: Settings,
        clocks: Sequence[Tensor],
    ) -> Callable[[], Tensor]:
        logits = self.decode_step(tokens, positions, memories, texts)
        chances = torch.stack(list(clocks)).to(logits.device)
        drawn = draw(guide(logits, settings.guidance), settings, chances).cpu()
        return lambda: drawn
