"""The players of chords: comping, strumming, arpeggios, pads."""

from __future__ import annotations

from server.models.sketch.chance import Chance
from server.models.sketch.composition.harmony import Bar, Voicer
from server.models.sketch.composition.rhythm import Stroke, pick_figure, strokes
from server.models.sketch.composition.score import TICKS_PER_BEAT, Note
from server.models.sketch.composition.theory import Chord
from server.models.sketch.genres.genre import PartPlan
from server.models.sketch.reading.brief import Brief

_STRUM_SECONDS = 0.011


class Accompanist:
    """Plays one `chords` or `pad` part, keeping its voicing from bar to bar."""

    def __init__(self, brief: Brief, plan: PartPlan, chance: Chance) -> None:
        self._brief, self._chance = brief, chance
        self._voicer = Voicer(plan.centre)
        self._strum_ticks = round(_STRUM_SECONDS * brief.bpm / 60 * TICKS_PER_BEAT)
        self._figures = {
            letter: pick_figure(
                plan.figures, brief.density, brief.temperature, chance.of("figure", letter)
            )
            for letter in "ABC"
            if plan.figures
        }

    def play(self, bar: Bar) -> list[Note]:
        """The notes of one bar."""
        if not self._figures:
            return self._held(bar)
        notes: list[Note] = []
        figure = self._figures[bar.section.letter]
        for stroke in strokes(figure, bar.place, bar.num_ticks):
            if not self._left_out(stroke, bar):
                notes += self._struck(stroke, bar)
        return notes

    def final(self, chord: Chord, at_ticks: int, held_ticks: int) -> list[Note]:
        """The last chord, slightly broken upwards."""
        return [
            Note(at_ticks + n * self._strum_ticks, held_ticks, pitch, 0.62)
            for n, pitch in enumerate(self._voicer.voiced(chord))
        ]

    def _held(self, bar: Bar) -> list[Note]:
        loudness = 0.4 + 0.3 * bar.section.intensity
        return [
            Note(span.start_ticks, span.duration_ticks, pitch, loudness)
            for span in bar.chords
            for pitch in self._voicer.voiced(span.chord)
        ]

    def _left_out(self, stroke: Stroke, bar: Bar) -> bool:
        thinning = 0.45 - self._brief.density
        on_beat = stroke.at_ticks % TICKS_PER_BEAT == 0
        return thinning > 0 and not on_beat and self._chance.whether(1.6 * thinning)

    def _struck(self, stroke: Stroke, bar: Bar) -> list[Note]:
        sign = stroke.sign
        voices = self._voicer.voiced(bar.chord_at(stroke.at_ticks))
        loudness = (0.42 + 0.3 * bar.section.intensity) * (1.25 if sign == "X" else 1.0)
        start = bar.start_ticks + stroke.at_ticks
        if sign in "012345":
            return [Note(start, stroke.held_ticks, _voice(voices, int(sign)), loudness * 0.95)]
        if sign in "du":
            order = voices if sign == "d" else voices[:0:-1]
            strength = loudness * (1.0 if sign == "d" else 0.8)
            return [
                Note(start + n * self._strum_ticks, stroke.held_ticks, pitch, strength)
                for n, pitch in enumerate(order)
            ]
        half = len(voices) // 2
        chosen = {"l": voices[:half], "h": voices[half:]}.get(sign, voices)
        return [Note(start, stroke.held_ticks, pitch, loudness) for pitch in chosen]


def _voice(voices: tuple[int, ...], number: int) -> int:
    """Voice `number` from the lowest; beyond the highest, an octave up again."""
    octave, place = divmod(number, len(voices))
    return voices[place] + 12 * octave
