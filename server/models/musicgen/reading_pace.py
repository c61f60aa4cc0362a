"""How much to read ahead at once, so that nobody's music stops for it."""

from __future__ import annotations

#: Who is playing waits for a piece no longer than about this many decode steps; a piece of any
#: length takes about one, since all weights are read for it.
MOST_STEPS = 1.25
GROWTH = 1.25
FIRST_COLUMNS = 8
MOST_COLUMNS = 1024
#: Weight of the newest decode step in the average of their durations.
NEWEST_WEIGHT = 0.2


class ReadingPace:
    """Watches how long decode steps and pieces take; `num_columns` is the next piece's length."""

    def __init__(self) -> None:
        self.num_columns = FIRST_COLUMNS
        self._step_seconds: float | None = None

    def stepped(self, seconds: float) -> None:
        """A decode step took so long."""
        known = seconds if self._step_seconds is None else self._step_seconds
        self._step_seconds = known + NEWEST_WEIGHT * (seconds - known)

    def read(self, num_columns: int, seconds: float) -> None:
        """A piece took so long. It says nothing about longer ones if it was short and quick."""
        if self._step_seconds is None:
            return
        allowed_seconds = MOST_STEPS * self._step_seconds
        if seconds > allowed_seconds:
            fewer = int(num_columns * max(0.5, allowed_seconds / seconds))
            self.num_columns = max(1, min(self.num_columns, fewer))
        elif num_columns == self.num_columns:
            more = max(num_columns + 1, int(num_columns * GROWTH))
            self.num_columns = min(MOST_COLUMNS, more)
