"""The brief: everything the composer is told, decided from prompt, fields and seed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from server.models.sketch.chance import Chance
from server.models.sketch.composition.theory import Key
from server.models.sketch.genres.genre import Genre
from server.models.sketch.mixing.finish import Finish


@dataclass(frozen=True)
class Brief:
    """What is to be composed.

    `density` and `brightness` 0 to 1, 0.5 as the genre usually is. `temperature` from 0 (the most
    usual choice every time) upwards; `guidance` from 0 (rules may be broken) to 20 (never).
    `without` names buses (`drums`), kinds of part (`lead`) and instruments that are not wanted;
    `emphasis` buses that are to stand out; `solo`: nobody but `instruments`. `harmony_genre` lends
    its chords; with `scale_given` chords keep to the scale more strictly than the genre would.
    """

    genre: Genre
    bpm: int
    key: Key
    duration_seconds: int
    seed: int
    density: float = 0.5
    brightness: float = 0.5
    energy: float = 0.5
    temperature: float = 1.0
    guidance: float = 3.0
    instruments: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    textures: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    solo: bool = False
    scale_given: bool = False
    emphasis: frozenset[str] = frozenset()
    harmony_genre: Genre | None = None
    chance: Chance = field(default_factory=lambda: Chance(0), compare=False)

    @property
    def borrowing(self) -> float:
        """How likely one rule of the genre is broken: 1 in 16 at the usual guidance of 3."""
        return math.pow(0.5, 1.0 + self.guidance)

    @property
    def chords(self) -> Genre:
        """The genre whose chords are played."""
        return self.harmony_genre or self.genre

    @property
    def finish(self) -> Finish:
        """How it is to sound."""
        return Finish(self.genre.room, self.shine, 14.0 * (self.brightness - 0.5))

    @property
    def shine(self) -> float:
        """The factor on cutoff frequencies: the genre's, a quarter of it at 0, four times at 1."""
        return round(self.genre.shine * math.pow(16.0, self.brightness - 0.5), 6)
