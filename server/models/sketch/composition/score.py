"""What is written down: notes, parts and the score. Time is counted in ticks, so it is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from server.models.sketch.composition.theory import Chord, Key

TICKS_PER_BEAT = 960

Bus = Literal["drums", "bass", "harmony", "melody"]
BUSES: tuple[Bus, ...] = get_args(Bus)


class Note(NamedTuple):
    """One note. `velocity` 0 to 1; in a drum part `pitch` is the General MIDI drum number."""

    start_ticks: int
    duration_ticks: int
    pitch: int
    velocity: float


@dataclass(frozen=True)
class Part:
    """What one player plays. `level_db` is how loud beside the others, `pan` -1 (left) to 1."""

    name: str
    bus: Bus
    instrument: str
    notes: tuple[Note, ...]
    level_db: float = 0.0
    pan: float = 0.0


@dataclass(frozen=True)
class ChordSpan:
    """A chord and how long it holds."""

    start_ticks: int
    duration_ticks: int
    chord: Chord

    @property
    def end_ticks(self) -> int:
        return self.start_ticks + self.duration_ticks


@dataclass(frozen=True)
class Section:
    """A stretch of the form. `letter` says whose theme and chords it has, `intensity` 0 to 1."""

    name: str
    letter: str
    first_bar: int
    num_bars: int
    intensity: float

    @property
    def last_bar(self) -> int:
        return self.first_bar + self.num_bars - 1


@dataclass(frozen=True)
class Score:
    """A whole piece. The last chord is struck at `final_ticks` and rings to the end."""

    bpm: int
    beats_per_bar: int
    key: Key
    duration_seconds: int
    final_ticks: int
    sections: tuple[Section, ...]
    chords: tuple[ChordSpan, ...]
    parts: tuple[Part, ...]

    @property
    def bar_ticks(self) -> int:
        return self.beats_per_bar * TICKS_PER_BEAT

    def samples_at(self, ticks: int, sample_rate: int) -> int:
        """The sample at which `ticks` fall."""
        return round(ticks * 60 * sample_rate / (self.bpm * TICKS_PER_BEAT))
