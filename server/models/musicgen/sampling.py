"""From scores to tokens: guidance, temperature, top-k or top-p, and a draw that can be repeated."""

from __future__ import annotations

import torch
from torch import Tensor

from server.models.musicgen.wish import Sampling

#: Below this, scores divided by the temperature overflow: the best token is certain anyway.
LOWEST_TEMPERATURE = 1e-5


def guide(logits: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans, 2022): [2, K, card], with and without the text,
    become [K, card]."""
    with_text, without = logits
    return without + (with_text - without) * guidance


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """One token of each codebook: [K, card] float32 → [K] on the CPU.

    `generator` lives on the CPU and gives K · card numbers a call, as `torch.multinomial` takes
    them on the CPU; so the same seed gives the same tokens on every device.
    """
    if sampling.temperature < LOWEST_TEMPERATURE:
        return logits.argmax(dim=-1).cpu()
    probabilities = torch.softmax(logits / sampling.temperature, dim=-1)
    if sampling.top_p > 0:
        tokens = _draw_top_p(probabilities, sampling.top_p, generator)
    else:
        tokens = _race(_top_k(probabilities, sampling.top_k), generator)
    return tokens.cpu()


def _top_k(probabilities: Tensor, k: int) -> Tensor:
    """All but those below the k-th largest become 0; ties with it are kept."""
    if not 0 < k < probabilities.shape[-1]:
        k = probabilities.shape[-1]
    least = probabilities.topk(k, dim=-1).values[..., -1:]
    kept = probabilities * (probabilities >= least)
    return kept / kept.sum(dim=-1, keepdim=True)


def _draw_top_p(probabilities: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """Nucleus sampling (Holtzman et al., 2020), drawn over the probabilities in falling order."""
    falling, tokens = probabilities.sort(dim=-1, descending=True)
    before = falling.cumsum(dim=-1) - falling
    kept = falling * ~(before > p)
    place = _race(kept / kept.sum(dim=-1, keepdim=True), generator)
    return tokens.gather(-1, place[:, None])[:, 0]


def _race(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Draw from [K, card] by an exponential race: of clocks with these rates the first to ring.

    Bit for bit what `torch.multinomial(probabilities, 1, generator=generator)` does on the CPU.
    """
    clocks = torch.empty(probabilities.shape).exponential_(1, generator=generator)
    return (probabilities / clocks.to(probabilities.device)).argmax(dim=-1)
