from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")

import torch
from hypothesis import given
from hypothesis import strategies as st

from server.models.musicgen.sampling import Settings, draw, draw_clocks, guide
from server.models.musicgen.wish import Sampling
from tests.models.musicgen.references import CPU, arrays, described


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw_one(logits: torch.Tensor, sampling: Sampling, stream: torch.Generator) -> torch.Tensor:
    """[K, card] → [K], for one request."""
    settings = Settings.of([sampling], [3.0], logits.shape[-1], CPU)
    return draw(logits[None], settings, draw_clocks(*logits.shape, stream)[None])[0]


def drawn(logits: torch.Tensor, *sampling: float, seed: int = 0) -> list[int]:
    return draw_one(logits, Sampling(*sampling), generator(seed)).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_is_torchs_own_multinomial(seed: int) -> None:
    logits = torch.randn(8, 2048, generator=generator(seed))
    theirs = generator(seed)
    ours = generator(seed)
    for _ in range(3):
        expected = torch.multinomial(logits.softmax(-1), 1, generator=theirs)[:, 0]
        assert torch.equal(draw_one(logits, Sampling(top_k=0), ours), expected)


def test_the_random_stream_is_the_references() -> None:
    about = described("mono")["arrays"]["rng_exponential"]
    known = torch.from_numpy(arrays("mono")["rng_exponential"])
    stream = generator(about["torch_manual_seed"])
    clocks = torch.empty(known.shape).exponential_(1, generator=stream)
    assert torch.equal(clocks, known)


@pytest.mark.parametrize("temperature", [0.0, 1e-9])
def test_no_temperature_takes_the_best(temperature: float) -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])
    assert drawn(logits, temperature) == [1, 0]
    assert drawn(logits, temperature, 0, 0.5) == [1, 0]


SETTINGS = [
    Sampling(),
    Sampling(top_k=20),
    Sampling(temperature=0.7, top_k=0),
    Sampling(temperature=1.3, top_k=3, top_p=0.8),
    Sampling(temperature=0.0),
    Sampling(temperature=0.1, top_k=250, top_p=0.999),
    Sampling(temperature=10.0, top_k=1),
]


@given(st.lists(st.sampled_from(SETTINGS), min_size=1, max_size=9), st.integers(0, 2**32))
def test_each_of_a_batch_gets_bit_for_bit_what_it_gets_alone(
    samplings: list[Sampling], seed: int
) -> None:
    stream = generator(seed)
    shape = (len(samplings), 4, 2048)
    logits = torch.randn(len(samplings), 2, 4, 2048, generator=stream)
    clocks = torch.empty(shape).exponential_(1, generator=stream)
    guidances = [1.0 + index / 3 for index in range(len(samplings))]
    batch = Settings.of(samplings, guidances, 2048, CPU)
    together = draw(guide(logits, batch.guidance), batch, clocks)
    for index, sampling in enumerate(samplings):
        one, row = Settings.of([sampling], [guidances[index]], 2048, CPU), slice(index, index + 1)
        scores = guide(logits[row], guidances[index])
        assert torch.equal(scores, guide(logits, batch.guidance)[row])
        assert torch.equal(draw(scores, one, clocks[row])[0], together[index])
        assert torch.equal(together[index], by_hand(scores[0], sampling, clocks[index]))


def by_hand(logits: torch.Tensor, sampling: Sampling, clocks: torch.Tensor) -> torch.Tensor:
    """The reference's formula for one request, [K, card] → [K]."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits / sampling.temperature, -1)
    if sampling.top_p == 0:
        least = probabilities.topk(sampling.top_k or 2048, -1).values[:, -1:]
        kept = probabilities * (probabilities >= least)
        return (kept / kept.sum(-1, keepdim=True) / clocks).argmax(-1)
    falling, tokens = probabilities.sort(-1, descending=True)
    kept = falling * ~(falling.cumsum(-1) - falling > sampling.top_p)
    place = (kept / kept.sum(-1, keepdim=True) / clocks).argmax(-1)
    return tokens.gather(-1, place[:, None])[:, 0]


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
    pair = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    assert guide(pair, 0.0).tolist() == [[[0.0, 1.0]]]
    assert guide(pair, 1.0).tolist() == [[[1.0, 0.0]]]
    assert guide(pair, 3.0).tolist() == [[[3.0, -2.0]]]
