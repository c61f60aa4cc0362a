"""Lyrics as people send them: with times, without, and with all that can be wrong."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadRequest
from server.models.diffrhythm.lyrics import MAX_CHARACTERS, read_lyrics, with_times
from server.models.diffrhythm.plain_lyrics import SECTIONS
from server.models.diffrhythm.syllables import num_syllables

SONG = """\
[verse]
Paper lanterns on the water
Every one a quiet name

[chorus]
Hold the river, hold the morning
"""


def starts(text: str, seconds: int = 95) -> list[float]:
    return [line.start_seconds for line in read_lyrics(text, seconds)]


TIMES = [
    ("[01:02.34]", 62.34),
    ("[0:10.00]", 10.0),
    ("[00:10]", 10.0),
    ("[0:5]", 5.0),
    ("[00:10.5]", 10.5),
    ("[00:10.555]", 10.555),
    ("[1:00.001]", 60.001),
    ("[00:00.00]", 0.0),
    ("[000:59.99]", 59.99),
]


@pytest.mark.parametrize(("stamp", "seconds"), TIMES)
def test_times(stamp: str, seconds: float) -> None:
    assert starts(f"{stamp}Hello") == [seconds]


def test_the_lines_of_a_file() -> None:
    text = "[ar:A]\r\n[ti: The [00] song]\r\n\r\n[00:04.20] Paper \t\r\n[chorus]\r\n[00:08.55]Sea"
    lines = read_lyrics(text.replace(" [00]", ""), 95)
    assert [(line.start_seconds, line.text, line.number) for line in lines] == [
        (4.2, "Paper", 4),
        (8.55, "Sea", 6),
    ]


def test_nothing_is_sung_where_there_is_only_a_time_or_a_tag() -> None:
    text = "[00:01.00]One\n[00:02.00]\n[00:03.00]  \n[00:03.00][chorus] Two"
    assert [line.text for line in read_lyrics(text, 95)] == ["One", "Two"]


@pytest.mark.parametrize("tag", ["[offset:+500]", "[length:03:20]", "[by:1]", "[Verse 2]", "[x]"])
def test_tags_of_lrc_are_ignored(tag: str) -> None:
    assert starts(f"{tag}\n[00:10.00]Hello") == [10.0]


def test_two_lines_at_the_same_time_are_in_order() -> None:
    assert starts("[00:10.00]a\n[00:10.00]b") == [10.0, 10.0]


@pytest.mark.parametrize("text", ["", " \n\t\n", "[instrumental]", "[intro]\n[Instrumental]\n"])
def test_an_instrumental(text: str) -> None:
    assert read_lyrics(text, 95) == []
    assert with_times(text, 95) == ""


BAD = [
    ("[00:10.00]a\n[00:09.99]b", "line 2 begins at [00:09.99], before line 1; put the lines in"),
    ("[00:20.00]\n[00:10.00]b", "line 2 begins at [00:10.00], before line 1"),
    ("[00:94.00]a", "line 1 has a time of 60 or more seconds in a minute: '[00:94.00]'"),
    ("[00:60]a", "line 1 has a time of 60 or more"),
    ("[01:35.00]a", "line 1 begins at [01:35.00], but the song has 95 s"),
    ("[00:01]a\n[99999999999:00]b", "line 2 begins at [99999999999:00.00], but the song has 95 s"),
    ("[00:01.00][00:30.00]a", "line 1 has more than one time; write a line for each"),
    ("[00:01.00]a [00:30.00]b", "line 1 has more than one time"),
    ("[00:01.00]<00:01.00>word <00:02.00>word", "line 1 has more than one time"),
    ("[-00:10.00]a", "line 1 must begin with a time such as [01:23.45]; got '[-00:10.00]a'"),
    ("[00:-1.00]a", "line 1 must begin with a time"),
    ("[00:nan]a", "line 1 must begin with a time"),
    ("[nan:00.00]a", "line 1 must begin with a time"),
    ("[inf:00.00]a", "line 1 must begin with a time"),
    ("[-inf:00]a", "line 1 must begin with a time"),
    ("[00:inf]a", "line 1 must begin with a time"),
    ("[00:10.0000]a", "line 1 must begin with a time"),
    ("[00:10:50]a", "line 1 must begin with a time"),
    ("[00:10.00a", "line 1 must begin with a time"),
    ("[٠٠:١٠.٠٠]a\n[00:1]b", "line 1 must begin with a time"),
    ("[00:10.00]a\nb", "line 2 must begin with a time such as [01:23.45]; got 'b'"),
    ("b\n[00:10.00]a", "line 1 must begin with a time"),
    ("a\nb [00:10.00] c", "line 1 must begin with a time"),
    ("[ar:nobody]\n[ti:nothing]", "must have a line to sing; an empty text, or [instrumental]"),
    ("[00:10.00]\n[00:20.00]", "must have a line to sing"),
    ("[verse]\n\n[chorus]", "must have a line to sing"),
    ("[verse]\na\n[whatever]", "line 3 has no section 'whatever'; there is: intro, verse"),
    ("a " * (MAX_CHARACTERS // 2) + "b", f"at most {MAX_CHARACTERS} characters; got 10001"),
    ("la la la la\n" * 300, "shorten them, or ask for a longer song"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[words[:30] for _, words in BAD])
def test_what_is_wrong_is_said_with_its_line(text: str, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_lyrics(text, 95)
    assert caught.value.field == "lyrics"
    assert words in caught.value.message


def test_plain_lines_are_spread_over_the_whole_song() -> None:
    for seconds in (95, 200, 285):
        lines = read_lyrics(SONG, seconds)
        assert [line.text for line in lines] == [
            "Paper lanterns on the water",
            "Every one a quiet name",
            "Hold the river, hold the morning",
        ]
        assert [line.number for line in lines] == [2, 3, 6]
        assert 0 < lines[0].start_seconds < 0.4 * seconds
        assert 0.5 * seconds < lines[-1].start_seconds < 0.9 * seconds


def test_a_line_has_time_by_its_syllables() -> None:
    first, second, third = starts("la\nla la la la la la la\nla")
    assert third - second > 2 * (second - first)


def test_the_pace_is_the_same_throughout() -> None:
    times = starts("a rose\n" * 12)
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) - min(gaps) < 0.02


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_begins_with_music(section: str) -> None:
    plain = starts("one\ntwo\nthree")
    tagged = starts(f"one\n[{section}]\ntwo\nthree")
    assert tagged[1] - tagged[0] > plain[1] - plain[0]


def test_a_solo_takes_longer_than_a_verse_begins() -> None:
    gaps = []
    for section in ("[verse 1]", "[Guitar solo]", "[Instrumental: strings]"):
        first, second = starts(f"one\n{section}\ntwo")
        gaps.append(second - first)
    assert gaps == sorted(gaps)
    assert gaps[0] < gaps[1] < gaps[2]


def test_a_tag_may_stand_before_its_line_and_metadata_is_none() -> None:
    lines = read_lyrics("[ar:Nobody]\n[verse] one\n[Chorus: all]two", 95)
    assert [line.text for line in lines] == ["one", "two"]


def test_an_empty_line_is_a_pause() -> None:
    gap, wider = (starts(text)[1] - starts(text)[0] for text in ("a\nb\nc", "a\n\nb\nc"))
    assert wider > gap


def test_plain_lyrics_with_times_read_as_they_were_spread() -> None:
    lrc = with_times(SONG, 95)
    assert lrc.startswith("[00:")
    again = read_lyrics(lrc, 95)
    assert [line.start_seconds for line in again] == starts(SONG)
    assert with_times(lrc, 95) == lrc


def test_lyrics_with_times_stay_as_they_were_sent() -> None:
    text = "[ar:A]\n[0:10.125] a \n\n[00:20]b"
    assert with_times(text, 95) == text


SYLLABLES = [
    ("water", 2), ("the", 1), ("fire", 1), ("little", 2), ("called", 1), ("don't", 1), ("na na", 2),
    ("Café naïve", 3), ("一天一天慢慢走", 7), ("我说hello", 4), ("안녕", 2), ("1999", 4), ("♪", 1),
    ("привет", 1), ("", 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "num"), SYLLABLES)
def test_syllables(text: str, num: int) -> None:
    assert num_syllables(text) == num


@given(st.text(st.sampled_from("[]:.<>0159naif verse\n♪一"), max_size=60))
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    try:
        lrc = with_times(text, 95)
    except BadRequest:
        return
    times = starts(lrc)
    assert times == sorted(times)
    assert all(0 <= each < 95 for each in times)
    assert times == starts(text)


@pytest.mark.parametrize("piece", ["[", "[1", "[1 ", "<1", "[a]", "e", "1:", "[1:2", " ", "[\n"])
def test_no_text_takes_long(piece: str) -> None:
    begun = time.process_time()
    with suppress(BadRequest):
        read_lyrics((piece * MAX_CHARACTERS)[:MAX_CHARACTERS], 95)
    assert time.process_time() - begun < 1
