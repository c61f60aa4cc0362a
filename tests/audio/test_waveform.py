from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audio.waveform import to_pcm16

CASES = [
    (0.0, 0),
    (1.0, 32767),
    (-1.0, -32767),
    (2.0, 32767),
    (-7.0, -32767),
    (0.5, 16384),  # 16383.5 goes to the even neighbour
    (0.4 / 32767, 0),
    (0.6 / 32767, 1),
]


@pytest.mark.parametrize(("sample", "expected"), CASES)
def test_clip_scale_round(sample: float, expected: int) -> None:
    assert to_pcm16(np.array([[sample]], np.float32))[0, 0] == expected


def test_channels_are_interleaved_little_endian() -> None:
    samples = np.array([[0.0, 1.0], [-1.0, 0.0]], np.float32)
    assert to_pcm16(samples).tobytes() == b"\x00\x00\x01\x80\xff\x7f\x00\x00"


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_streamed_is_whole(sizes: list[int], seed: int) -> None:
    """The rule sees one sample at a time, so cutting changes nothing."""
    whole = np.random.default_rng(seed).normal(0, 1, (2, sum(sizes))).astype(np.float32)
    parts = np.split(whole, np.cumsum(sizes)[:-1], axis=1)
    assert b"".join(to_pcm16(part).tobytes() for part in parts) == to_pcm16(whole).tobytes()
