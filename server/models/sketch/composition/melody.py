"""The melody: motifs of rhythm and contour that return, bent to the chords beneath."""

from __future__ import annotations

from dataclasses import dataclass

from server.models.sketch.chance import Chance
from server.models.sketch.composition.harmony import Bar
from server.models.sketch.composition.score import TICKS_PER_BEAT, Note
from server.models.sketch.composition.theory import melody_scale, nearest_pitch, step_from
from server.models.sketch.genres.genre import PartPlan, Singing
from server.models.sketch.reading.brief import Brief

_SHAPES = (("a", "b", "a", "c"), ("a", "a", "b", "c"), ("a", "b", "b", "c"))
_REACH = 10  # semitones from the centre at which a line turns back


@dataclass(frozen=True)
class Motif:
    """A bar of melody: onsets (steps of the bar) and the moves between them in scale steps."""

    onsets: tuple[int, ...]
    moves: tuple[int, ...]


@dataclass(frozen=True)
class Theme:
    """Four bars: a motif each, and how far above the centre each begins, in semitones."""

    motifs: tuple[Motif, ...]
    heights: tuple[int, ...]


class Singer:
    """Plays the melody; each letter of the form has a theme that comes back with it."""

    def __init__(self, brief: Brief, plan: PartPlan, chance: Chance) -> None:
        self._brief, self._plan = brief, plan
        self._singing = brief.genre.singing
        self._steps = brief.genre.beats_per_bar * self._singing.steps_per_beat
        self._lifts = {"A": 0, "B": 3, "C": 4}
        self._themes = {letter: self._theme(chance.of("theme", letter)) for letter in "ABC"}

    def play(self, bar: Bar) -> list[Note]:
        """The notes of one bar."""
        theme = self._themes[bar.section.letter]
        motif, height = theme.motifs[bar.place % 4], theme.heights[bar.place % 4]
        step_ticks = bar.num_ticks // self._steps
        pitch = self._plan.centre + height + self._lifts[bar.section.letter]
        notes: list[Note] = []
        for number, onset in enumerate(motif.onsets):
            pitch = self._pitch(bar, pitch, onset * step_ticks, motif.moves[number], number == 0)
            until = motif.onsets[number + 1] if number + 1 < len(motif.onsets) else self._steps
            held = min((until - onset) * step_ticks, 3 * TICKS_PER_BEAT)
            if bar.place % 8 == 7 and number + 1 == len(motif.onsets):
                pitch = self._home(bar, pitch, onset * step_ticks)
            notes.append(
                Note(
                    bar.start_ticks + onset * step_ticks,
                    held * 15 // 16,
                    pitch,
                    self._loudness(bar, number, len(motif.onsets), onset),
                )
            )
        return notes

    def _loudness(self, bar: Bar, number: int, count: int, onset: int) -> float:
        """Louder on the beat and towards the middle of the phrase."""
        arch = 1.0 - abs(2.0 * (number + 0.5) / count - 1.0)
        on_beat = onset % self._singing.steps_per_beat == 0
        return 0.54 + 0.2 * bar.section.intensity + 0.08 * arch + (0.05 if on_beat else 0.0)

    def _home(self, bar: Bar, pitch: int, at_ticks: int) -> int:
        """The end of an answering phrase: the tonic, if the chord has it."""
        tonic = self._brief.key.tonic
        return nearest_pitch((tonic,), pitch) if tonic in bar.chord_at(at_ticks).tones else pitch

    def _pitch(self, bar: Bar, last: int, at_ticks: int, move: int, first: bool) -> int:
        chord = bar.chord_at(at_ticks)
        scale = melody_scale(self._brief.key, chord, self._singing.pentatonic)
        if first:
            return nearest_pitch(chord.tones, last)
        if abs(last + 2 * move - self._plan.centre) > _REACH:
            move = -move
        pitch = step_from(last, move, scale)
        strong = at_ticks % (2 * TICKS_PER_BEAT) == 0
        return nearest_pitch(chord.tones, pitch) if strong else pitch

    def _theme(self, chance: Chance) -> Theme:
        motifs = {
            "a": self._motif(chance.of("a"), 1.0),
            "b": self._motif(chance.of("b"), 0.8),
            "c": self._closing(chance.of("c")),
        }
        peak = chance.pick((2, 4, 5))
        heights = (chance.pick((0, 0, 2)), peak // 2, peak, 0)
        return Theme(tuple(motifs[name] for name in chance.pick(_SHAPES)), heights)

    def _motif(self, chance: Chance, share: float) -> Motif:
        wanted = self._singing.notes_per_bar * (0.4 + 1.2 * self._brief.density) * share
        count = max(1, min(round(wanted + chance.near_zero(1.0)), self._steps - 2))
        breath = self._steps // 4 if chance.whether(self._singing.rests) else 0
        return self._drawn(chance, count, breath)

    def _closing(self, chance: Chance) -> Motif:
        """Few notes, the last one long."""
        drawn = self._drawn(chance, 1 + chance.below(3), 0)
        latest = self._steps // 2
        onsets = tuple(sorted({min(onset, latest) for onset in drawn.onsets} | {0}))
        return Motif(onsets, _contour(chance, len(onsets), self._singing, self._brief.temperature))

    def _drawn(self, chance: Chance, count: int, breath: int) -> Motif:
        """`count` onsets by their weight, none in the first `breath` steps."""
        places = list(range(breath, self._steps))
        onsets: list[int] = []
        for _ in range(min(count, len(places))):
            weights = [_weight(place, self._singing) for place in places]
            chosen = chance.pick_weighted(places, weights)
            places.remove(chosen)
            onsets.append(chosen)
        moves = _contour(chance, len(onsets), self._singing, self._brief.temperature)
        return Motif(tuple(sorted(onsets)), moves)


def _weight(place: int, singing: Singing) -> float:
    """How likely an onset is at a step: the beat, its half (or last third), the rest."""
    within = place % singing.steps_per_beat
    if place == 0:
        return 1.6
    if within == 0:
        return 1.0
    if 2 * within == singing.steps_per_beat or singing.steps_per_beat == 3 == within + 1:
        return 0.4 + 0.6 * singing.syncopation
    return 0.06 + 0.4 * singing.syncopation


def _contour(chance: Chance, count: int, singing: Singing, temperature: float) -> tuple[int, ...]:
    """Moves in scale steps that rise and fall as one line; a leap turns back by step."""
    rises = chance.pick(((0.8, 0.2), (0.3, 0.75), (0.7, 0.7), (0.25, 0.25)))
    leap = singing.leaps * (0.5 + 0.5 * min(temperature, 3.0))
    moves: list[int] = []
    for number in range(count):
        if moves and abs(moves[-1]) >= 3:
            moves.append(-1 if moves[-1] > 0 else 1)
            continue
        size = chance.pick_weighted((1, 0, 2, 3, 4), (1.0, 0.2, 0.8 * leap, leap, 0.4 * leap))
        upwards = chance.whether(rises[0] if 2 * number < count else rises[1])
        moves.append(size if upwards else -size)
    return tuple(moves)
