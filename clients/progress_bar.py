"""One line on a terminal that shows how far the music is."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TextIO

from clients.events import Completed, Event, Progress, Queued, Retrying, Started

BAR_COLUMNS = 30
DEFAULT_COLUMNS = 80


class ProgressBar:
    """Draws on `stream` while used as a context; `shown` None means: only on a terminal."""

    def __init__(self, shown: bool | None = None, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty() if shown is None else shown
        self._began_at = time.monotonic()
        self._num_drawn = 0  # characters of the line as it stands
        self._percent = 0.0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._num_drawn:  # what is printed next begins on a line of its own
            print(file=self._stream, flush=True)

    def show(self, event: Event) -> None:
        """Redraw the line after `event`."""
        if self._shown and (line := self._line(event)) is not None:
            self._draw(line)

    def _line(self, event: Event) -> str | None:
        if isinstance(event, Retrying):
            return f"busy, asking again in {event.wait_seconds:g} s: {event.reason}"
        if isinstance(event, Queued):
            return _waiting(event)
        if isinstance(event, Progress):
            self._percent = event.percent
        elif isinstance(event, Completed):
            self._percent = 100.0
        elif not isinstance(event, Started):
            return None
        return self._bar()

    def _bar(self) -> str:
        num_full = round(BAR_COLUMNS * self._percent / 100)
        minutes, seconds = divmod(int(time.monotonic() - self._began_at), 60)
        bar = "#" * num_full + "-" * (BAR_COLUMNS - num_full)
        return f"[{bar}] {self._percent:3.0f} %  {minutes}:{seconds:02}"

    def _draw(self, line: str) -> None:
        line = line[: self._num_columns() - 1]  # a line that wraps cannot be drawn over
        padding = " " * (self._num_drawn - len(line))
        print(f"\r{line}{padding}", end="", file=self._stream, flush=True)
        self._num_drawn = len(line)

    def _num_columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or DEFAULT_COLUMNS
        except (OSError, ValueError):  # not a terminal, or a stream without a file
            return DEFAULT_COLUMNS


def _waiting(event: Queued) -> str:
    place = "" if event.position is None else f", place {event.position}"
    eta = "" if event.eta_seconds is None else f", about {event.eta_seconds:.0f} s"
    return f"waiting for a slot{place}{eta}"
