"""The line that a terminal shows, drawn into a string."""

from __future__ import annotations

import io

from clients.events import Completed, Progress, Queued, Retrying
from clients.progress_bar import DEFAULT_COLUMNS, ProgressBar


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    screen = io.StringIO()
    with ProgressBar(stream=screen) as bar:
        bar.show(Queued(1))
        bar.show(Progress(50))
        bar.show(Completed(b""))
    assert screen.getvalue() == ""


def test_a_long_line_is_cut_and_a_short_one_covers_it() -> None:
    screen = io.StringIO()
    with ProgressBar(shown=True, stream=screen) as bar:
        bar.show(Retrying(3, "x" * 500))
        bar.show(Queued(None))
    _, long_line, short_line = screen.getvalue().split("\r")
    assert len(long_line) == DEFAULT_COLUMNS - 1
    assert short_line == "waiting for a slot".ljust(len(long_line)) + "\n"
