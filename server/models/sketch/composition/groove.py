"""The groove: swing and the small unevenness of hands."""

from __future__ import annotations

from collections.abc import Iterable

from server.models.sketch.chance import Chance
from server.models.sketch.composition.score import TICKS_PER_BEAT, Note
from server.models.sketch.genres.genre import Genre


class Groove:
    """Moves notes in time: the off-beats late by the genre's swing, all of them a little loose."""

    def __init__(self, genre: Genre, bpm: int, last_ticks: int) -> None:
        self._pair = TICKS_PER_BEAT * 2 // genre.swing_unit
        self._swing = genre.swing
        self._loose_ticks = genre.looseness_ms / 1000 * bpm / 60 * TICKS_PER_BEAT
        self._last_ticks = last_ticks

    def played(self, notes: Iterable[Note], chance: Chance, tight: float = 1.0) -> tuple[Note, ...]:
        """`notes` as hands play them, in time order; `tight` scales the looseness."""
        moved = (self._moved(note, chance, tight) for note in notes)
        return tuple(sorted(moved))

    def _moved(self, note: Note, chance: Chance, tight: float) -> Note:
        start = self._swung(note.start_ticks)
        end = self._swung(note.start_ticks + note.duration_ticks)
        nudge = chance.near_zero(self._loose_ticks * tight)
        velocity = note.velocity * (1.0 + chance.near_zero(0.1))
        if note.start_ticks == 0 or note.start_ticks >= self._last_ticks:
            nudge = 0.0
        return Note(
            max(round(start + nudge), 0),
            max(end - start, 1),
            note.pitch,
            round(min(max(velocity, 0.05), 1.0), 3),
        )

    def _swung(self, ticks: int) -> int:
        if self._swing == 0.5:
            return ticks
        pair, inside = divmod(ticks, self._pair)
        half = self._pair / 2
        if inside < half:
            warped = inside * self._swing * 2
        else:
            warped = self._pair * self._swing + (inside - half) * (1.0 - self._swing) * 2
        return pair * self._pair + round(warped)
