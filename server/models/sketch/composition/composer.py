"""The composer: lets the players of a cast play the form."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from server.models.sketch.chance import Chance
from server.models.sketch.composition.accompaniment import Accompanist
from server.models.sketch.composition.bass import Bassist
from server.models.sketch.composition.casting import BUS_OF, cast
from server.models.sketch.composition.counter import CounterVoice
from server.models.sketch.composition.drummer import Drummer
from server.models.sketch.composition.form import Form, plan_form
from server.models.sketch.composition.groove import Groove
from server.models.sketch.composition.harmony import Bar, final_chord, plan_bars
from server.models.sketch.composition.melody import Singer
from server.models.sketch.composition.score import TICKS_PER_BEAT, Note, Part, Score
from server.models.sketch.composition.theory import nearest_pitch
from server.models.sketch.genres.genre import Drums, PartKind, PartPlan
from server.models.sketch.reading.brief import Brief
from server.models.sketch.synthesis.instruments import INSTRUMENTS

_TEXTURE_BEATS = 8


class Player(Protocol):
    """Whoever plays a part, bar by bar."""

    def play(self, bar: Bar) -> list[Note]:
        """The notes of one bar."""
        ...


def compose(brief: Brief) -> Score:
    """The whole piece that `brief` asks for."""
    genre = brief.genre
    form = plan_form(
        brief.duration_seconds, brief.bpm, genre.beats_per_bar, brief.energy, genre.phrase_bars
    )
    bars = plan_bars(brief, form)
    return Score(
        bpm=brief.bpm,
        beats_per_bar=genre.beats_per_bar,
        key=brief.key,
        duration_seconds=brief.duration_seconds,
        final_ticks=form.final_ticks,
        sections=form.sections,
        chords=tuple(span for bar in bars for span in bar.chords),
        parts=tuple(part for part in _Session(brief, form, bars).parts() if part.notes),
    )


class _Session:
    """The players together with form and bars."""

    def __init__(self, brief: Brief, form: Form, bars: tuple[Bar, ...]) -> None:
        self._brief, self._form, self._bars = brief, form, bars
        self._groove = Groove(brief.genre, brief.bpm, form.final_ticks)
        self._final = final_chord(brief)
        end = round(brief.duration_seconds * brief.bpm / 60 * TICKS_PER_BEAT)
        self._ring = end - form.final_ticks

    def parts(self) -> list[Part]:
        players = cast(self._brief)
        parts = [self._part(number, plan) for number, plan in enumerate(players.parts)]
        return [self._drummed(players.drums), *parts] if players.drums else parts

    def _drummed(self, drums: Drums) -> Part:
        chance = self._brief.chance.of("drums")
        drummer = Drummer(self._brief, drums, chance)
        notes = _swelling(drummer, self._bars)
        notes = self._before_end(notes) + drummer.final(self._form.final_ticks, self._ring)
        played = self._groove.played(notes, chance.of("hands"), 0.5)
        level_db = drums.level_db + self._brief.genre.faders.drums
        return Part("drums", "drums", drums.kit, played, level_db)

    def _part(self, number: int, plan: PartPlan) -> Part:
        chance = self._brief.chance.of("part", number, plan.kind)
        notes = self._texture() if plan.kind == "texture" else self._played(plan)
        instrument = plan.instruments[0]
        played = self._groove.played(_in_range(notes, instrument), chance.of("hands"))
        name = f"{instrument.replace('_', ' ')} ({plan.kind})"
        bus = BUS_OF[plan.kind]
        level_db = plan.level_db + getattr(self._brief.genre.faders, bus)
        return Part(name, bus, instrument, played, level_db, plan.pan)

    def _played(self, plan: PartPlan) -> list[Note]:
        stream = self._brief.chance.of("notes", plan.kind, plan.centre)
        player = _PLAYERS[plan.kind](self._brief, plan, stream)
        bars = [bar for bar in self._bars if plan.enters <= bar.section.intensity]
        notes = _swelling(player, bars)
        if self._bars and not notes:
            return []  # who never played does not turn up for the last chord
        return self._before_end(notes) + self._last_note(player, plan)

    def _last_note(self, player: Player, plan: PartPlan) -> list[Note]:
        """What a player holds at the end: the chord, its root, or the tonic above."""
        at, ring = self._form.final_ticks, self._ring
        if isinstance(player, Accompanist):
            return player.final(self._final, at, ring)
        pitch = nearest_pitch((self._final.root,), plan.centre)
        if isinstance(player, CounterVoice):
            pitch = nearest_pitch(((self._final.root + self._final.third) % 12,), plan.centre)
        return [Note(at, ring, pitch, 0.66)]

    def _texture(self) -> list[Note]:
        """Stretches that overlap, four different ones in turn."""
        end = self._form.final_ticks + self._ring
        step = _TEXTURE_BEATS * TICKS_PER_BEAT
        return [Note(at, step, 60 + at // step % 4, 0.7) for at in range(0, end, step)]

    def _before_end(self, notes: list[Note]) -> list[Note]:
        """The notes that begin before the last chord, none held into it."""
        end = self._form.final_ticks
        return [
            note
            if note.start_ticks + note.duration_ticks <= end
            else note._replace(duration_ticks=end - note.start_ticks)
            for note in notes
            if note.start_ticks < end
        ]


_PLAYERS: dict[PartKind, Callable[[Brief, PartPlan, Chance], Player]] = {
    "chords": Accompanist,
    "pad": Accompanist,
    "bass": Bassist,
    "walking": Bassist,
    "riff": Bassist,
    "lead": Singer,
    "counter": CounterVoice,
}


def _swelling(player: Player, bars: Iterable[Bar]) -> list[Note]:
    """What `player` plays, louder and softer as the form wants."""
    return [
        note if bar.swell == 1.0 else note._replace(velocity=note.velocity * bar.swell)
        for bar in bars
        for note in player.play(bar)
    ]


def _in_range(notes: list[Note], instrument: str) -> list[Note]:
    """Notes beyond the instrument's range, moved in by octaves."""
    low, high = INSTRUMENTS[instrument].low, INSTRUMENTS[instrument].high
    return [
        note if low <= note.pitch <= high else note._replace(pitch=_folded(note.pitch, low, high))
        for note in notes
    ]


def _folded(pitch: int, low: int, high: int) -> int:
    if pitch < low:
        return pitch + 12 * -(-(low - pitch) // 12)
    if pitch > high:
        return pitch - 12 * -(-(pitch - high) // 12)
    return pitch
