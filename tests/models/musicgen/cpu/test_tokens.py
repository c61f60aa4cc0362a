"""Tokens by the C++ decode step in fp32 are exactly the reference's."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import numpy as np
import torch

from server.models.musicgen.checkpoint.loading import load
from server.models.musicgen.cpu.backend import CompiledModel
from server.models.musicgen.runner import Runner
from server.models.musicgen.wish import Sampling, Wish
from tests.models.musicgen.cpu.compiled import Kernels
from tests.models.musicgen.references import (
    CPU,
    VARIANTS,
    folder,
    generated,
    perform,
    t5_of,
    tensor,
    wish_for,
)
from tests.models.musicgen.test_melody_equality import NUM_FRAMES, our_tokens, random_case


@pytest.mark.parametrize("layout", ["huggingface", "audiocraft"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_are_the_references(kernels: Kernels, variant: str, layout: str) -> None:
    """Greedy, drawn, continued and over windows, reading ahead in pieces."""
    checkpoint = load(folder(variant, layout), t5_of(variant))
    model, library = checkpoint.language_model, kernels.library
    backend = CompiledModel(model, library, "fp32", 2, kernels.instruction_set)
    for name in generated(variant):
        runner = Runner(checkpoint, backend, CPU, torch.float32, 0.16)
        tokens = perform(runner, wish_for(variant, name), most_columns=70)
        assert torch.equal(tokens, tensor(variant, name)), name


@pytest.mark.parametrize("most", [1, 7, 1000])
@pytest.mark.parametrize("with_melody", [True, False])
def test_tokens_of_a_model_that_hears_melodies(
    kernels: Kernels, with_melody: bool, most: int
) -> None:
    """As torch draws them, which are transformers'; the prefix read in pieces of `most`."""
    case = next(case for case in map(random_case, range(20)) if case.config.head_dim == 64)
    melody = np.random.default_rng(0).integers(0, 12, (1, case.config.melody_frames))
    heard = melody if with_melody else None
    wish = Wish("unused", NUM_FRAMES, 1500, 900, 7, Sampling(top_k=12), 3.0, melody=heard)
    states = torch.randn(5, case.config.text_dim)
    expected = our_tokens(case, states, wish, 1000)
    case.ours = CompiledModel(case.ours, kernels.library, "fp32", 2, kernels.instruction_set)
    assert torch.equal(our_tokens(case, states, wish, most), expected)
