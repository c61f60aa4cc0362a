"""The drummer: lines that enter with the intensity, fills, crashes."""

from __future__ import annotations

from server.models.sketch.chance import Chance
from server.models.sketch.composition.harmony import Bar
from server.models.sketch.composition.rhythm import Stroke, strokes
from server.models.sketch.composition.score import TICKS_PER_BEAT, Note
from server.models.sketch.genres.genre import DrumLine, Drums
from server.models.sketch.reading.brief import Brief
from server.models.sketch.synthesis.kits import MIDI_OF

_VELOCITIES = {"X": 0.95, "x": 0.74, "o": 0.36}
_BRIGHT = ("hat", "shaker", "ride", "tambourine")


def _lean(line: DrumLine, stroke: Stroke) -> float:
    """Bright lines lean on the beat, so that it is felt beneath the syncopation."""
    if line.drum not in _BRIGHT:
        return 1.0
    return 1.12 if stroke.at_ticks % TICKS_PER_BEAT == 0 else 0.82


class Drummer:
    """Plays the drums of a genre."""

    def __init__(self, brief: Brief, drums: Drums, chance: Chance) -> None:
        self._brief, self._drums, self._chance = brief, drums, chance
        self._patterns = {
            (line.drum, letter): chance.of(line.drum, letter).pick_early(
                line.patterns, brief.temperature
            )
            for line in drums.lines
            for letter in "ABC"
        }

    def play(self, bar: Bar) -> list[Note]:
        """The notes of one bar."""
        level = bar.section.intensity + 0.5 * (self._brief.density - 0.5)
        fill = self._fill(bar)
        notes: list[Note] = []
        for line in self._drums.lines:
            if line.enters <= level:
                notes += self._line(bar, line, fill)
        if fill:
            notes += self._filled(bar, fill)
        if self._drums.crash and bar.place == 0 and bar.section.intensity >= 0.5:
            notes.append(Note(bar.start_ticks, bar.num_ticks, MIDI_OF["crash"], 0.7))
        return notes

    def final(self, at_ticks: int, held_ticks: int) -> list[Note]:
        """The last beat."""
        drums = ("kick", "crash") if self._drums.crash else ("kick",)
        return [Note(at_ticks, held_ticks, MIDI_OF[drum], 0.8) for drum in drums]

    def _line(self, bar: Bar, line: DrumLine, fill: dict[str, str]) -> list[Note]:
        pattern = self._patterns[line.drum, bar.section.letter]
        quiet_from = bar.num_ticks // 2 if fill and line.drum not in ("kick", *_BRIGHT) else None
        loudness = 0.8 + 0.25 * bar.section.intensity
        notes = []
        for stroke in strokes(pattern, bar.place, bar.num_ticks):
            if quiet_from is not None and stroke.at_ticks >= quiet_from:
                continue
            if stroke.sign == "o" and self._chance.whether(0.7 - self._brief.density):
                continue
            velocity = min(_VELOCITIES[stroke.sign] * loudness * _lean(line, stroke), 1.0)
            at = bar.start_ticks + stroke.at_ticks
            notes.append(Note(at, stroke.held_ticks, MIDI_OF[line.drum], velocity))
        return notes + self._doubled(bar, line, pattern)

    def _doubled(self, bar: Bar, line: DrumLine, pattern: str) -> list[Note]:
        """Ghost notes between those of a bright line, the more the denser."""
        extra = 1.4 * (self._brief.density - 0.58)
        if line.drum not in _BRIGHT or extra <= 0:
            return []
        bars = pattern.split("|")
        text = bars[bar.place % len(bars)]
        step = bar.num_ticks // len(text)
        return [
            Note(bar.start_ticks + place * step, step, MIDI_OF[line.drum], 0.36)
            for place, sign in enumerate(text)
            if sign in ".-" and self._chance.whether(extra)
        ]

    def _fill(self, bar: Bar) -> dict[str, str]:
        """The fill that ends this bar, if any: always before a new section, now and then else."""
        wanted = bar.ends_section or (bar.ends_phrase and self._chance.whether(0.35))
        if not (wanted and self._drums.fills) or bar.section.intensity < 0.25:
            return {}
        return dict(self._chance.pick(self._drums.fills))

    def _filled(self, bar: Bar, fill: dict[str, str]) -> list[Note]:
        return [
            Note(bar.start_ticks + s.at_ticks, s.held_ticks, MIDI_OF[drum], _VELOCITIES[s.sign])
            for drum, pattern in fill.items()
            for s in strokes(pattern, 0, bar.num_ticks)
            if s.at_ticks >= bar.num_ticks // 2
        ]
