"""LRC, the common form of lyrics with times: `[mm:ss.xx]text`, a line each.

Tags on a line of their own (`[ar:somebody]`, `[chorus]`) and times without a text are skipped:
nothing is sung there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from server.errors import BadRequest, echo

FIELD = "lyrics"
TIME = re.compile(r"\[([0-9]+):([0-9]{1,2}(?:\.[0-9]{1,3})?)\]")
#: What begins so was meant for a time, also where it is none, or for that of a word.
LIKE_A_TIME = re.compile(
    r"\[\s*[-+]?(?:[0-9.][^\[\]:]*|(?:nan|inf(?:inity)?)\s*):|<[0-9]+:[0-9]", re.I
)
TAG = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Line:
    """A line that is sung from `start_seconds` on; `number` is its place in the text, from 1."""

    start_seconds: float
    text: str
    number: int


def fault(number: int, problem: str) -> BadRequest:
    """What is wrong with a line of the lyrics."""
    return BadRequest(FIELD, f"line {number} {problem}")


def is_lrc(text: str) -> bool:
    """Whether there is any time in it, or what was meant for one."""
    return LIKE_A_TIME.search(text) is not None


def read_lrc(text: str, duration_seconds: int) -> list[Line]:
    """The lines to be sung within `duration_seconds`. Raises `BadRequest`, with the line."""
    read = (_read(line.strip(), number) for number, line in enumerate(text.splitlines(), 1))
    lines = [line for line in read if line is not None]
    for before, line in pairwise(lines):
        if line.start_seconds < before.start_seconds:
            times = f"{time(line.start_seconds)}, before line {before.number}"
            raise fault(line.number, f"begins at {times}; put the lines in order")
    for line in lines:
        if line.start_seconds >= duration_seconds:
            begins = f"begins at {time(line.start_seconds)}"
            raise fault(line.number, f"{begins}, but the song has {duration_seconds} s")
    return [line for line in lines if line.text]


def to_lrc(lines: Sequence[Line]) -> str:
    """The lines as LRC, which reads as the same."""
    return "".join(f"{time(line.start_seconds)}{line.text}\n" for line in lines)


def time(seconds: float) -> str:
    """As LRC has it, to the millisecond where need be."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    fraction = f"{milliseconds % 1000:03d}".removesuffix("0")
    return f"[{minutes:02d}:{milliseconds // 1000:02d}.{fraction}]"


def _read(line: str, number: int) -> Line | None:
    """None where there is nothing but tags."""
    found = TIME.match(line)
    if found is None:
        if LIKE_A_TIME.match(line) or TAG.sub("", line).strip():
            raise fault(number, f"must begin with a time such as [01:23.45]; got {echo(line)}")
        return None
    seconds, text = float(found[2]), line[found.end() :]
    if seconds >= 60:
        raise fault(number, f"has a time of 60 or more seconds in a minute: {echo(found[0])}")
    if LIKE_A_TIME.search(text):
        raise fault(number, "has more than one time; write a line for each")
    return Line(int(found[1]) * 60 + seconds, TAG.sub("", text).strip(), number)
