"""Lyrics as they are sent: with times, LRC, or plain, and then their lines are spread."""

from __future__ import annotations

from server.errors import BadRequest
from server.models.diffrhythm.lrc import FIELD, Line, is_lrc, read_lrc, to_lrc
from server.models.diffrhythm.plain_lyrics import read_plain

MAX_CHARACTERS = 10_000
INSTRUMENTAL = "[instrumental]"


def read_lyrics(text: str, duration_seconds: int) -> list[Line]:
    """The lines to be sung, in order, within `duration_seconds`; none for an instrumental.

    Raises `BadRequest` about `lyrics`, with the line where one is at fault.
    """
    if len(text) > MAX_CHARACTERS:
        allowed = f"a text of at most {MAX_CHARACTERS} characters"
        raise BadRequest(FIELD, f"must be {allowed}; got {len(text)} characters")
    lines = (read_lrc if is_lrc(text) else read_plain)(text, duration_seconds)
    if not lines and text.strip() and INSTRUMENTAL not in text.lower():
        empty = f"an empty text, or {INSTRUMENTAL}, is an instrumental"
        raise BadRequest(FIELD, f"must have a line to sing; {empty}")
    return lines


def with_times(text: str, duration_seconds: int) -> str:
    """The same lyrics as LRC: what has its times stays as it is. Raises as `read_lyrics` does."""
    lines = read_lyrics(text, duration_seconds)
    return text if is_lrc(text) else to_lrc(lines)
