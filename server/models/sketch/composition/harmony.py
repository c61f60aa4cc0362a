"""The chords of every bar, and how they are voiced."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from server.models.sketch.composition.form import Form
from server.models.sketch.composition.score import TICKS_PER_BEAT, ChordSpan, Section
from server.models.sketch.composition.theory import Chord, bent_into, chord_in, num_foreign
from server.models.sketch.reading.brief import Brief


@dataclass(frozen=True)
class Bar:
    """A bar and all that the players need to know of it."""

    number: int
    start_ticks: int
    num_ticks: int
    section: Section
    chords: tuple[ChordSpan, ...]
    next_root: int
    swell: float = 1.0  # factor on velocities: louder into a stronger section, softer at the end

    @property
    def place(self) -> int:
        """Which bar of its section, from 0."""
        return self.number - self.section.first_bar

    @property
    def ends_phrase(self) -> bool:
        """The last of four bars, or of its section."""
        return self.place % 4 == 3 or self.number == self.section.last_bar

    @property
    def ends_section(self) -> bool:
        return self.number == self.section.last_bar

    def chord_at(self, ticks: int) -> Chord:
        """The chord that sounds `ticks` after the start of the bar."""
        at = self.start_ticks + ticks
        return next((s.chord for s in self.chords if s.end_ticks > at), self.chords[-1].chord)


def final_chord(brief: Brief) -> Chord:
    """The chord on which the piece ends."""
    genre = brief.harmony_genre or brief.genre
    return _chord(brief, genre.final_minor if brief.key.minor else genre.final_major)


def plan_bars(brief: Brief, form: Form) -> tuple[Bar, ...]:
    """Every bar with its chords: a progression for each letter, a cadence before the last chord."""
    beats = brief.genre.beats_per_bar
    bar_ticks = beats * TICKS_PER_BEAT
    longest = max((section.num_bars for section in form.sections), default=0)
    progressions = _progressions(brief, longest)
    cells: list[tuple[Section, tuple[str, ...]]] = []
    for section in form.sections:
        progression = progressions[section.letter]
        for place in range(section.num_bars):
            cells.append((section, progression[place % len(progression)]))
    if len(cells) > 1:
        cells[-1] = (cells[-1][0], _cadence(brief))
    spans = [_spans(brief, symbols, n * bar_ticks, beats) for n, (_, symbols) in enumerate(cells)]
    roots = [bar[0].chord.root for bar in spans[1:]] + [final_chord(brief).root]
    return tuple(
        Bar(n, n * bar_ticks, bar_ticks, section, spans[n], roots[n], _swell(form, section, n))
        for n, (section, _) in enumerate(cells)
    )


def _swell(form: Form, section: Section, number: int) -> float:
    """The last two bars of a section lean towards the strength of the next one."""
    place = form.sections.index(section)
    left = section.last_bar - number
    if left > 1 or place + 1 == len(form.sections):
        return 1.0
    step = form.sections[place + 1].intensity - section.intensity
    return 1.0 + min(max(step, -0.2), 0.4) * (0.3 if left == 0 else 0.15)


def _cadence(brief: Brief) -> tuple[str, ...]:
    genre = brief.harmony_genre or brief.genre
    return tuple((genre.cadence_minor if brief.key.minor else genre.cadence_major).split())


def _progressions(brief: Brief, longest: int) -> dict[str, tuple[tuple[str, ...], ...]]:
    """A progression for each letter: its bars, each one or more symbols.

    None is longer than the `longest` section; where bars are counted by twelve, those of twelve
    come first.
    """
    known = brief.chords.minor if brief.key.minor else brief.chords.major
    fitting = [text for text in known if text.count("|") < max(longest, 4)] or list(known)
    if longest % 12 == 0:
        fitting = [text for text in fitting if text.count("|") == 11] or fitting
    if brief.scale_given:
        fewest = min(_num_foreign(brief, text) for text in fitting)
        fitting = [text for text in fitting if _num_foreign(brief, text) <= fewest + 1]
    chance = brief.chance.of("progressions")
    chosen: dict[str, tuple[tuple[str, ...], ...]] = {}
    left = list(fitting)
    for letter in "ABC":
        text = chance.pick_early(left, max(brief.temperature, 0.4) * 1.6)
        if len(left) > 1:
            left.remove(text)
        chosen[letter] = tuple(tuple(bar.split()) for bar in text.split("|"))
    return chosen


def _chord(brief: Brief, symbol: str) -> Chord:
    chord = chord_in(brief.key, symbol)
    return bent_into(brief.key, chord) if brief.scale_given else chord


def _num_foreign(brief: Brief, progression: str) -> int:
    """How many tones of all its chords are foreign to the key."""
    symbols = progression.replace("|", " ").split()
    return sum(num_foreign(brief.key, chord_in(brief.key, symbol)) for symbol in symbols)


def _spans(brief: Brief, symbols: tuple[str, ...], start: int, beats: int) -> tuple[ChordSpan, ...]:
    """The chords of a bar, on whole beats as evenly as they go."""
    edges = [round(beats * n / len(symbols)) * TICKS_PER_BEAT for n in range(len(symbols) + 1)]
    return tuple(
        ChordSpan(start + low, high - low, _chord(brief, symbol))
        for symbol, low, high in zip(symbols, edges, edges[1:], strict=False)
        if high > low
    )


class Voicer:
    """Voices chords so that each voice moves as little as it can.

    `centre` is the middle of the register, `num_voices` how many notes a chord has at the most.
    """

    def __init__(self, centre: int, num_voices: int = 4) -> None:
        self._centre = centre
        self._num_voices = num_voices
        self._last: tuple[int, ...] | None = None
        self._known: dict[tuple[Chord, tuple[int, ...] | None], tuple[int, ...]] = {}

    def voiced(self, chord: Chord) -> tuple[int, ...]:
        """The pitches of `chord`, lowest first."""
        key = (chord, self._last)
        if key not in self._known:
            candidates = self._candidates(chord)
            self._known[key] = min(candidates, key=lambda pitches: (self._strain(pitches), pitches))
        self._last = self._known[key]
        return self._last

    def _candidates(self, chord: Chord) -> list[tuple[int, ...]]:
        """Close and dropped positions around the centre."""
        tones = _essential(chord, self._num_voices)
        low = self._centre - 9
        places = [[low + (tone - low) % 12 + 12 * octave for octave in (0, 1)] for tone in tones]
        found: list[tuple[int, ...]] = [(pitch,) for pitch in places[0]]
        for options in places[1:]:
            found = [(*chosen, pitch) for chosen in found for pitch in options]
        return [tuple(sorted(pitches)) for pitches in found]

    def _strain(self, pitches: tuple[int, ...]) -> float:
        """How bad a voicing is: movement, distance from the centre, mud, gaps and clusters."""
        middle = sum(pitches) / len(pitches)
        strain = 0.6 * abs(middle - self._centre)
        if self._last is not None and len(self._last) == len(pitches):
            strain += sum(abs(a - b) for a, b in zip(self._last, pitches, strict=True))
        for low, high in pairwise(pitches):
            gap = high - low
            strain += 8.0 if gap <= 1 else 0.0
            strain += 6.0 if gap > 9 else 0.0
            strain += 5.0 if low < 52 and gap < 4 else 0.0
        return strain + (4.0 if pitches[-1] - pitches[-2] == 1 else 0.0)


def _essential(chord: Chord, num_voices: int) -> list[int]:
    """The tones to sound: without the fifth, then the root, where there are too many."""
    tones = list(chord.tones)
    if len(tones) > num_voices and (chord.root + 7) % 12 in tones:
        tones.remove((chord.root + 7) % 12)
    if len(tones) > num_voices:
        tones.remove(chord.root)
    tones = tones[:num_voices]
    while len(tones) < min(num_voices, 3):
        tones.append(tones[0])
    return tones


def top_tones(chord: Chord) -> tuple[int, ...]:
    """The tones that colour a chord: third and seventh, else third and fifth."""
    seventh = chord.seventh if chord.seventh < 12 else chord.fifth
    return ((chord.root + chord.third) % 12, (chord.root + seventh) % 12)
