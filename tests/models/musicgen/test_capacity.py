from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")

import torch

from server.models.musicgen.capacity import DEFAULT_SLOTS, WORKING_BYTES, measure, spare_bytes

CPU = torch.device("cpu")


def test_some_memory_is_left_for_what_comes_and_goes() -> None:
    assert spare_bytes(10 * WORKING_BYTES) == 9 * WORKING_BYTES
    assert spare_bytes(WORKING_BYTES) == WORKING_BYTES // 2


def test_no_more_is_counted_than_requests_can_take() -> None:
    assert measure(CPU, 3, 1000).memory_bytes == 3000
    assert measure(CPU, None, 1000).slots == DEFAULT_SLOTS
    assert 0 < measure(CPU, 1, 2**60).memory_bytes < 2**60
