"""How fast the sound comes, and how much of it a listener should hold back."""

from __future__ import annotations

import time

from server.events import Pace


class Pacer:
    """Watches the sound of one job being made.

    Sound is made at `r` seconds of work per second of music, in chunks up to `g` seconds of work
    apart. Who starts with `b` of `d` seconds in hand must not run dry before any later chunk. With
    `r` below 1 the next chunk is the worst: `b = g`. Above 1 it is the last one: all of the rest,
    `(d - b) * r` of work, must be done while all but that chunk plays, `d - g / r`; hence
    `b = d * (1 - 1/r) + g / r²`.
    """

    def __init__(self, duration_seconds: float) -> None:
        self._duration_seconds = duration_seconds
        self._audio_seconds = 0.0
        self._done = (
            0.0  # the share of the work, 0 to 1, for models that make sound only at the end
        )
        self._longest_gap_seconds = 0.0
        self._longest_chunk_seconds = 0.0
        self._begun = self._last_chunk = time.monotonic()

    def made(self, audio_seconds: float) -> None:
        """A chunk came. The wait for the first one is no gap: nothing plays yet."""
        now = time.monotonic()
        if self._audio_seconds:
            self._longest_gap_seconds = max(self._longest_gap_seconds, now - self._last_chunk)
        self._longest_chunk_seconds = max(self._longest_chunk_seconds, audio_seconds)
        self._audio_seconds += audio_seconds
        self._last_chunk = now

    def progressed(self, percent: float) -> None:
        self._done = percent / 100

    def pace(self) -> Pace:
        made = max(self._audio_seconds, self._done * self._duration_seconds)
        if not made:
            return Pace(None, self._duration_seconds)
        factor = (time.monotonic() - self._begun) / made
        if not self._audio_seconds:  # how it will come is not known yet
            return Pace(round(factor, 4), self._duration_seconds)
        gap = max(self._longest_gap_seconds, self._longest_chunk_seconds * factor)
        hold = self._duration_seconds * (1 - 1 / factor) + gap / factor**2 if factor > 1 else gap
        return Pace(round(factor, 4), round(min(self._duration_seconds, hold), 3))
