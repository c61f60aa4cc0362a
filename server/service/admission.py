"""Who runs and who waits: one waiting room a model, first come first served, by what each takes."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Callable

from server.errors import Busy
from server.models.base import NO_RESOURCES, Resources

#: Said to a refused client while nothing is known yet about how long a generation takes.
UNKNOWN_RETRY_SECONDS = 5
#: Weight of the newest generation in the running average of speeds.
NEWEST_WEIGHT = 0.3


class Ticket:
    """One request's place in the room: waiting, then admitted, then gone.

    It holds what one take costs, and more takes while it is `widen`ed.
    """

    def __init__(self, room: WaitingRoom, cost: Resources, audio_seconds: float) -> None:
        self.cost = cost
        self.num_takes = 1
        self.audio_seconds = audio_seconds
        self.admitted_at: float | None = None
        #: Cancelled: its slots are about to be free, within a step.
        self.leaving = False
        self._room = room
        self._admitted = asyncio.Event()

    @property
    def admitted(self) -> bool:
        return self._admitted.is_set()

    @property
    def position(self) -> int:
        """1 is next; 0 once admitted."""
        return self._room.position(self)

    @property
    def eta_seconds(self) -> float | None:
        """When a slot will probably be free; None while no generation has been timed yet."""
        return self._room.eta_seconds(self)

    async def wait(self, timeout_seconds: float) -> bool:
        """True once admitted, False when the time is up first."""
        if self.admitted:
            return True
        try:
            await asyncio.wait_for(self._admitted.wait(), timeout_seconds)
        except asyncio.TimeoutError:
            return False
        return True

    @property
    def held(self) -> Resources:
        """What it holds once it is admitted."""
        return sum([self.cost] * self.num_takes, NO_RESOURCES)

    def widen(self) -> bool:
        """Take what one more take costs, if it is free and nobody waits for it."""
        if not self._room.has_spare(self.cost):
            return False
        self.num_takes += 1
        return True

    def narrow(self, to: int) -> None:
        """Give back what all takes but `to` cost."""
        if to < self.num_takes:
            self.num_takes = to
            self._room.admit()

    def leave(self) -> None:
        """Give the place, or the slots, back; harmless when done twice."""
        self._room.release(self)

    def record_speed(self) -> None:
        """Let the room learn from this generation, which ran to its end."""
        self._room.record_speed(self)

    def admit(self, now: float) -> None:
        self.admitted_at = now
        self._admitted.set()


class WaitingRoom:
    """The only queue there is before a model.

    `capacity` is asked anew each time, since what a model has may shrink and grow while it runs,
    and is nothing until it is loaded.
    """

    def __init__(self, capacity: Callable[[], Resources]) -> None:
        self._capacity = capacity
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
        self._wall_per_audio: float | None = None

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def used(self) -> Resources:
        """What the running requests hold together."""
        return sum((ticket.held for ticket in self._running), NO_RESOURCES)

    def has_spare(self, cost: Resources) -> bool:
        """Whether so much is free that nobody waits for."""
        return not self._waiting and (self.used + cost).fit(self._capacity())

    def enter(self, cost: Resources, audio_seconds: float, places: float) -> Ticket:
        """Take what it costs, or else a place to wait if fewer than `places` are taken.

        A client that stops its music and at once asks for other would find its own slot taken:
        requests that are leaving therefore make as many places. Raises `Busy`. Never awaits, so no
        place is lost between taking it and owning it.
        """
        ticket = Ticket(self, cost, audio_seconds)
        self._waiting.append(ticket)
        self.admit()
        places += sum(running.leaving for running in self._running)
        if not ticket.admitted and len(self._waiting) > places:
            retry_after_seconds = self._retry_after_seconds(ticket)
            self._waiting.remove(ticket)
            raise Busy(self._refusal(), retry_after_seconds)
        return ticket

    def admit(self) -> None:
        """Admit from the front, and only from the front, whatever now fits."""
        now = time.monotonic()
        while self._waiting and (self.used + self._waiting[0].cost).fit(self._capacity()):
            ticket = self._waiting.pop(0)
            self._running.append(ticket)
            ticket.admit(now)

    def release(self, ticket: Ticket) -> None:
        for group in (self._waiting, self._running):
            if ticket in group:
                group.remove(ticket)
        self.admit()

    def record_speed(self, ticket: Ticket) -> None:
        """Learn from a generation that ran to its end."""
        if ticket.admitted_at is None:
            return
        latest = (time.monotonic() - ticket.admitted_at) / ticket.audio_seconds
        known = latest if self._wall_per_audio is None else self._wall_per_audio
        self._wall_per_audio = known + NEWEST_WEIGHT * (latest - known)

    def position(self, ticket: Ticket) -> int:
        return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0

    def eta_seconds(self, ticket: Ticket) -> float | None:
        """Play the room forward at the average speed seen so far, a slot a request."""
        if self._wall_per_audio is None:
            return None
        slots = max(1, self._capacity().slots)
        remaining = sorted(self._remaining_seconds(running) for running in self._running)
        free_in = ([0.0] * slots + remaining)[-slots:]
        for waiting in self._waiting:
            start = heapq.heappop(free_in)
            if waiting is ticket:
                return round(start, 1)
            heapq.heappush(free_in, start + self._wall_per_audio * waiting.audio_seconds)
        return 0.0

    def _remaining_seconds(self, ticket: Ticket) -> float:
        expected = (self._wall_per_audio or 0.0) * ticket.audio_seconds
        return max(0.0, expected - (time.monotonic() - (ticket.admitted_at or 0.0)))

    def _retry_after_seconds(self, ticket: Ticket) -> int:
        eta_seconds = self.eta_seconds(ticket)
        return UNKNOWN_RETRY_SECONDS if eta_seconds is None else max(1, math.ceil(eta_seconds))

    def _refusal(self) -> str:
        running, waiting = self.num_running, self.num_waiting
        return (
            f"the model is busy: {running} running, {waiting} waiting, and no place is free. "
            "Try again after the time in Retry-After"
        )
