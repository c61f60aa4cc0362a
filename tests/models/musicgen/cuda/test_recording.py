"""For which sizes steps are recorded."""

from __future__ import annotations

from itertools import pairwise

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")

from server.models.musicgen.cuda.recording import batch_sizes


@pytest.mark.parametrize(
    ("most", "sizes"),
    [
        (1, [1]),
        (2, [1, 2]),
        (5, [1, 2, 4, 5]),
        (8, [1, 2, 4, 8]),
        (32, [1, 2, 4, 8, 12, 16, 20, 24, 28, 32]),
        (50, [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 50]),
    ],
)
def test_sizes_come_closer_where_a_row_costs_more(most: int, sizes: list[int]) -> None:
    assert batch_sizes(most) == sizes


@pytest.mark.parametrize("most", [3, 33, 64, 100, 1024])
def test_there_is_one_for_every_batch_and_not_too_many(most: int) -> None:
    sizes = batch_sizes(most)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == most
    assert len(sizes) <= 30
    for size, larger in pairwise(sizes):
        assert larger <= max(2 * size, 1.25 * size + 4)
