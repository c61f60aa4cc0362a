"""The parts of a song that are to be made anew: checked, and their ends written out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from server.errors import BadRequest
from server.generation import Recording

FIELD = "edit_segments"
#: Stands for the song's start, or its end.
OPEN = -1

Segment: TypeAlias = tuple[float, float]


def resolve_segments(
    segments: Sequence[Segment] | None, song: Recording | None, song_seconds: int
) -> tuple[Segment, ...] | None:
    """The segments in order, in seconds from 0 to `song_seconds`; None where nothing is edited.

    Raises `BadRequest`.
    """
    if segments is None and song is None:
        return None
    if segments is None:
        raise BadRequest(FIELD, "must say what is made anew, such as [[-1, 25], [50, -1]]")
    if song is None:
        raise BadRequest("edited_song", f"must be sent: {FIELD} are parts of it")
    if not segments:
        raise BadRequest(FIELD, "must hold at least one segment, such as [-1, 25]; got none")
    _check_song(song, song_seconds)
    resolved = sorted(_resolve(segment, song_seconds) for segment in segments)
    for one, next_one in pairwise(resolved):
        if one[1] > next_one[0]:
            raise BadRequest(FIELD, f"must not overlap; got {list(one)} and {list(next_one)}")
    return tuple(resolved)


def _check_song(song: Recording, song_seconds: int) -> None:
    if song.duration_seconds < song_seconds:
        raise BadRequest(
            "edited_song",
            f"must be at least as long as what is made of it, {song_seconds} s; it has "
            f"{song.duration_seconds:.4g} s",
        )


def _resolve(segment: Segment, song_seconds: int) -> Segment:
    start = 0.0 if segment[0] == OPEN else segment[0]
    end = float(song_seconds) if segment[1] == OPEN else segment[1]
    if not 0 <= start < end <= song_seconds:
        raise BadRequest(
            FIELD,
            f"must be pairs of seconds, the start before the end, from 0 to {song_seconds}, the "
            f"length of the song; {OPEN} is its start or end; got {list(segment)}",
        )
    return start, end
