"""From scores to tokens: guidance, temperature, top-k or top-p, and draws that can be repeated.

All requests of a batch are drawn for at once, each by settings of its own, and each gets what it
would get alone, bit for bit. Tensors: B requests, K codebooks, `card` tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from server.models.musicgen.wish import Sampling

#: Below this, scores divided by the temperature overflow: the best token is certain anyway.
LOWEST_TEMPERATURE = 1e-5


@dataclass(frozen=True)
class Settings:
    """How B requests are drawn for: columns [B, 1, 1], and which kinds of drawing there are.

    `greedy` rows take the best token, `nucleus` rows draw by `top_p`, the others by `top_k`.
    """

    guidance: Tensor
    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    greedy: Tensor
    nucleus: Tensor
    largest_top_k: int
    any_greedy: bool
    any_nucleus: bool

    @classmethod
    def of(
        cls,
        samplings: Sequence[Sampling],
        guidances: Sequence[float],
        card: int,
        device: torch.device,
    ) -> Settings:
        """`card` tokens in each codebook; a `top_k` that is none of 1 to `card` keeps all."""

        def column(values: Sequence[float], dtype: torch.dtype) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)[:, None, None]

        greedy = [is_greedy(each) for each in samplings]
        nucleus = [each.top_p > 0 for each in samplings]
        warm = [max(each.temperature, LOWEST_TEMPERATURE) for each in samplings]
        kept = [each.top_k if 0 < each.top_k < card else card for each in samplings]
        return cls(
            guidance=column(guidances, torch.float32),
            temperature=column(warm, torch.float32),
            top_k=column(kept, torch.int64),
            top_p=column([each.top_p for each in samplings], torch.float32),
            greedy=column(greedy, torch.bool),
            nucleus=column(nucleus, torch.bool),
            largest_top_k=max(kept),
            any_greedy=any(greedy),
            any_nucleus=any(nucleus),
        )


def is_greedy(sampling: Sampling) -> bool:
    """Whether nothing is left to chance."""
    return sampling.temperature < LOWEST_TEMPERATURE


def draw_clocks(num_codebooks: int, card: int, generator: torch.Generator) -> Tensor:
    """The chance of one step of one request, [K, card] on the CPU; see `draw`.

    `generator` lives on the CPU and gives K · card numbers a call, as `torch.multinomial` takes
    them on the CPU; so the same seed gives the same tokens on every device.
    """
    return torch.empty(num_codebooks, card).exponential_(1, generator=generator)


def guide(logits: Tensor, guidance: Tensor | float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans, 2022): [B, 2, K, card], with and without the text,
    become [B, K, card]."""
    with_text, without = logits.unbind(1)
    return without + (with_text - without) * guidance


def draw(logits: Tensor, settings: Settings, clocks: Tensor) -> Tensor:
    """One token of each codebook: `logits` and `clocks` [B, K, card] float32 → [B, K].

    `clocks` are from `draw_clocks`; a greedy row's are not looked at.
    """
    probabilities = torch.softmax(logits / settings.temperature, dim=-1)
    if settings.any_nucleus:  # to sort them all is then enough for both
        falling, order = probabilities.sort(dim=-1, descending=True)
        by_share = order.gather(-1, _top_p(falling, settings.top_p, clocks)[..., None])[..., 0]
        by_rank = _race(_top_k(probabilities, falling, settings.top_k), clocks)
        tokens = torch.where(settings.nucleus[..., 0], by_share, by_rank)
    else:
        falling = probabilities.topk(settings.largest_top_k, dim=-1).values
        tokens = _race(_top_k(probabilities, falling, settings.top_k), clocks)
    if settings.any_greedy:
        tokens = torch.where(settings.greedy[..., 0], logits.argmax(dim=-1), tokens)
    return tokens


def _top_k(probabilities: Tensor, falling: Tensor, k: Tensor) -> Tensor:
    """All but those below the k-th of the `falling` ones become 0; ties with it are kept."""
    least = falling.gather(-1, (k - 1).expand(*falling.shape[:-1], 1))
    kept = probabilities * (probabilities >= least)
    return kept / kept.sum(dim=-1, keepdim=True)


def _top_p(falling: Tensor, p: Tensor, clocks: Tensor) -> Tensor:
    """Nucleus sampling (Holtzman et al., 2020), drawn over the probabilities in falling order:
    the place of the one that is drawn."""
    before = falling.cumsum(dim=-1) - falling
    kept = falling * ~(before > p)
    return _race(kept / kept.sum(dim=-1, keepdim=True), clocks)


def _race(probabilities: Tensor, clocks: Tensor) -> Tensor:
    """Draw by an exponential race: of clocks with these rates the first to ring.

    Bit for bit what `torch.multinomial(probabilities, 1, generator=generator)` does on the CPU.
    """
    return (probabilities / clocks).argmax(dim=-1)
