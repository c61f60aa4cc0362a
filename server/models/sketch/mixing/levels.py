"""How loud notes and parts are: one place, so that the expected loudness is the rendered one."""

from __future__ import annotations

from functools import lru_cache

from server.models.sketch.composition.score import Part
from server.models.sketch.synthesis.instruments import INSTRUMENTS
from server.models.sketch.synthesis.signal import gain_of


def note_gain(velocity: float) -> float:
    """The gain of a note: between proportional to its velocity and to the square of it."""
    return 0.5 * velocity * (0.35 + 0.65 * velocity)


def hit_gain(velocity: float) -> float:
    """The gain of a drum hit."""
    return 0.6 * velocity * (0.35 + 0.65 * velocity)


def part_gains(part: Part) -> tuple[float, float]:
    """The gains of a part to the left and to the right."""
    level = _level(part.instrument, part.level_db)
    return level * min(1.0, 1.0 - part.pan), level * min(1.0, 1.0 + part.pan)


@lru_cache(maxsize=512)
def _level(instrument: str, level_db: float) -> float:
    known = INSTRUMENTS.get(instrument)  # a drum kit is none
    return gain_of(level_db + (known.level_db if known else 0.0))
