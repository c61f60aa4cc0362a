"""Finds the vocabulary's words in a prompt, and which of them are denied."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from server.models.sketch.reading.genre_words import GENRE_WORDS, HINT_WORDS
from server.models.sketch.reading.vocabulary import (
    BUS_WORDS,
    INSTRUMENT_WORDS,
    MODE_WORDS,
    MOODS,
    SOLO_WORDS,
    TEMPO_WORDS,
    TEXTURE_WORDS,
)

_TABLES: dict[str, Mapping[str, str]] = {
    "genre": GENRE_WORDS,
    "hint": HINT_WORDS,
    "instrument": INSTRUMENT_WORDS,
    "bus": BUS_WORDS,
    "texture": TEXTURE_WORDS,
    "tempo": TEMPO_WORDS,
    "mode": MODE_WORDS,
    "mood": {name: mood.words for name, mood in MOODS.items()},
    "solo": {"solo": SOLO_WORDS},
}

_CLAUSE_ENDS = re.compile(
    r"[,.;:!?\n，。；：！？()（）]"
    r"|\b(?:but|with|just|only|instead|featuring|plus|yet)\b|但|只要|而是|只有|改用"
)
_DENIALS = re.compile(
    r"\b(?:no|non|not(?! only)|without|don'?t|never|avoid|avoiding|exclude|excluding|minus|sans"
    r"|lacking|free of|remove|except|less)\b"
    r"|不要|没有|沒有|不含|不带|不用|不想要|不是|不太|去掉|除了"
    r"|无(?!限|比|尽|穷)|勿|别(?!致|样)|不(?!错|断|太|同|仅|只|羁|朽)"
)
_JOINED = re.compile(r"\b(?:and|or|nor)\b|[&/、和或与跟及]")
_HEDGED = re.compile(
    r"\b(?:too|so|very)\s+$|太$|过于$"
)  # `not too fast techno` denies the tempo only
_THINGS = {"genre", "hint", "instrument", "bus", "texture"}
_WITHOUT_SUFFIX = re.compile(r"[- ]?(?:less|free)\b")


@dataclass(frozen=True)
class Match:
    """A word that was found: kind, meaning, from where to where, and whether it is denied."""

    kind: str
    meaning: str
    place: int
    end: int
    denied: bool


def normalised(prompt: str) -> str:
    """The prompt in one form: NFKC, small letters, plain apostrophes and hyphens."""
    text = unicodedata.normalize("NFKC", prompt).lower()
    return text.replace("’", "'").replace("‘", "'").replace("‑", "-").replace("–", "-")


def matches(text: str) -> list[Match]:
    """Every word of the vocabulary in a normalised prompt, in order."""
    found: list[Match] = []
    start = 0
    ends = [match.start() for match in _CLAUSE_ENDS.finditer(text)]
    for end in [*ends, len(text)]:
        found += _in_clause(text[start:end], start)
        start = end  # a word that ends a clause may mean something itself, such as `only`
    return found


def _in_clause(clause: str, offset: int) -> list[Match]:
    """The words of one clause. A denial reaches to the first thing after it, and beyond that only
    along `and` and `or`: `no loud drums or bass`, but `no drums house`."""
    denial = _DENIALS.search(clause)
    reach = _Reach(clause, denial.end() if denial else len(clause) + 1)
    found = []
    for hit in _pattern().finditer(clause):
        meanings = _meanings()[_key(hit.group())]
        denied = reach.covers(hit, {kind for kind, _ in meanings})
        denied = denied or _WITHOUT_SUFFIX.match(clause, hit.end()) is not None
        for kind, meaning in meanings:
            found.append(Match(kind, meaning, offset + hit.start(), offset + hit.end(), denied))
    return found


class _Reach:
    """How far a denial reaches in its clause."""

    def __init__(self, clause: str, start: int) -> None:
        self._clause, self._start = clause, start
        self._thing_end: int | None = None
        self._over = False

    def covers(self, hit: re.Match[str], kinds: set[str]) -> bool:
        """Whether the next word found is denied."""
        if hit.start() < self._start or self._over:
            return False
        if self._thing_end is not None:
            between = self._clause[self._thing_end : hit.start()]
            self._over = _JOINED.search(between) is None
        hedged = _HEDGED.search(self._clause[: hit.start()]) is not None
        if hedged or kinds & _THINGS:
            self._thing_end = hit.end()
        return not self._over


def _key(term: str) -> str:
    meanings = _meanings()
    return term if term in meanings else term.removesuffix("s")


@lru_cache(maxsize=1)
def _meanings() -> dict[str, list[tuple[str, str]]]:
    """What each term means; a term may mean several things (`epic` is a genre and a mood)."""
    known: dict[str, list[tuple[str, str]]] = {}
    for kind, table in _TABLES.items():
        for meaning, words in table.items():
            for term in words.split("|"):
                known.setdefault(term, []).append((kind, meaning))
    return known


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    """All terms as alternatives, the longest first."""
    terms = sorted(_meanings(), key=lambda term: (-len(term), term))
    latin = "|".join(re.escape(term) for term in terms if term.isascii())
    others = "|".join(re.escape(term) for term in terms if not term.isascii())
    return re.compile(rf"(?<![a-z0-9])(?:{latin})s?(?=less\b|(?![a-z0-9]))|{others}")
