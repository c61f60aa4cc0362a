"""Reads keys: `A minor`, `in the key of F#`, `Bb major`, `D dorian`, `升F小调`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_MODES = {
    "major": "major",
    "maj": "major",
    "minor": "minor",
    "min": "minor",
    "m": "minor",
    "dorian": "dorian",
    "mixolydian": "mixolydian",
    "phrygian": "phrygian",
    "lydian": "lydian",
    "aeolian": "minor",
    "ionian": "major",
    "大调": "major",
    "小调": "minor",
}
_ACCIDENTAL = r"(?P<accidental>\s?-?\s?(?:sharp|flat)|[#♯b♭])?"
_FULL = re.compile(
    rf"(?<![A-Za-z#♯♭'])(?P<letter>[A-Ga-g]){_ACCIDENTAL}[\s-]*"
    r"(?P<mode>[Mm]ajor|[Mm]inor|MAJOR|MINOR|[Mm]aj|[Mm]in|m|[Dd]orian|[Mm]ixolydian"
    r"|[Pp]hrygian|[Ll]ydian|[Aa]eolian|[Ii]onian|大调|小调)(?![A-Za-z])(?P<after>\s+(?:key|scale|mode|hit|chord)s?\b)?"
)
_TONIC = re.compile(
    r"\b(?:(?:key of|key:?)\s+(?P<any>[A-Ga-g])|in\s+(?P<letter>[A-G]))"
    rf"{_ACCIDENTAL}(?![A-Za-z0-9'&])"
)
_CHINESE = re.compile(r"(?P<accidental>[升降])\s*(?P<letter>[A-Ga-g])\s*(?P<mode>大调|小调)")
_INTRODUCED = re.compile(r"(?:\bin|\bkey of|\bkey:?|\bis)\s+$", re.IGNORECASE)


@dataclass(frozen=True)
class NamedKey:
    """A tonic (pitch class), and the mode where it was said."""

    tonic: int
    mode: str | None


def named_key(prompt: str) -> NamedKey | None:
    """The first key that `prompt` names, None where it names none."""
    chinese = _CHINESE.search(prompt)
    if chinese:
        return _read(chinese, _MODES[chinese["mode"]])
    for match in _FULL.finditer(prompt):
        if not _is_article(prompt, match):
            return _read(match, _MODES[match["mode"].lower()])
    for match in _TONIC.finditer(prompt):
        # "in A club" names no key
        if match["letter"] != "A" or not re.match(r"\s+[a-z]", prompt[match.end() :]):
            return _read(match, None)
    return None


def _is_article(prompt: str, match: re.Match[str]) -> bool:
    """Whether `a minor …` speaks of something minor, not of A minor."""
    if match["mode"] == "m" and not match["letter"].isupper():
        return True  # "am" is a verb
    if match["letter"] not in "aA" or match["accidental"]:
        return False
    introduced = _INTRODUCED.search(prompt[: match.start()]) is not None
    if match["after"] and not (match["letter"] == "A" and introduced):
        return True
    return match["letter"] == "a" and not introduced


def _read(match: re.Match[str], mode: str | None) -> NamedKey:
    accidental = (match["accidental"] or "").strip(" -")
    shift = 1 if accidental in ("#", "♯", "sharp", "升") else -1 if accidental else 0
    letter = match["letter"] or match["any"]
    return NamedKey((_LETTERS[letter.lower()] + shift) % 12, mode)
