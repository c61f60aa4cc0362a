"""Which parts of a song are made anew: every form, and every wrong one."""

from __future__ import annotations

import numpy as np
import pytest

from server.errors import BadRequest
from server.generation import Recording
from server.service.edit_segments import Segment, resolve_segments

RATE = 100


def song(seconds: float = 95) -> Recording:
    return Recording(np.ones((1, int(seconds * RATE)), np.float32), RATE)


def test_nothing_is_edited() -> None:
    assert resolve_segments(None, None, 95) is None


RESOLVED = [
    ([(-1, 25), (50.0, -1)], ((0, 25), (50, 95))),
    ([(50, 60), (10, 20)], ((10, 20), (50, 60))),
    ([(-1, -1)], ((0, 95),)),
    ([(0, 10), (10, 95)], ((0, 10), (10, 95))),
    ([(0.5, 0.75)], ((0.5, 0.75),)),
]


@pytest.mark.parametrize(("given", "resolved"), RESOLVED)
def test_ends_are_written_out_in_order(given: list[Segment], resolved: tuple[Segment, ...]) -> None:
    assert resolve_segments(given, song(), 95) == resolved
    assert resolve_segments(resolved, song(), 95) == resolved


def test_a_longer_song_is_fine() -> None:
    assert resolve_segments([(-1, -1)], song(200), 95) == ((0, 95),)


WRONG = [
    ([], "at least one segment"),
    ([(20, 10)], "the start before the end, from 0 to 95"),
    ([(10, 10)], "got [10, 10]"),
    ([(-2, 10)], "got [-2, 10]"),
    ([(10, -0.5)], "got [10, -0.5]"),
    ([(10, 95.1)], "got [10, 95.1]"),
    ([(95, -1)], "got [95, -1]"),
    ([(96, 97)], "from 0 to 95"),
    ([(0, 10), (5, 20)], "must not overlap; got [0, 10] and [5, 20]"),
    ([(50, -1), (-1, 51)], "must not overlap; got [0.0, 51] and [50, 95.0]"),
    ([(1, 2), (1, 2)], "must not overlap"),
    ([(float("nan"), 2)], "the start before the end"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_wrong_segments(given: list[Segment], words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        resolve_segments(given, song(), 95)
    assert caught.value.field == "edit_segments"
    assert words in caught.value.message


def test_song_and_segments_come_together() -> None:
    with pytest.raises(BadRequest, match="edit_segments must say what is made anew"):
        resolve_segments(None, song(), 95)
    with pytest.raises(BadRequest, match="edited_song must be sent"):
        resolve_segments([(0, 1)], None, 95)


def test_a_song_that_is_too_short() -> None:
    with pytest.raises(BadRequest, match=r"at least as long .* 95 s; it has 94\.9 s") as caught:
        resolve_segments([(0, 1)], song(94.9), 95)
    assert caught.value.field == "edited_song"
