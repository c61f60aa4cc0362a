"""Tokens by the recorded step in fp32 are exactly the references'."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import numpy as np
import torch

from server.models.musicgen.wish import Sampling, Wish
from tests.models.musicgen import test_melody_equality as melody
from tests.models.musicgen import test_transformers_equality as plain
from tests.models.musicgen.cuda.recorded import Recorder, num_pages, recorded_model, recorded_runner
from tests.models.musicgen.references import VARIANTS, generated, perform, tensor, wish_for

GENERATED = [(variant, name) for variant in VARIANTS for name in generated(variant)]


@pytest.mark.parametrize(("variant", "name"), GENERATED)
def test_tokens_are_the_references(variant: str, name: str) -> None:
    """Greedy, drawn, continued and over windows, reading ahead in pieces."""
    runner = recorded_runner(variant)
    tokens = perform(runner, wish_for(variant, name), most_columns=70)
    assert torch.equal(tokens, tensor(variant, name))
    free, everything = num_pages(runner._backend)  # type: ignore[arg-type]
    assert free == everything


@pytest.mark.parametrize("name", ["greedy_p1", "sample_topk", "sample_topp", "long_sample"])
def test_a_tape_of_the_first_step_makes_all_tokens(name: str) -> None:
    """So a graph can: each step does what the first one did, with the same tensors."""
    recorder = Recorder()
    tokens = perform(recorded_runner("mono", record=recorder), wish_for("mono", name))
    assert torch.equal(tokens, tensor("mono", name))
    assert recorder.sizes == [6, 4, 2, 1]
    assert set(recorder.played) == {1}


@pytest.mark.parametrize("name", ["sample_topk", "long_sample"])
def test_in_int8_a_tape_makes_the_tokens_of_the_step_itself(name: str) -> None:
    wish = wish_for("mono", name)
    taped = recorded_runner("mono", in_int8=True, record=Recorder())
    tokens = perform(taped, wish, most_columns=70)
    assert torch.equal(tokens, perform(recorded_runner("mono", in_int8=True), wish, 70))
    assert tokens.shape == tensor("mono", name).shape
    free, everything = num_pages(taped._backend)  # type: ignore[arg-type]
    assert free == everything


@pytest.mark.parametrize("seed", range(3))
def test_tokens_are_those_of_transformers(seed: int) -> None:
    case = plain.random_case(seed)
    prompt = torch.randint(2, 50, (1, 3 + seed))
    wish = Wish("unused", plain.NUM_FRAMES, 1500, 900, seed, Sampling(top_k=12), 3.0)
    states = case.theirs.text_encoder(input_ids=prompt).last_hidden_state[0]
    expected = plain.their_tokens(case, prompt, wish)
    case.ours = recorded_model(case.ours)  # type: ignore[assignment]
    assert torch.equal(plain.our_tokens(case, states, wish), expected)


@pytest.mark.parametrize("most", [1, 33, 1000])
@pytest.mark.parametrize("with_melody", [True, False])
def test_tokens_of_a_model_that_hears_melodies(with_melody: bool, most: int) -> None:
    """As torch draws them, which are transformers'; the prefix read in pieces of `most`."""
    case = melody.random_case(0)
    moments = np.random.default_rng(0).integers(0, 12, (1, case.config.melody_frames))
    heard = moments if with_melody else None
    wish = Wish("unused", melody.NUM_FRAMES, 1500, 900, 7, Sampling(top_k=12), 3.0, melody=heard)
    states = torch.randn(5, case.config.text_dim)
    expected = melody.our_tokens(case, states, wish, 1000)
    case.ours = recorded_model(case.ours)  # type: ignore[assignment]
    assert torch.equal(melody.our_tokens(case, states, wish, most), expected)
