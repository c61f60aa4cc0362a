from __future__ import annotations

import pytest

from server.models.musicgen.reading_pace import GROWTH, LEAST_COLUMNS, ReadingPace

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


@pytest.mark.parametrize("column_seconds", [0.0001, 0.002, 0.005])
def test_a_piece_takes_hardly_longer_than_a_step(column_seconds: float) -> None:
    pace = ReadingPace()
    pace.stepped(STEP_SECONDS)
    took = read_all(pace, 0.5 * STEP_SECONDS, column_seconds)
    assert max(took) <= GROWTH * STEP_SECONDS
    assert pace.num_columns > LEAST_COLUMNS


def test_pieces_grow_to_what_a_step_allows() -> None:
    pace = ReadingPace()
    pace.stepped(STEP_SECONDS)
    for _ in range(3):
        read_all(pace, 0.5 * STEP_SECONDS, 0.001)
    allowed = 0.5 * STEP_SECONDS / 0.001
    assert 0.5 * allowed <= pace.num_columns <= GROWTH * allowed


def test_a_short_last_piece_says_nothing() -> None:
    pace = ReadingPace()
    pace.stepped(STEP_SECONDS)
    pace.read(1, 0.001)
    assert pace.num_columns == LEAST_COLUMNS


def test_few_columns_cost_as_much_as_fewer() -> None:
    pace = ReadingPace()
    pace.stepped(STEP_SECONDS)
    pace.num_columns = 100
    for _ in range(9):
        pace.read(pace.num_columns, 5.0)
    assert pace.num_columns == LEAST_COLUMNS


def test_before_the_first_step_nothing_is_known() -> None:
    pace = ReadingPace()
    pace.read(LEAST_COLUMNS, 99.0)
    assert pace.num_columns == LEAST_COLUMNS
