from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")

import torch

from server.models.musicgen.sampling import draw, guide
from server.models.musicgen.wish import Sampling
from tests.models.musicgen.references import arrays, described


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(logits: torch.Tensor, *sampling: float, seed: int = 0) -> list[int]:
    return draw(logits, Sampling(*sampling), generator(seed)).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_is_torchs_own_multinomial(seed: int) -> None:
    logits = torch.randn(8, 2048, generator=generator(seed))
    theirs = generator(seed)
    ours = generator(seed)
    for _ in range(3):
        expected = torch.multinomial(logits.softmax(-1), 1, generator=theirs)[:, 0]
        assert torch.equal(draw(logits, Sampling(top_k=0), ours), expected)


def test_the_random_stream_is_the_references() -> None:
    about = described("mono")["arrays"]["rng_exponential"]
    known = torch.from_numpy(arrays("mono")["rng_exponential"])
    stream = generator(about["torch_manual_seed"])
    clocks = torch.empty(known.shape).exponential_(1, generator=stream)
    assert torch.equal(clocks, known)


@pytest.mark.parametrize("temperature", [0.0, 1e-9])
def test_no_temperature_takes_the_best_and_draws_nothing(temperature: float) -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])
    stream = generator()
    before = stream.get_state()
    assert draw(logits, Sampling(temperature), stream).tolist() == [1, 0]
    assert torch.equal(stream.get_state(), before)


def test_top_k_keeps_the_best_and_what_ties_with_them() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0, 2.0]])
    seen = {drawn(logits, 1.0, 2, seed=seed)[0] for seed in range(200)}
    assert seen == {0, 2, 3}
    assert {drawn(logits, 1.0, 1, seed=seed)[0] for seed in range(50)} == {0}


@pytest.mark.parametrize("top_k", [0, 4, 250, 10**30])
def test_a_top_k_above_the_number_of_tokens_keeps_all(top_k: int) -> None:
    logits = torch.zeros(1, 4)
    assert {drawn(logits, 1.0, top_k, seed=seed)[0] for seed in range(100)} == {0, 1, 2, 3}


def test_top_p_replaces_top_k() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    seen = {drawn(logits, 1.0, 1, 0.6, seed=seed)[0] for seed in range(200)}
    assert seen == {0, 1}
    assert {drawn(logits, 1.0, 1, 1e-9, seed=seed)[0] for seed in range(50)} == {0}
    assert {drawn(logits, 1.0, 1, 1.0, seed=seed)[0] for seed in range(300)} == {0, 1, 2, 3}


def test_extreme_settings_still_draw() -> None:
    logits = 50 * torch.randn(4, 64, generator=generator(1))
    for sampling in ((10.0, 0), (2e-5, 0), (1.0, 250, 1.0), (10.0, 1, 1e-30)):
        assert all(0 <= token < 64 for token in drawn(logits, *sampling))


def test_guidance_goes_beyond_the_text() -> None:
    pair = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert guide(pair, 0.0).tolist() == [[0.0, 1.0]]
    assert guide(pair, 1.0).tolist() == [[1.0, 0.0]]
    assert guide(pair, 3.0).tolist() == [[3.0, -2.0]]
