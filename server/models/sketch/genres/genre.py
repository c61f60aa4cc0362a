"""What a genre is: tempo, harmony, groove, players and room, written as data.

Rhythms are strings over one bar (several bars: joined by `|`), as many characters as the bar has
steps: sixteen for sixteenths in 4/4, twelve for triplets in 4/4 or sixteenths in 3/4.

Drums: `X` accent, `x` hit, `o` ghost note, `.` rest.
Harmony: `X`/`x` whole chord, `d`/`u` strummed down or up, `0`-`5` one voice of the chord, 0 the
    lowest, `l`/`h` its lower or upper half, `-` holds, `.` rest.
Bass: `1` root, `3` third, `5` fifth, `7` seventh, `8` octave, `4` fifth below, `a` a step into the
    next root, `-` holds, `.` rest; `x` is an accented root.
Chords: Roman numerals, bars joined by `|`, chords within a bar by spaces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

PartKind = Literal["chords", "pad", "riff", "bass", "walking", "lead", "counter", "texture"]


@dataclass(frozen=True)
class PartPlan:
    """A player. `enters` is the least intensity of a section in which it plays."""

    kind: PartKind
    instruments: tuple[str, ...]  # the most usual first
    figures: tuple[str, ...] = ()
    enters: float = 0.0
    level_db: float = 0.0
    centre: int = 60  # the middle of its register, a MIDI pitch
    pan: float = 0.0


@dataclass(frozen=True)
class DrumLine:
    """One drum: alternative patterns, the most usual first, and from which intensity it plays."""

    drum: str
    patterns: tuple[str, ...]
    enters: float = 0.0


@dataclass(frozen=True)
class Drums:
    """The drummer: a kit, its lines and what it plays in the last bar of a phrase."""

    kit: str
    lines: tuple[DrumLine, ...]
    fills: tuple[tuple[tuple[str, str], ...], ...] = ()
    level_db: float = 0.0
    crash: bool = True


@dataclass(frozen=True)
class Singing:
    """How the melody goes. All but `notes_per_bar` are 0 to 1."""

    notes_per_bar: float = 5.0
    syncopation: float = 0.3
    leaps: float = 0.25
    pentatonic: bool = False
    steps_per_beat: int = 4
    rests: float = 0.25


@dataclass(frozen=True)
class Room:
    """Effects: reverb time and level, echo level and length in beats, side-chain depth."""

    reverb_seconds: float = 1.6
    reverb: float = 0.2
    echo: float = 0.0
    echo_beats: float = 0.75
    ducking: float = 0.0


@dataclass(frozen=True)
class Faders:
    """How the mixing desk is set for a genre, in dB a bus."""

    drums: float = 0.0
    bass: float = 0.0
    harmony: float = 0.0
    melody: float = 0.0


@dataclass(frozen=True)
class Genre:
    """A genre's rules. `bpm` is its usual range; modes stand in the order of how usual they are."""

    name: str
    bpm: tuple[int, int]
    modes: tuple[str, ...]
    major: tuple[str, ...]  # progressions in major
    minor: tuple[str, ...]  # progressions in minor
    parts: tuple[PartPlan, ...]
    drums: Drums | None = None
    cadence_major: str = "V7"
    cadence_minor: str = "V7"
    final_major: str = "I"
    final_minor: str = "i"
    beats_per_bar: int = 4
    swing: float = 0.5  # where the off-beat falls within its pair, 0.5 is straight
    swing_unit: int = 2  # pairs of eighths (2 to a beat) or of sixteenths (4 to a beat)
    looseness_ms: float = 6.0
    singing: Singing = field(default_factory=Singing)
    room: Room = field(default_factory=Room)
    faders: Faders = field(default_factory=Faders)
    shine: float = 1.0  # factor on all cutoff frequencies
    phrase_bars: int = 4  # how many bars its form is counted in

    @property
    def has_beat(self) -> bool:
        """Whether a listener taps along: it has drums."""
        return self.drums is not None
