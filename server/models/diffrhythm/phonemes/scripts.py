"""Which writing a line is in: Latin letters are read as English, Chinese characters as Mandarin."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

from server.models.diffrhythm.lrc import Line, fault

Language = Literal["en", "zh"]
CHINESE = "一-龥"
_LATIN = "A-Za-z"
#: A run of one writing takes what is neither (figures, marks, é) with it, before it and after.
_RUN = re.compile(
    f"[^{CHINESE}{_LATIN}]*(?:(?P<zh>[{CHINESE}][^{_LATIN}]*)|[{_LATIN}][^{CHINESE}]*)"
)
_HAS_CHINESE = re.compile(f"[{CHINESE}]")


def runs(text: str) -> list[tuple[Language, str]]:
    """The parts of `text` by language, in order; figures alone are English."""
    found = list(_RUN.finditer(text))
    if not found:
        return [("en", text)]
    return [("zh" if run["zh"] else "en", run[0]) for run in found]


def has_chinese(lines: Iterable[Line]) -> bool:
    """Whether anything is to be sung in Mandarin."""
    return any(_HAS_CHINESE.search(line.text) for line in lines)


def check_scripts(lines: Iterable[Line]) -> None:
    """Raise `BadRequest`, with the line, for letters that nobody here can read."""
    for line in lines:
        strange = [letter for letter in line.text if not _is_readable(letter)]
        if strange:
            problem = "is in a script that is not sung; write it in English or Chinese"
            raise fault(line.number, f"{problem}; got {strange[0]!r} in {line.text[:40]!r}")


def _is_readable(character: str) -> bool:
    """Marks and signs may stand anywhere: they are left out."""
    if character.isascii() or not (character.isalpha() or character.isdecimal()):
        return True
    is_latin = unicodedata.name(character, "").startswith("LATIN")
    return is_latin or _HAS_CHINESE.match(character) is not None
