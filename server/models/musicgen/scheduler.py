"""Who waits, who runs, and in which slot. Knows nothing of tensors or threads."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.models.musicgen.outbox import Outbox
from server.models.musicgen.wish import Wish

if TYPE_CHECKING:
    from server.models.musicgen.runner import Performance


@dataclass(eq=False)
class Generation:
    """One request in the engine. `cancelled` may be set by any thread."""

    wish: Wish
    outbox: Outbox
    cancelled: bool = False
    performance: Performance | None = field(default=None, repr=False)

    @property
    def done(self) -> bool:
        return self.cancelled or (self.performance is not None and self.performance.finished)


@dataclass(frozen=True)
class Vacancy:
    """A slot that became free: slot `moved_from`, if it is another, must move there."""

    slot: int
    moved_from: int


class Scheduler:
    """First come, first served. The running ones always hold the first slots, without gaps."""

    def __init__(self, num_slots: int) -> None:
        self.num_slots = num_slots
        self.running: list[Generation] = []
        self._waiting: deque[Generation] = deque()

    @property
    def idle(self) -> bool:
        return not self.running and not self._waiting

    @property
    def everyone(self) -> list[Generation]:
        return [*self.running, *self._waiting]

    def add(self, generation: Generation) -> None:
        self._waiting.append(generation)

    def admit(self) -> Generation | None:
        """The next one that waits, now running in the first free slot; None if none can."""
        if not self._waiting or len(self.running) == self.num_slots:
            return None
        self.running.append(self._waiting.popleft())
        return self.running[-1]

    def leave_waiting(self) -> list[Generation]:
        """Those that were cancelled before they had a slot."""
        gone = [generation for generation in self._waiting if generation.cancelled]
        for generation in gone:
            self._waiting.remove(generation)
        return gone

    def leave(self, generation: Generation) -> Vacancy:
        """Free the slot of a running one; the one in the last slot takes its place."""
        slot, last = self.running.index(generation), len(self.running) - 1
        self.running[slot] = self.running[last]
        self.running.pop()
        return Vacancy(slot, last)
