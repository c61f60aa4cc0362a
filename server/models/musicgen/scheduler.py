"""Who waits and who runs, within what there is. Knows nothing of tensors or threads."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from server.events import AudioChunk, Progress, Samples, Warning
from server.models.base import NO_RESOURCES, Resources
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.wish import Wish

if TYPE_CHECKING:
    from server.models.musicgen.runner import Performance

RESTARTED = Warning(
    "restarted", "memory ran short: the work begins again; what was sent stays and is not repeated"
)


@dataclass(eq=False)
class Generation:
    """One request in the engine. `cancelled` may be set by any thread.

    Its client hears each sample once, however often it is performed.
    """

    wish: Wish
    cost: Resources
    outbox: Outbox
    cancelled: bool = False
    performance: Performance | None = field(default=None, repr=False)
    _num_heard: int = 0
    _num_performed: int = 0
    _percent: float = 0.0

    @property
    def complete(self) -> bool:
        """All of its sound has been made."""
        return self.performance is not None and self.performance.sound.complete

    @property
    def done(self) -> bool:
        return self.cancelled or self.complete

    def post_sound(self, samples: Samples) -> None:
        """Send the next [channels, n] of the performance, less what was heard of an earlier one."""
        start = self._num_performed
        self._num_performed += samples.shape[1]
        if self._num_performed > self._num_heard:
            self.outbox.post(AudioChunk(samples[:, max(0, self._num_heard - start) :]))
            self._num_heard = self._num_performed

    def post_progress(self) -> None:
        """Say how far it is; while it waits to begin again, that it is not forgotten."""
        if self.performance is not None:
            self._percent = max(self._percent, self.performance.percent)
        self.outbox.post(Progress(self._percent))

    def start_over(self) -> None:
        """Let go of the performance; the next one begins from the seed."""
        self.performance = None
        self._num_performed = 0
        self.outbox.post(RESTARTED)


class Scheduler:
    """First come, first served. `running` is in the order of admission, the youngest last."""

    def __init__(self, capacity: Resources) -> None:
        self.capacity = self._whole_capacity = capacity
        self.running: list[Generation] = []
        self._waiting: deque[Generation] = deque()

    @property
    def everyone(self) -> list[Generation]:
        return [*self.running, *self._waiting]

    @property
    def waiting(self) -> list[Generation]:
        return list(self._waiting)

    @property
    def used(self) -> Resources:
        return sum((generation.cost for generation in self.running), NO_RESOURCES)

    def add(self, generation: Generation) -> None:
        self._waiting.append(generation)

    def admit(self) -> Generation | None:
        """The next one that waits, now running; None if none waits or it does not fit yet."""
        if not self._waiting or not (self.used + self._waiting[0].cost).fit(self.capacity):
            return None
        self.running.append(self._waiting.popleft())
        return self.running[-1]

    def leave(self, generation: Generation) -> None:
        """Whoever runs or waits may. A capacity that had to shrink grows by a slot with each that
        was made to its end."""
        (self.running if generation in self.running else self._waiting).remove(generation)
        if generation.complete:
            num_slots = min(self._whole_capacity.slots, self.capacity.slots + 1)
            self.capacity = replace(self.capacity, slots=num_slots)

    def put_back(self, generation: Generation) -> None:
        """It is the next one to be admitted, once another leaves: there is room for fewer."""
        self.running.remove(generation)
        self._waiting.appendleft(generation)
        self.capacity = replace(self.capacity, slots=max(1, len(self.running)))
