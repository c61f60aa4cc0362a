"""What is aimed at on an H100, beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.gpu.report import Key
from benchmarks.gpu.steps import Pace
from benchmarks.gpu.streams import Concert

SHAPE = "large"
SHARE, GOAL_SHARE = 0.6, 0.8
TIMES = 5.0
STREAMS, GOAL_STREAMS = 32, 48
STEPS_PER_SECOND = 50.0
FIRST_SOUND_SECONDS = 0.3
TITLE = "Targets"
NOTE = "They were set for an H100."
HEADER = ("of musicgen-large", "target", "measured", "")
ALONE = "alone, at its worst position"


@dataclass(frozen=True)
class Target:
    """`found` is None where nothing was measured."""

    what: str
    target: float
    found: float | None
    unit: str
    is_most: bool = False

    @property
    def met(self) -> bool:
        assert self.found is not None
        return self.found < self.target if self.is_most else self.found >= self.target

    @property
    def cells(self) -> list[str]:
        bound = "<" if self.is_most else "≥"
        wanted = f"{bound} {self.target:g}{self.unit}"
        if self.found is None:
            return [wanted, "not measured", ""]
        return [wanted, f"{self.found:.3g}{self.unit}", "met" if self.met else "not met"]


def targets(
    paces: Mapping[Key, Pace], concerts: Mapping[Key, Concert], positions: Sequence[int]
) -> list[Target]:
    """`positions` are all that had to be measured."""
    alone = [paces.get((SHAPE, 1, position)) for position in positions]
    share = _worst([pace and 100 * pace.share for pace in alone])
    ratio = _worst([pace and pace.against for pace in alone])
    return [
        Target(f"{ALONE}: share of the bound", 100 * SHARE, share, " %"),
        Target(f"{ALONE}: the goal beyond", 100 * GOAL_SHARE, share, " %"),
        Target(f"{ALONE}: times transformers", TIMES, ratio, "×"),
        *_of_streams(concerts.get((SHAPE, STREAMS)), f"{STREAMS} streams"),
        *_of_streams(concerts.get((SHAPE, GOAL_STREAMS)), f"the goal beyond, {GOAL_STREAMS}"),
    ]


def _worst(found: Sequence[float | None]) -> float | None:
    """None if one is missing."""
    there = [each for each in found if each is not None]
    return min(there) if there and len(there) == len(found) else None


def _of_streams(concert: Concert | None, who: str) -> list[Target]:
    slowest = None if concert is None else concert.slowest
    latest = None if concert is None else 1000 * concert.latest
    return [
        Target(f"{who}: steps a second, the slowest", STEPS_PER_SECOND, slowest, ""),
        Target(f"{who}: first sound, the latest", 1000 * FIRST_SOUND_SECONDS, latest, " ms", True),
    ]
