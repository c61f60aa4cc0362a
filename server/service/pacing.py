"""How fast the sound comes, and how much of it a listener should hold back."""

from __future__ import annotations

import time

from server.events import Pace


class Pacer:
    """Watches the sound of one job being made.

    Sound is made at `r` seconds of work per second of music. With `r` above 1, a listener who
    starts at once runs dry. One who first holds back `b` seconds of a piece of `d` seconds does
    not, if the rest, `(d - b) * r` of work, is done while all of `d` plays: `b = d * (1 - 1/r)`.
    With `r` below 1 it is enough to bridge the longest silence between two chunks.
    """

    def __init__(self, duration_seconds: float) -> None:
        self._duration_seconds = duration_seconds
        self._audio_seconds = 0.0
        self._done = (
            0.0  # the share of the work, 0 to 1, for models that make sound only at the end
        )
        self._longest_gap_seconds = 0.0
        self._begun = self._last_chunk = time.monotonic()

    def made(self, audio_seconds: float) -> None:
        """A chunk came. The wait for the first one is no gap: nothing plays yet."""
        now = time.monotonic()
        if self._audio_seconds:
            self._longest_gap_seconds = max(self._longest_gap_seconds, now - self._last_chunk)
        self._audio_seconds += audio_seconds
        self._last_chunk = now

    def progressed(self, percent: float) -> None:
        self._done = percent / 100

    def pace(self) -> Pace:
        made = max(self._audio_seconds, self._done * self._duration_seconds)
        if not made:
            return Pace(None, self._duration_seconds)
        factor = (time.monotonic() - self._begun) / made
        hold = self._duration_seconds * (1 - 1 / factor) if factor > 1 else 0.0
        hold = min(self._duration_seconds, max(hold, self._longest_gap_seconds))
        return Pace(round(factor, 4), round(hold, 3))
