"""Reads the rhythm strings of the genres (see `genres/genre.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from server.models.sketch.chance import Chance


class Stroke(NamedTuple):
    """A sign of a rhythm: where it falls in the bar and how long it holds, in ticks."""

    sign: str
    at_ticks: int
    held_ticks: int


@lru_cache(maxsize=2048)
def strokes(figure: str, place: int, bar_ticks: int) -> tuple[Stroke, ...]:
    """The strokes of bar `place` of `figure`."""
    bars = figure.split("|")
    return tuple(_strokes(bars[place % len(bars)], bar_ticks))


def _strokes(bar: str, bar_ticks: int) -> Iterator[Stroke]:
    step = bar_ticks // len(bar)
    for place, sign in enumerate(bar):
        if sign in ".-":
            continue
        rest = bar[place + 1 :]
        held = 1 + len(rest) - len(rest.lstrip("-"))
        yield Stroke(sign, place * step, held * step)


def busyness(figure: str) -> float:
    """Strokes per bar."""
    bars = figure.split("|")
    return sum(sign not in ".-" for bar in bars for sign in bar) / len(bars)


def pick_figure(figures: Sequence[str], density: float, temperature: float, chance: Chance) -> str:
    """One of `figures`, the first likeliest; away from density 0.5 the busier or sparser."""
    ordered = list(figures)
    if abs(density - 0.5) > 0.12 and len(ordered) > 1:
        ordered.sort(key=busyness, reverse=density > 0.5)
    return chance.pick_early(ordered, temperature)
