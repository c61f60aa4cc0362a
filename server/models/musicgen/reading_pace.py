"""How much to read ahead at once, so that nobody's music stops for it."""

from __future__ import annotations

GROWTH = 1.25
#: As much work as a decode step of so many requests, and that takes hardly longer than one of one:
#: reading the weights is most of it.
LEAST_COLUMNS = 4
MOST_COLUMNS = 1024
#: Weight of the newest decode step in the average of their durations.
NEWEST_WEIGHT = 0.2


class ReadingPace:
    """Watches how long decode steps and pieces take; `num_columns` is the next piece's length.

    A piece should take as long as a decode step does: then who is playing waits for two.
    """

    def __init__(self, least_columns: int = LEAST_COLUMNS) -> None:
        self.num_columns = self._least_columns = least_columns
        self._step_seconds: float | None = None

    def stepped(self, seconds: float) -> None:
        """A decode step took so long."""
        known = seconds if self._step_seconds is None else self._step_seconds
        self._step_seconds = known + NEWEST_WEIGHT * (seconds - known)

    def read(self, num_columns: int, seconds: float) -> None:
        """A piece took so long. It says nothing about longer ones if it was short and quick."""
        if self._step_seconds is None:
            return
        if seconds > self._step_seconds:
            fewer = int(num_columns * max(0.5, self._step_seconds / seconds))
            self.num_columns = max(self._least_columns, min(self.num_columns, fewer))
        elif num_columns == self.num_columns:
            self.num_columns = min(MOST_COLUMNS, int(num_columns * GROWTH))
