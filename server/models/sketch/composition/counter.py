"""The counter-voice: long notes that lead from chord to chord and move where the melody rests."""

from __future__ import annotations

from server.models.sketch.chance import Chance
from server.models.sketch.composition.harmony import Bar, top_tones
from server.models.sketch.composition.score import TICKS_PER_BEAT, ChordSpan, Note
from server.models.sketch.composition.theory import melody_scale, nearest_pitch, step_from
from server.models.sketch.genres.genre import PartPlan
from server.models.sketch.reading.brief import Brief


class CounterVoice:
    """Plays thirds and sevenths by the nearest way, with a passing note into the next chord."""

    def __init__(self, brief: Brief, plan: PartPlan, chance: Chance) -> None:
        self._brief, self._plan, self._chance = brief, plan, chance
        self._last = plan.centre

    def play(self, bar: Bar) -> list[Note]:
        """The notes of one bar."""
        loudness = 0.45 + 0.25 * bar.section.intensity
        notes: list[Note] = []
        for span in bar.chords:
            notes += self._led(bar, span, loudness)
        return notes

    def _led(self, bar: Bar, span: ChordSpan, loudness: float) -> list[Note]:
        target = 0.8 * self._last + 0.2 * self._plan.centre
        held = nearest_pitch(top_tones(span.chord), target)
        self._last = held
        beats = span.duration_ticks // TICKS_PER_BEAT
        if beats < 3 or not self._chance.whether(0.35 + 0.4 * self._brief.density):
            return [Note(span.start_ticks, span.duration_ticks, held, loudness)]
        passing = TICKS_PER_BEAT * (1 if beats == 3 else 2)
        scale = melody_scale(self._brief.key, span.chord)
        upwards = nearest_pitch((bar.next_root,), held) >= held
        first = step_from(held, 1 if upwards else -1, scale)
        start = span.start_ticks + span.duration_ticks - passing
        return [
            Note(span.start_ticks, span.duration_ticks - passing, held, loudness),
            Note(start, passing, first, loudness * 0.9),
        ]
