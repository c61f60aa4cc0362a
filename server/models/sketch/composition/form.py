"""The form: which sections, how many bars each, how strong, and where the last chord falls."""

from __future__ import annotations

from dataclasses import dataclass

from server.models.sketch.composition.score import TICKS_PER_BEAT, Section

_STRENGTHS = {"intro": 0.3, "A": 0.55, "B": 0.8, "C": 0.95, "break": 0.25, "outro": 0.4}

#: Sections and their length in phrases of four bars, by the number of phrases in the piece.
_PLANS: dict[int, tuple[tuple[str, int], ...]] = {
    1: (("A", 1),),
    2: (("A", 1), ("B", 1)),
    3: (("A", 1), ("B", 1), ("A", 1)),
    4: (("A", 2), ("B", 1), ("A", 1)),
    5: (("intro", 1), ("A", 2), ("B", 2)),
    6: (("intro", 1), ("A", 2), ("B", 2), ("A", 1)),
    7: (("intro", 1), ("A", 2), ("B", 2), ("A", 2)),
    8: (("intro", 1), ("A", 2), ("B", 2), ("break", 1), ("B", 2)),
    9: (("intro", 1), ("A", 2), ("B", 2), ("break", 1), ("A", 1), ("C", 2)),
    10: (("intro", 1), ("A", 2), ("B", 2), ("break", 1), ("A", 2), ("C", 2)),
}
_CYCLE = (("A", 2), ("B", 2), ("A", 2), ("C", 2), ("break", 1), ("B", 2), ("C", 2))


@dataclass(frozen=True)
class Form:
    """The sections, and the tick of the last chord (inside the last bar where a piece is very
    short)."""

    sections: tuple[Section, ...]
    num_bars: int
    final_ticks: int


def ring_seconds(duration_seconds: int, beat_seconds: float) -> float:
    """How long the last chord must ring at the least: a tenth of the piece, 0.6 to 3.2 seconds."""
    return min(max(0.1 * duration_seconds, 0.6, min(2.0 * beat_seconds, 1.0)), 3.2)


def num_whole_bars(duration_seconds: int, bpm: float, beats_per_bar: int) -> int:
    """How many bars fit before the last chord."""
    beat_seconds = 60.0 / bpm
    room = duration_seconds - ring_seconds(duration_seconds, beat_seconds)
    return max(int(room / (beat_seconds * beats_per_bar) + 1e-9), 0)


def closing_tempo(bpm: int, duration_seconds: int, beats_per_bar: int) -> int:
    """The tempo within 4 % of `bpm` that fills the duration best: whole phrases, a short ring."""

    def waste(tempo: int) -> tuple[float, int]:
        bars = num_whole_bars(duration_seconds, tempo, beats_per_bar)
        rest = duration_seconds - bars * beats_per_bar * 60.0 / tempo
        return (bars % 4) * 1.5 + rest, abs(tempo - bpm)

    reach = max(round(0.04 * bpm), 2)
    return min(range(bpm - reach, bpm + reach + 1), key=waste)


def plan_form(
    duration_seconds: int, bpm: int, beats_per_bar: int, energy: float, phrase_bars: int = 4
) -> Form:
    """Divide the piece, counted in phrases of `phrase_bars`, of four where it is too short.

    `energy` 0 to 1 lifts or lowers the strength of all sections.
    """
    num_bars = num_whole_bars(duration_seconds, bpm, beats_per_bar)
    bar_ticks = beats_per_bar * TICKS_PER_BEAT
    if num_bars == 0:
        return _gesture(duration_seconds, bpm, energy)
    sections: list[Section] = []
    for name, length in _lengths(num_bars, phrase_bars if num_bars >= phrase_bars else 4):
        first = sections[-1].last_bar + 1 if sections else 0
        letter = {"intro": "A", "break": "A", "outro": "A"}.get(name, name)
        strength = min(max(_STRENGTHS[name] + 0.5 * (energy - 0.5), 0.05), 1.0)
        sections.append(Section(name, letter, first, length, strength))
    return Form(tuple(sections), num_bars, num_bars * bar_ticks)


def _gesture(duration_seconds: int, bpm: int, energy: float) -> Form:
    """Less than a bar: a few beats that lead to the last chord, or that chord alone."""
    beat_seconds = 60.0 / bpm
    room = duration_seconds - ring_seconds(duration_seconds, beat_seconds)
    num_beats = max(int(room / beat_seconds), 0)
    sections = (Section("A", "A", 0, 1, 0.4 + 0.5 * energy),) if num_beats else ()
    return Form(sections, 1 if num_beats else 0, num_beats * TICKS_PER_BEAT)


def _lengths(num_bars: int, phrase_bars: int) -> list[tuple[str, int]]:
    """Names and bars of the sections; bars beyond whole phrases lead in."""
    phrases, rest = divmod(num_bars, phrase_bars)
    if phrases == 0:
        return [("A", num_bars)]
    if phrase_bars > 4:
        return _choruses(phrases, phrase_bars, rest)
    sections = [(name, 4 * length) for name, length in _plan(phrases)]
    if rest == 0:
        return sections
    if sections[0][0] == "intro":
        sections[0] = ("intro", sections[0][1] + rest)
    elif phrases == 1 and rest == 3:
        sections = [("A", 4), ("B", 3)]
    else:
        sections.insert(0, ("intro", rest))
    return sections


def _choruses(phrases: int, phrase_bars: int, rest: int) -> list[tuple[str, int]]:
    """Theme, solos over the same chords, theme: the form of the blues."""
    names = ["A"] * phrases
    names[1:-1] = ["B" if n % 2 == 0 else "C" for n in range(phrases - 2)]
    lead_in = [("intro", rest)] if rest else []
    return lead_in + [(name, phrase_bars) for name in names]


def _plan(phrases: int) -> list[tuple[str, int]]:
    if phrases in _PLANS:
        return list(_PLANS[phrases])
    plan, left, place = [("intro", 1 if phrases < 16 else 2)], phrases, 0
    left -= plan[0][1] + 1
    while left > 0:
        name, length = _CYCLE[place % len(_CYCLE)]
        plan.append((name, min(length, left)))
        left -= length
        place += 1
    if plan[-1][0] == "break":
        plan[-1] = ("C", plan[-1][1])
    return [*plan, ("outro", 1)]
