from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")

import torch

from server.models.base import Resources
from server.models.musicgen.capacity import WORKING_BYTES, default_slots, measure, spare_bytes

CPU = torch.device("cpu")


def test_some_memory_is_left_for_what_comes_and_goes() -> None:
    assert spare_bytes(10 * WORKING_BYTES) == 9 * WORKING_BYTES
    assert spare_bytes(WORKING_BYTES) == WORKING_BYTES // 2


def test_no_more_is_counted_than_requests_can_take() -> None:
    assert measure(CPU, 3, 1000) == Resources(3, 1000)
    assert 0 < measure(CPU, 1, 2**60).memory_bytes < 2**60


def test_the_operator_says_how_many_at_once() -> None:
    assert [default_slots(on_cuda, None) for on_cuda in (True, False)] == [32, 4]
    assert default_slots(True, 5) == default_slots(False, 5) == 5
