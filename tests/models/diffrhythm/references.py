"""The toy checkpoints, and what the published implementation computed from them.

`tests/fixtures/diffrhythm/README.md` says how they were made and how closely they should be met.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from server.models.diffrhythm.checkpoint import read_transformer, read_vae
from server.models.diffrhythm.frames import LONG_FRAMES, SHORT_FRAMES
from server.models.diffrhythm.sampler import Song
from server.models.diffrhythm.transformer import Transformer
from tests.models.tiny_diffrhythm import FIXTURES

MOST_FRAMES = {"base": SHORT_FRAMES, "full": LONG_FRAMES}
DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


@lru_cache
def described() -> dict[str, Any]:
    return json.loads((FIXTURES / "expected.json").read_text("utf-8"))


@lru_cache
def _arrays() -> dict[str, Any]:
    with np.load(FIXTURES / "expected.npz") as stored:
        return {name: stored[name] for name in stored.files}


def tensor(name: str) -> torch.Tensor:
    return torch.from_numpy(_arrays()[name])


@lru_cache
def transformer(name: str, dtype: str = "fp32") -> Transformer:
    return read_transformer(FIXTURES / name, MOST_FRAMES[name]).to(DTYPES[dtype])


@lru_cache
def vae() -> torch.jit.ScriptModule:
    return read_vae(FIXTURES)


def song_of(case: dict[str, Any]) -> Song:
    """What one of `cfm_cases` samples."""
    num_frames = case["frames"]
    mask = torch.zeros(num_frames, dtype=torch.bool)
    for start, end in case["segments"]:
        mask[start:end] = True
    reference = torch.zeros(num_frames, 64)
    if case["cond"] != "zeros":
        reference = tensor(case["cond"])[0, :num_frames].float()
    return Song(
        tensor(case["text"]).long(),
        tensor(case["style"])[0],
        tensor(case["negative_style"])[0],
        reference,
        mask,
        case["song_duration_fp16"],
    )


def reference_audio(num_frames: int) -> torch.Tensor:
    """By the formula in `expected.json`: [2, 2048 · num_frames]."""
    turns = 2 * np.pi * np.arange(num_frames * 2048) / 44_100
    left = 0.30 * np.sin(362.0 * turns) + 0.12 * np.sin(0.37 * turns) * np.sin(1234.5 * turns)
    right = 0.22 * np.sin(197.0 * turns + 0.5) + 0.15 * np.sin(0.61 * turns) * np.sin(
        2345.6 * turns
    )
    return torch.from_numpy(np.stack([left, right]).astype(np.float32))


def largest_difference(made: torch.Tensor, wanted: torch.Tensor) -> float:
    assert made.shape == wanted.shape
    return float((made.double() - wanted.double()).abs().max())
