"""The table of what number formats do, over a tiny checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from benchmarks.quality import Reader, compared, wishes
from server.models.checkpoints.places import Places
from tests.models.tiny_musicgen import FIXTURES

FOLDER = FIXTURES / "mono" / "huggingface"


@torch.inference_mode()
def test_prompts_together_are_read_as_each_is_alone() -> None:
    reader = fp32_reader()
    asked = wishes(reader, 1, 0)
    together = reader.read(asked)
    alone = [reader.read([wish]) for wish in asked]
    assert torch.equal(together.drawn, torch.cat([each.drawn for each in alone]))
    for sound, own in zip(together.sounds, alone, strict=True):
        torch.testing.assert_close(sound, own.sounds[0])


@torch.inference_mode()
def test_scores_are_compared_after_the_same_tokens() -> None:
    """Other seeds draw other tokens, from the scores that follow what was drawn first."""
    reader = fp32_reader()
    rate = reader.config.codec.sample_rate
    expected = reader.read(wishes(reader, 1, 0))
    others = wishes(reader, 1, 100)
    nothing = ["0.0000", "100.0 %", "100.0 %", "0.00 dB"]
    assert compared(expected, expected, rate) == nothing
    forced = compared(reader.read(others, expected.drawn), expected, rate)
    assert forced[:2] == nothing[:2]
    assert forced[2:] != nothing[2:]
    assert compared(reader.read(others), expected, rate)[:2] != nothing[:2]


def fp32_reader() -> Reader:
    return Reader(FOLDER, Places(Path("none"), lambda activity: None), "fp32")
