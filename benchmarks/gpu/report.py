"""Rows as they are measured, while there is time; what failed, and what had no time, is said."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from server.models.devices import give_back_memory
from server.models.failures import is_out_of_memory

LONGEST_WORDS = 120


class Measured(Protocol):
    """What a row tells after its key."""

    @property
    def cells(self) -> Sequence[str]: ...


R = TypeVar("R", bound=Measured)
#: What a row is about: a shape, so many requests, a position.
Key = tuple[str | int, ...]


@dataclass
class Table(Generic[R]):
    """The first columns of `header` are the key's. `results` are of rows that did not fail."""

    title: str
    header: Sequence[str]
    note: str = ""
    results: dict[Key, R] = field(default_factory=dict)
    _rows: dict[Key, Sequence[str]] = field(default_factory=dict)

    def add(self, key: Key, result: R) -> None:
        self.results[key] = result
        self._rows[key] = result.cells

    def fail(self, key: Key, words: str) -> None:
        self._rows[key] = [words]

    def tell(self, key: Key) -> None:
        """Of a row, while it goes on."""
        say(f"{self.title}: {self._line(key)}")

    def markdown(self) -> str:
        """Rows of a kind together, in the order in which the kinds came."""
        kinds = list(dict.fromkeys(key[0] for key in self._rows))
        keys = sorted(self._rows, key=lambda key: (kinds.index(key[0]), *map(_in_order, key[1:])))
        lines = [line(self.header), line(["---"] * len(self.header)), *map(self._line, keys)]
        return "\n".join([f"### {self.title}\n", *([self.note, ""] if self.note else []), *lines])

    def _line(self, key: Key) -> str:
        cells = [*map(str, key), *self._rows[key]]
        return line([*cells, *[""] * (len(self.header) - len(cells))])


def _in_order(part: str | int) -> tuple[int, str]:
    return (part, "") if isinstance(part, int) else (0, part)


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


class Report:
    """Measures what there is time for, in the order in which it is asked: the important first.

    A row is begun if there is time for one that takes as long as the longest of its table so far.
    """

    def __init__(self, num_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._end = now() + num_seconds
        self._longest_seconds: dict[str, float] = {}
        self.left_out: list[str] = []

    @property
    def seconds_left(self) -> float:
        return self._end - self._now()

    def measure(self, table: Table[R], key: Key, work: Callable[[], R]) -> R | None:
        """The row `key` of `table`, by `work`. None if there is no time, or if it failed, which the
        row then says."""
        longest = self._longest_seconds.get(table.title, 0.0)
        if self.seconds_left <= longest:
            self.drop(table, key)
            return None
        begun = self._now()
        result = _attempt(table, key, work)
        table.tell(key)
        self._longest_seconds[table.title] = max(longest, self._now() - begun)
        return result

    def drop(self, table: Table[R], key: Key) -> None:
        self.leave_out(f"{table.title}: {', '.join(map(str, key))}")

    def leave_out(self, what: str) -> None:
        self.left_out.append(what)
        say(f"{what}: left out")


def _attempt(table: Table[R], key: Key, work: Callable[[], R]) -> R | None:
    try:
        result = work()
    except Exception as error:
        words = in_words(error)
    else:
        table.add(key, result)
        return result
    table.fail(key, words)
    free_memory()
    return None


def free_memory() -> None:
    """Not in the handler of an error: while that runs, the error's frames hold tensors."""
    gc.collect()
    with suppress(RuntimeError):  # of a device that is broken
        give_back_memory()


def in_words(error: Exception) -> str:
    """For a cell of a table."""
    if is_out_of_memory(error):
        return "out of memory"
    if isinstance(error, TimeoutError):
        return "not done in the time that was left"
    words = " ".join(f"{type(error).__name__}: {error}".split()).replace("|", "/")
    return words[:LONGEST_WORDS]


def say(words: str) -> None:
    """While it goes on, apart from the result."""
    print(words, file=sys.stderr, flush=True)
