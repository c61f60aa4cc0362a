"""The bass player: figures of chord degrees, and walking lines."""

from __future__ import annotations

from server.models.sketch.chance import Chance
from server.models.sketch.composition.harmony import Bar
from server.models.sketch.composition.rhythm import pick_figure, strokes
from server.models.sketch.composition.score import TICKS_PER_BEAT, Note
from server.models.sketch.composition.theory import Chord, melody_scale, nearest_pitch
from server.models.sketch.genres.genre import PartPlan
from server.models.sketch.reading.brief import Brief


class Bassist:
    """Plays a `bass` or `walking` part around `plan.centre`."""

    def __init__(self, brief: Brief, plan: PartPlan, chance: Chance) -> None:
        self._brief, self._plan, self._chance = brief, plan, chance
        self._figures = {
            letter: pick_figure(
                plan.figures, brief.density, brief.temperature, chance.of("figure", letter)
            )
            for letter in "ABC"
            if plan.figures
        }
        self._last = plan.centre

    def play(self, bar: Bar) -> list[Note]:
        """The notes of one bar."""
        if self._plan.kind == "walking":
            return self._walk(bar)
        notes = []
        loudness = 0.55 + 0.25 * bar.section.intensity
        figure = self._figures[bar.section.letter]
        for stroke in strokes(figure, bar.place, bar.num_ticks):
            pitch = self._degree(stroke.sign, bar.chord_at(stroke.at_ticks), bar.next_root)
            accent = 1.1 if stroke.at_ticks == 0 else 1.0
            start = bar.start_ticks + stroke.at_ticks
            notes.append(Note(start, stroke.held_ticks, pitch, loudness * accent))
        return notes

    def root(self, pitch_class: int) -> int:
        """The root nearest to the middle of the register."""
        return nearest_pitch((pitch_class,), self._plan.centre)

    def _degree(self, sign: str, chord: Chord, next_root: int) -> int:
        root = self.root(chord.root)
        if sign == "a":
            target = self.root(next_root)
            return target + (1 if target < root else -1 if target > root else -2)
        steps = {"3": chord.third, "4": chord.fifth - 12, "5": chord.fifth, "7": chord.seventh}
        return root + {**steps, "8": 12}.get(sign, 0)

    def _walk(self, bar: Bar) -> list[Note]:
        """A note a beat: the root on a new chord, then a way that leads into the next root."""
        notes = []
        num_beats = bar.num_ticks // TICKS_PER_BEAT
        for beat in range(num_beats):
            at = beat * TICKS_PER_BEAT
            chord = bar.chord_at(at)
            changed = beat == 0 or bar.chord_at(at - 1) != chord
            self._last = self._walked(bar, chord, at, changed, beat == num_beats - 1)
            loudness = 0.6 + 0.2 * bar.section.intensity
            notes.append(Note(bar.start_ticks + at, TICKS_PER_BEAT * 9 // 10, self._last, loudness))
        return notes

    def _walked(self, bar: Bar, chord: Chord, at: int, changed: bool, last: bool) -> int:
        if changed:
            return self.root(chord.root)
        next_chord_root = bar.next_root if last else bar.chord_at(at + TICKS_PER_BEAT).root
        target = self.root(next_chord_root)
        if last or next_chord_root != chord.root:
            return target + self._chance.pick((1, -1, -1, 2, -2))
        scale = melody_scale(self._brief.key, chord)
        direction = (
            1 if target > self._last else -1 if target < self._last else self._chance.pick((1, -1))
        )
        stepped = nearest_pitch(chord.tones, self._last + direction * self._chance.pick((3, 4)))
        if self._chance.whether(0.5) or stepped == self._last:
            stepped = nearest_pitch(scale, self._last + 2 * direction)
        low, high = self._plan.centre - 10, self._plan.centre + 12
        return min(max(stepped, low), high) if stepped != self._last else stepped + direction * 12
