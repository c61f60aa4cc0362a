"""Reads a prompt: what it asks for and what it rules out."""

from __future__ import annotations

from dataclasses import dataclass

from server.models.sketch.reading.keys import NamedKey, named_key
from server.models.sketch.reading.matching import Match, matches, normalised
from server.models.sketch.reading.tempo import named_bpm
from server.models.sketch.reading.vocabulary import MOODS

_MOST_READ = 10_000  # characters; the model takes no longer prompts
_MOST_INSTRUMENTS = 6


@dataclass(frozen=True)
class Reading:
    """What a prompt says. Names stand in the order in which they were said."""

    genres: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    textures: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    wanted: frozenset[str] = frozenset()  # buses asked for
    without: frozenset[str] = frozenset()  # buses, instruments and genres ruled out
    tempo: str | None = None  # a key of TEMPO_WORDS
    bpm: int | None = None
    key: NamedKey | None = None
    mode: str | None = None
    solo: bool = False

    def shift(self, what: str) -> float:
        """How far the moods shift `energy`, `brightness` or `density`: -0.5 to 0.5."""
        total: float = sum(getattr(MOODS[mood], what) for mood in self.moods)
        return min(max(total, -0.5), 0.5)

    @property
    def mood_mode(self) -> str | None:
        """Major or minor as the first mood that has an opinion says."""
        return next((MOODS[mood].mode for mood in self.moods if MOODS[mood].mode), None)


def read_prompt(prompt: str) -> Reading:
    """The reading of a prompt in English or Chinese; what is neither means nothing."""
    prompt = prompt[:_MOST_READ]
    text = normalised(prompt)
    found = matches(text)
    said = _Said(found)
    instruments = said.all("instrument")[:_MOST_INSTRUMENTS]
    denied = {match.meaning for match in found if match.denied and match.kind != "tempo"}
    return Reading(
        genres=said.genres(),
        hints=said.all("hint"),
        instruments=instruments,
        textures=said.all("texture"),
        moods=said.all("mood"),
        wanted=frozenset(said.all("bus")),
        without=frozenset(denied - set(instruments) - set(said.all("genre"))),
        tempo=_tempo(found),
        bpm=named_bpm(text),
        key=named_key(prompt),
        mode=next(iter(said.all("mode")), None),
        solo=bool(said.all("solo")) and bool(instruments),
    )


class _Said:
    """The words that were not denied."""

    def __init__(self, found: list[Match]) -> None:
        self._found = [match for match in found if not match.denied]

    def all(self, kind: str) -> tuple[str, ...]:
        """The meanings of a kind, each once, in order."""
        return tuple(dict.fromkeys(m.meaning for m in self._found if m.kind == kind))

    def genres(self) -> tuple[str, ...]:
        """The genres, the main one first: of two side by side the second (`jazz house`)."""
        found = [match for match in self._found if match.kind == "genre"]
        if len(found) > 1 and found[1].place - found[0].end <= 1:
            found[:2] = found[1::-1]
        return tuple(dict.fromkeys(match.meaning for match in found))


_OPPOSITES = {"fast": "middle", "fastest": "middle", "slow": "middle", "slowest": "middle"}


def _tempo(found: list[Match]) -> str | None:
    """The tempo word; one that is denied (`not too fast`) means the middle."""
    for match in found:
        if match.kind == "tempo":
            return _OPPOSITES.get(match.meaning) if match.denied else match.meaning
    return None
