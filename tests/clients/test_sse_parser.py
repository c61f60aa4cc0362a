"""Any cut of the bytes gives the same messages."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.errors import UnexpectedAnswer
from clients.sse import MessageParser

STREAM = (
    b'\xef\xbb\xbfdata: {"event":"start"}\n\n'
    b": ping\r\n\r\n"
    b"event: progress\r\ndata: one\r\ndata:two\r\nid: 7\r\n\r\n"
    b"data: gr\xc3\xbc\xc3\x9fe \xf0\x9f\x8e\xb5\r\r"
    b"retry: 10\n\ndata\n\nunknown: x\ndata:  spaced: yes\n\n"
    b"data: never ended\n"
)
MESSAGES = ['{"event":"start"}', "one\ntwo", "grüße 🎵", " spaced: yes"]


def parse(*chunks: bytes) -> list[str]:
    parser = MessageParser()
    return [message for chunk in chunks for message in parser.feed(chunk)]


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_cut_in_two_at_every_byte(cut: int) -> None:
    assert parse(STREAM[:cut], STREAM[cut:]) == MESSAGES


def test_byte_by_byte() -> None:
    assert parse(*(STREAM[index : index + 1] for index in range(len(STREAM)))) == MESSAGES


# A value is one line: what ends a line in the format cannot stand inside. Other characters that
# Unicode calls line ends can (U+2028, U+0085), and must come through.
VALUES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30)
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], bytes]:
    messages, text = [], ""
    for values in draw(st.lists(st.lists(VALUES, min_size=1, max_size=3), max_size=5)):
        for value in values:
            end = draw(LINE_ENDS)
            text += draw(st.sampled_from(["", f": a comment{end}", f"event: x{end}"]))
            text += f"data: {value}{end}"
        # after a line that ends in \r, a \n would end the same line, not the message
        text += draw(st.sampled_from(["\r\n\r\n", "\n\n"])) if end != "\r" else "\r"
        if message := "\n".join(values):
            messages.append(message)
    return messages, text.encode()


@given(streams(), st.lists(st.integers(0, 600)))
def test_any_cut_of_any_stream(stream: tuple[list[str], bytes], cuts: list[int]) -> None:
    messages, encoded = stream
    edges = [0, *sorted(min(cut, len(encoded)) for cut in cuts), len(encoded)]
    assert parse(*(encoded[a:b] for a, b in pairwise(edges))) == messages


@given(st.lists(st.binary(max_size=50)))
def test_no_bytes_at_all_break_it(chunks: list[bytes]) -> None:
    assert parse(*chunks) == parse(b"".join(chunks))


def test_a_message_comes_out_with_the_bytes_that_end_it() -> None:
    parser = MessageParser()
    assert parser.feed(b"data: now\n") == []
    assert parser.feed(b"\n") == ["now"]


def test_a_song_in_small_pieces_takes_linear_time() -> None:
    piece, num_pieces = b"x" * 256, 2**16  # 16 MB: looking at all of it again takes minutes
    parser = MessageParser()
    began = time.process_time()
    parser.feed(b"data: ")
    for _ in range(num_pieces):
        parser.feed(piece)
    (message,) = parser.feed(b"\n\n")
    assert len(message) == len(piece) * num_pieces
    assert time.process_time() - began < 5


def test_a_message_without_end_is_refused() -> None:
    parser = MessageParser(max_message_bytes=1000)
    for _ in range(5):  # the limit is on one message, not on the stream
        parser.feed(b"data: " + b"x" * 500 + b"\n\n")
    with pytest.raises(UnexpectedAnswer, match="more than 1000 bytes"):
        parser.feed(3 * (b"data: " + b"x" * 400 + b"\n"))
