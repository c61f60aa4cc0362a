from __future__ import annotations

import pytest

from server.models.musicgen.reading_pace import FIRST_COLUMNS, MOST_STEPS, ReadingPace

STEP_SECONDS = 0.1


def read_all(pace: ReadingPace, fixed_seconds: float, column_seconds: float) -> list[float]:
    """Read 600 columns; what each piece took."""
    took, num_left = [], 600
    while num_left:
        num_columns = min(pace.num_columns, num_left)
        took.append(fixed_seconds + num_columns * column_seconds)
        pace.read(num_columns, took[-1])
        num_left -= num_columns
    return took


@pytest.mark.parametrize("column_seconds", [0.0001, 0.002, 0.03, 0.5])
def test_nobody_waits_longer_than_two_steps(column_seconds: float) -> None:
    """But where a single column takes as long, and while the first pieces are tried."""
    pace = ReadingPace()
    pace.stepped(STEP_SECONDS)
    took = read_all(pace, 0.8 * STEP_SECONDS, column_seconds)
    least = 0.8 * STEP_SECONDS + column_seconds
    assert max(took[4:]) <= max(2 * STEP_SECONDS, least)
    again = read_all(pace, 0.8 * STEP_SECONDS, column_seconds)
    assert max(again) <= max(2 * STEP_SECONDS, least)


def test_pieces_grow_to_what_a_step_allows() -> None:
    pace = ReadingPace()
    pace.stepped(STEP_SECONDS)
    read_all(pace, 0.8 * STEP_SECONDS, 0.002)
    allowed = (MOST_STEPS - 0.8) * STEP_SECONDS / 0.002
    assert 0.75 * allowed <= pace.num_columns <= 1.25 * allowed


def test_a_short_last_piece_says_nothing() -> None:
    pace = ReadingPace()
    pace.stepped(STEP_SECONDS)
    pace.read(1, 0.001)
    assert pace.num_columns == FIRST_COLUMNS


def test_one_column_is_the_least() -> None:
    pace = ReadingPace()
    pace.stepped(STEP_SECONDS)
    for _ in range(9):
        pace.read(pace.num_columns, 5.0)
    assert pace.num_columns == 1


def test_before_the_first_step_nothing_is_known() -> None:
    pace = ReadingPace()
    pace.read(FIRST_COLUMNS, 99.0)
    assert pace.num_columns == FIRST_COLUMNS
