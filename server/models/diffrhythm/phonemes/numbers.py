"""English figures and abbreviations, written out as they are said."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

ABBREVIATIONS = {
    "mrs": "misess",
    "mr": "mister",
    "dr": "doctor",
    "st": "saint",
    "co": "company",
    "jr": "junior",
    "maj": "major",
    "gen": "general",
    "drs": "doctors",
    "rev": "reverend",
    "lt": "lieutenant",
    "hon": "honorable",
    "sgt": "sergeant",
    "capt": "captain",
    "esq": "esquire",
    "ltd": "limited",
    "col": "colonel",
    "ft": "fort",
    "etc": "et cetera",
    "btw": "by the way",
}
#: Longer ones are said figure by figure.
LONGEST_NUMBER = 15
Said = Callable[[re.Match[str]], str]


def spelled_out(text: str) -> str:
    """`text` with words for its figures and abbreviations."""
    for pattern, said in RULES:
        text = pattern.sub(said, text)
    return text


def _abbreviation(found: re.Match[str]) -> str:
    return ABBREVIATIONS[found[0].lower()]


def _dollars(found: re.Match[str]) -> str:
    amounts = [(found[1], "dollar"), (found[2] or "", "cent")]
    said = [_amount(figures.lstrip("0"), unit) for figures, unit in amounts if figures.strip("0")]
    return f" {', '.join(said) or 'zero dollars'} "


def _amount(figures: str, unit: str) -> str:
    return f"{figures} {unit}" if figures == "1" else f"{figures} {unit}s"


def _fraction(found: re.Match[str]) -> str:
    upper, lower = found[1], found[2]
    halves = {"2": ("half", "halves"), "4": ("quarter", "quarters")}
    if lower not in halves:
        return f" {_words(upper)} {_engine().ordinal(_words(lower))} "
    one, several = halves[lower]
    return f" {_words(upper)} {one if upper == '1' else several} "


def _ordinal(found: re.Match[str]) -> str:
    if len(found[0]) > LONGEST_NUMBER:
        return f" {_words(found[1])} "
    return f" {_engine().number_to_words(found[0])} "


def _number(found: re.Match[str]) -> str:
    return f" {_year(int(found[0])) if len(found[0]) == 4 else _words(found[0])} "


def _year(number: int) -> str:
    """Four figures are said as a year where they may be one."""
    hundreds, rest = divmod(number, 100)
    if not 1000 < number < 3000 or number == 2000:
        return _words(str(number))
    if 2000 < number < 2010:
        return f"two thousand {_words(str(rest))}"
    if not rest:
        return f"{_words(str(hundreds))} hundred"
    pairs: str = _engine().number_to_words(number, andword="", zero="oh", group=2)
    return pairs.replace(", ", " ")


def _words(figures: str) -> str:
    if len(figures) > LONGEST_NUMBER:
        return str(_engine().number_to_words(figures, group=1)).replace(", ", " ")
    return str(_engine().number_to_words(int(figures), andword=""))


@lru_cache(maxsize=1)
def _engine() -> Any:
    import inflect

    return inflect.engine()


#: In this order: each leaves figures for those after it.
RULES: tuple[tuple[re.Pattern[str], str | Said], ...] = (
    (re.compile(rf"\b(?:{'|'.join(ABBREVIATIONS)})\b", re.IGNORECASE), _abbreviation),
    (re.compile(r"[0-9][0-9,]+[0-9]"), lambda found: found[0].replace(",", "")),
    (re.compile(r"£([0-9,]*[0-9]+)"), r"\1 pounds"),
    (re.compile(r"\$(?=\.?[0-9])([0-9]*)(?:\.([0-9]+))?"), _dollars),
    (re.compile(r"([0-9]+)/([0-9]+)"), _fraction),
    (re.compile(r"([0-9]+)\.([0-9]+)"), r"\1 point \2"),
    (re.compile(r"([0-9]+)%"), r"\1 percent "),
    (re.compile(r"([0-9]+)(?:st|nd|rd|th)"), _ordinal),
    (re.compile(r"[0-9]+"), _number),
)
