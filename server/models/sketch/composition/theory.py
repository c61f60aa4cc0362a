"""Keys, chords and the scales over them. Pitches are MIDI numbers (60 is middle C), pitch classes
0 to 11 (0 is C)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from server.generation import SCALES

MODES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
}

#: How far the parent major scale's tonic lies above a mode's tonic, in semitones.
PARENT_MAJOR = {"major": 0, "minor": 3, "dorian": 10, "mixolydian": 5, "phrygian": 8, "lydian": 7}

#: The twelve key signatures, by the pitch class of their major tonic.
SIGNATURES = SCALES

_SHARPS = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_FLATS = ("C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B")
_FLAT_SIGNATURES = {5, 10, 3, 8, 1}  # F, B♭, E♭, A♭ and D♭ major and their relatives

_DEGREES = {"i": 0, "ii": 1, "iii": 2, "iv": 3, "v": 4, "vi": 5, "vii": 6}
_SYMBOL = re.compile(r"([b#]?)(VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(.*)")

#: Intervals above the root by the suffix of the symbol, for capital numerals.
_MAJOR_CHORDS: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "69": (0, 4, 7, 9, 14),
    "7": (0, 4, 7, 10),
    "9": (0, 4, 7, 10, 14),
    "13": (0, 4, 10, 14, 21),
    "7sus4": (0, 5, 7, 10),
    "9sus4": (0, 5, 7, 10, 14),
    "7b9": (0, 4, 7, 10, 13),
    "7#9": (0, 4, 7, 10, 15),
    "7alt": (0, 4, 10, 15, 20),
    "maj7": (0, 4, 7, 11),
    "maj9": (0, 4, 7, 11, 14),
    "maj7#11": (0, 4, 7, 11, 18),
    "add9": (0, 4, 7, 14),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "aug": (0, 4, 8),
}
#: The same for small numerals.
_MINOR_CHORDS: dict[str, tuple[int, ...]] = {
    "": (0, 3, 7),
    "5": (0, 7),
    "6": (0, 3, 7, 9),
    "69": (0, 3, 7, 9, 14),
    "7": (0, 3, 7, 10),
    "9": (0, 3, 7, 10, 14),
    "11": (0, 3, 7, 10, 17),
    "maj7": (0, 3, 7, 11),
    "add9": (0, 3, 7, 14),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "7b5": (0, 3, 6, 10),
}


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class) and a mode, one of `MODES`."""

    tonic: int
    mode: str

    @property
    def scale(self) -> tuple[int, ...]:
        """The pitch classes, from the tonic upwards."""
        return tuple((self.tonic + step) % 12 for step in MODES[self.mode])

    @property
    def minor(self) -> bool:
        """Whether the third is minor."""
        return MODES[self.mode][2] == 3

    @property
    def signature(self) -> str:
        """The key signature, one of `SIGNATURES`."""
        return SIGNATURES[self._parent]

    @property
    def name(self) -> str:
        """For people: `A minor`, `E♭ dorian`."""
        names = _FLATS if self._parent in _FLAT_SIGNATURES else _SHARPS
        return f"{names[self.tonic]} {self.mode}"

    @property
    def _parent(self) -> int:
        return (self.tonic + PARENT_MAJOR[self.mode]) % 12


@dataclass(frozen=True)
class Chord:
    """A chord: its symbol, root (pitch class) and intervals above the root in semitones."""

    symbol: str
    root: int
    intervals: tuple[int, ...]

    @property
    def tones(self) -> tuple[int, ...]:
        """The pitch classes, in the order of the intervals."""
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def fifth(self) -> int:
        """Semitones from the root to its fifth, as it stands in the chord, else a perfect one."""
        return next((i for i in self.intervals if i in (6, 7, 8)), 7)

    @property
    def third(self) -> int:
        """Semitones from the root to its third, or what is suspended in its place."""
        return next((i for i in self.intervals if 2 <= i <= 5), 7)

    @property
    def seventh(self) -> int:
        """Semitones from the root to its seventh or sixth, else the octave."""
        return next((i for i in self.intervals if 9 <= i <= 11), 12)


