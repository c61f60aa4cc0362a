"""Lyrics without times: their lines are spread over the song.

Each line gets time by its syllables, and each section, `[verse]` or `[chorus]` say, a moment of
music before it is sung. All of it is then stretched or pressed to the song's length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from server.errors import BadRequest, echo
from server.models.diffrhythm.lrc import FIELD, TAG, Line, fault
from server.models.diffrhythm.syllables import num_syllables

#: Section → music before it is sung, in seconds, in a song that is not stretched.
SECTIONS = {
    "intro": 6.0,
    "verse": 1.5,
    "chorus": 1.5,
    "hook": 1.5,
    "refrain": 1.5,
    "bridge": 3.0,
    "break": 6.0,
    "solo": 12.0,
    "interlude": 12.0,
    "instrumental": 16.0,
    "outro": 2.0,
}
LEAD_SECONDS = 3.0
TAIL_SECONDS = 4.0
#: Music where a line is left empty.
STANZA_SECONDS = 1.0
SYLLABLE_SECONDS = 0.3
BREATH_SECONDS = 0.5
#: Pressed more than that, nobody could sing it.
MIN_STRETCH = 0.4


@dataclass(frozen=True)
class _Sung:
    """A line, and the seconds of music before it."""

    text: str
    number: int
    pause_seconds: float

    @property
    def seconds(self) -> float:
        return BREATH_SECONDS + SYLLABLE_SECONDS * num_syllables(self.text)


def read_plain(text: str, duration_seconds: int) -> list[Line]:
    """The lines with times within `duration_seconds`. Raises `BadRequest`."""
    sung, rest_seconds = _read(text)
    wanted_seconds = sum(line.pause_seconds + line.seconds for line in sung) + rest_seconds
    stretch = duration_seconds / wanted_seconds
    if stretch < MIN_STRETCH:
        problem = f"need {MIN_STRETCH * wanted_seconds:.0f} s, sung fast"
        remedy = "shorten them, or ask for a longer song"
        raise BadRequest(FIELD, f"{problem}, but the song has {duration_seconds} s; {remedy}")
    lines, seconds = [], 0.0
    for line in sung:
        seconds += line.pause_seconds
        lines.append(Line(int(100 * stretch * seconds) / 100, line.text, line.number))
        seconds += line.seconds
    return lines


def _read(text: str) -> tuple[list[_Sung], float]:
    """The lines to be sung, and the seconds of music after the last."""
    sung: list[_Sung] = []
    pause_seconds = LEAD_SECONDS
    for number, line in enumerate(text.splitlines(), 1):
        pause_seconds += sum(_section_seconds(tag, number) for tag in TAG.findall(line))
        words = TAG.sub("", line).strip()
        if words:
            sung.append(_Sung(words, number, pause_seconds))
            pause_seconds = 0.0
        else:
            pause_seconds = max(pause_seconds, STANZA_SECONDS)
    return sung, pause_seconds + TAIL_SECONDS


def _section_seconds(tag: str, number: int) -> float:
    """Of the section in words such as "verse 2" or "guitar solo"; 0 for `ar:somebody`."""
    name, colon, _ = tag.lower().partition(":")
    known = [word for word in re.findall("[a-z]+", name) if word in SECTIONS]
    if not known and not colon:
        raise fault(number, f"has no section {echo(tag)}; there is: {', '.join(SECTIONS)}")
    return SECTIONS[known[0]] if known else 0.0
