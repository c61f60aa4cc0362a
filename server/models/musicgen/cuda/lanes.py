"""Streams of a GPU: what is begun in one is done in order, and beside what is begun in others."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

import torch
from torch import Tensor

#: CUDA's way to say "before others".
URGENT = -1
#: All that was begun in a lane up to a moment; None where it is done already, as on a CPU.
Mark: TypeAlias = "torch.cuda.Event | None"


class Lane:
    """What is begun inside `with lane.entered():` goes into it. On a CPU it is done at once, and
    there is never anything to wait for."""

    def __init__(self, device: torch.device, priority: int = 0) -> None:
        self.stream = torch.cuda.Stream(device, priority) if device.type == "cuda" else None

    def entered(self) -> AbstractContextManager[object]:
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def mark(self) -> Mark:
        return None if self.stream is None else self.stream.record_event()

    def after(self, mark: Mark) -> None:
        """What is begun from now on is done, on the device, after another lane's `mark`."""
        if self.stream is not None and mark is not None:
            self.stream.wait_event(mark)

    def borrow(self, tensor: Tensor) -> None:
        """Its memory is not to be used for others before what is begun by then in this lane is
        done, whichever lane it was made in."""
        if self.stream is not None:
            tensor.record_stream(self.stream)


def wait_for(mark: Mark) -> None:
    """Let this thread wait until all before `mark` is done."""
    if mark is not None:
        mark.synchronize()


def let_go_first(lane: Lane) -> None:
    """What this thread begins from now on is done after what was begun in `lane`."""
    if lane.stream is not None:
        torch.cuda.current_stream(lane.stream.device).wait_stream(lane.stream)


def finish_own(device: torch.device) -> None:
    """Let this thread wait for what it has begun itself, outside any lane."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def take_a_stream(device: torch.device) -> None:
    """Let what this thread does on `device` go beside what others do there."""
    if device.type == "cuda":
        torch.cuda.set_stream(torch.cuda.Stream(device))
