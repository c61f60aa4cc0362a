"""The tiny checkpoints and what the reference implementation computed from them.

`tests/fixtures/musicgen/README.md` says how they were made and how closely they should be met.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from server.models.checkpoints.errors import WrongCheckpoint
from server.models.musicgen.checkpoint.loading import Checkpoint, load
from server.models.musicgen.runner import Runner
from server.models.musicgen.wish import Sampling, Wish

FIXTURES = Path(__file__).parents[2] / "fixtures" / "musicgen"
VARIANTS = ("mono", "stereo")
LAYOUTS = ("audiocraft", "huggingface")
CPU = torch.device("cpu")

#: Absolute tolerances for float32, from the fixtures' README.
TEXT = CONDITION = LOGITS = 1e-4
GUIDED = 3e-4
WAVE = 2e-5


@lru_cache
def arrays(variant: str) -> dict[str, NDArray[Any]]:
    with np.load(FIXTURES / variant / "expected.npz") as stored:
        return {name: stored[name] for name in stored.files}


@lru_cache
def described(variant: str) -> dict[str, Any]:
    return json.loads((FIXTURES / variant / "expected.json").read_text("utf-8"))


def tensor(variant: str, name: str) -> torch.Tensor:
    """An array of a single batch row, without that row."""
    value = torch.from_numpy(arrays(variant)[name])
    return value[0].long() if value.dtype == torch.int32 else value[0]


def folder(variant: str, layout: str) -> Path:
    return FIXTURES / variant / layout


def t5_of(variant: str) -> Callable[[str], Path]:
    """Finds the text encoder that `t5-base` stands for."""

    def find(name: str) -> Path:
        assert name == "t5-base"
        return FIXTURES / variant / "t5"

    return find


def loaded(variant: str, layout: str = "huggingface") -> Checkpoint:
    """One's own, as it was read."""
    return load(folder(variant, layout), t5_of(variant))


#: Read once for all tests; whoever made a runner of it has placed its modules.
checkpoint = lru_cache(loaded)


def runner(variant: str, layout: str = "huggingface") -> Runner:
    made = checkpoint(variant, layout)
    return Runner(made, made.language_model, CPU, torch.float32, 0.16)


def refusal(where: Path) -> str:
    """What is said of the spoilt mono checkpoint in `where`, which names no folder."""
    with pytest.raises(WrongCheckpoint) as raised:
        load(where, t5_of("mono"))
    assert str(where.parent) not in str(raised.value)
    return str(raised.value)


def changed(ac: Path, file: str, **changes: object) -> None:
    """Change entries of one of the files of an audiocraft checkpoint."""
    package = torch.load(ac / file, weights_only=True)
    torch.save({**package, **changes}, ac / file)


def generated(variant: str) -> list[str]:
    """The names of the arrays that hold generated tokens."""
    return [name for name, about in described(variant)["arrays"].items() if "params" in about]


def wish_for(variant: str, name: str) -> Wish:
    """The request whose tokens the array `name` holds."""
    about = described(variant)["arrays"][name]
    params, window = about["params"], about.get("window", {})
    temperature = params["temperature"] if params["use_sampling"] else 0.0
    return Wish(
        prompt=about["prompt"],
        num_frames=about["frames"],
        window_frames=window.get("window_frames", 1500),
        stride_frames=window.get("stride_frames", 900),
        seed=about["torch_manual_seed"] or 0,
        sampling=Sampling(temperature, params["top_k"], params["top_p"]),
        guidance=params["cfg_coef"],
        opening=tensor(variant, "prompt_codes").numpy() if "continue" in name else None,
    )


def perform(runner: Runner, wish: Wish, most_columns: int = 1000) -> torch.Tensor:
    """All tokens of `wish`, made alone, [K, frames]; reading ahead in pieces of `most_columns`."""
    performance = runner.begin(wish)
    sequence = performance.sequence
    performance.join()
    while not sequence.finished:
        while performance.num_unread:
            runner.read_ahead(performance, most_columns)
        runner.decode_step([performance])
    runner.close()
    return sequence.frames(0, sequence.num_complete_frames)