@lru_cache(maxsize=1024)
def chord_in(key: Key, symbol: str) -> Chord:
    """The chord that a Roman numeral such as `ii7`, `V7b9` or `bVIImaj7` names in `key`.

    Capitals are major or dominant chords, small letters minor ones. Degrees count along the major
    scale, and along the natural minor scale where the key's third is minor (there `VI` lies a minor
    sixth up). Raises ValueError for a symbol it cannot read.
    """
    match = _SYMBOL.fullmatch(symbol)
    if match is None:
        raise ValueError(f"no chord symbol: {symbol!r}; write a Roman numeral such as ii7 or bVII")
    accidental, numeral, suffix = match.groups()
    chords = _MAJOR_CHORDS if numeral.isupper() else _MINOR_CHORDS
    if suffix not in chords:
        raise ValueError(f"no chord suffix: {suffix!r} in {symbol!r}; known: {', '.join(chords)}")
    steps = MODES["minor" if key.minor else "major"]
    shift = {"b": -1, "#": 1, "": 0}[accidental]
    root = (key.tonic + steps[_DEGREES[numeral.lower()]] + shift) % 12
    return Chord(symbol, root, chords[suffix])


def num_foreign(key: Key, chord: Chord) -> int:
    """How many tones of `chord` are not in the key's scale."""
    return len(set(chord.tones) - set(key.scale))


@lru_cache(maxsize=1024)
def bent_into(key: Key, chord: Chord) -> Chord:
    """`chord` with its foreign tones moved a semitone into the key's scale.

    The major dominant of a minor key stays: its leading note belongs to the key as well.
    """
    dominant = key.minor and (chord.root - key.tonic) % 12 == 7
    if dominant or num_foreign(key, chord) == 0:
        return chord
    root = chord.root if chord.root in key.scale else (chord.root - 1) % 12
    tones = [tone if tone in key.scale else (tone - 1) % 12 for tone in chord.tones]
    tones = [tone if tone in key.scale else (tone + 2) % 12 for tone in tones]
    intervals = sorted({(tone - root) % 12 for tone in tones})
    return Chord(chord.symbol, root, tuple(intervals))


@lru_cache(maxsize=1024)
def melody_scale(key: Key, chord: Chord, pentatonic: bool = False) -> tuple[int, ...]:
    """The pitch classes a melody may use over `chord`, sorted.

    The key's scale, bent to the chord: a chord tone foreign to the key takes the place of the scale
    tone that would be the same member of the chord (the leading note over a minor key's V that of
    the seventh degree). `pentatonic` leaves out the two tones that make semitones, unless the chord
    has them.
    """
    tones = set(chord.tones)
    foreign = tones - set(key.scale)
    replaced = {
        tone for tone in key.scale for other in foreign if _same_member(chord.root, tone, other)
    }
    scale = (set(key.scale) - replaced) | tones
    if pentatonic:
        left_out = (1, 5) if key.minor else (3, 6)
        scale -= {key.scale[degree] for degree in left_out} - tones
    return tuple(sorted(scale))


#: Semitones above a root that are the same member of a chord: ninths, thirds, fifths, sevenths.
_MEMBERS = ((1, 2), (3, 4), (6, 7, 8), (9, 10, 11))


def _same_member(root: int, one: int, other: int) -> bool:
    """Whether two pitch classes are a semitone apart and the same member of a chord on `root`."""
    if (one - other) % 12 not in (1, 11):
        return False
    intervals = {(one - root) % 12, (other - root) % 12}
    return any(intervals <= set(member) for member in _MEMBERS)


def nearest_pitch(pitch_classes: tuple[int, ...], target: float) -> int:
    """The pitch of one of `pitch_classes` nearest to `target`; of two equally near, the lower."""
    centre = round(target)
    for distance in range(12):
        for pitch in (centre - distance, centre + distance):
            if pitch % 12 in pitch_classes:
                return pitch
    raise ValueError("no pitch class to choose from")


def step_from(pitch: int, num_steps: int, scale: tuple[int, ...]) -> int:
    """`pitch` moved by `num_steps` along `scale` (pitch classes); off the scale, snapped first."""
    direction = 1 if num_steps > 0 else -1
    left = abs(num_steps)
    if pitch % 12 not in scale and left == 0:
        return nearest_pitch(scale, pitch)
    while left:
        pitch += direction
        if pitch % 12 in scale:
            left -= 1
    return pitch
