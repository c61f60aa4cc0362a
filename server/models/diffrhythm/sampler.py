"""From noise to a song in latent space: Euler's method over the learned velocity.

Flow matching (Lipman et al., 2023) with classifier-free guidance (Ho & Salimans, 2022), as Ning
et al. (2025) sample: v + (v - v_null) · strength, where the null pass has no text, no reference
and the negative style.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from server.models.diffrhythm.frames import LATENT_DIM
from server.models.diffrhythm.schedule import GUIDANCE, NUM_POINTS
from server.models.diffrhythm.transformer import Conditions, Transformer


@dataclass(frozen=True)
class Song:
    """What is to be sampled, N frames: `tokens` [N] int64, styles [512], `reference` [N, 64],
    `mask` [N] True where frames are made, `duration` the share of the longest song."""

    tokens: Tensor
    style: Tensor
    negative_style: Tensor
    reference: Tensor
    mask: Tensor
    duration: float


def noise(num_frames: int, generator: torch.Generator) -> Tensor:
    """[N, 64] float32, drawn on the CPU, where a seed means the same on every machine."""
    return torch.randn(num_frames, LATENT_DIM, generator=generator)


@torch.inference_mode()
def sample(
    transformer: Transformer,
    song: Song,
    start: Tensor,
    guidance: float = GUIDANCE,
    num_points: int = NUM_POINTS,
) -> Iterator[Tensor]:
    """Go from the noise `start` [N, 64] to `song`: after every step how far it is, [N, 64] in the
    transformer's precision. Frames outside the mask are the reference.
    """
    like = transformer.proj_out.weight
    conditions = _embedded(transformer, song, guided=guidance > 0)
    mask, reference = song.mask.to(like.device)[:, None], song.reference.to(like)
    times = torch.linspace(0, 1, num_points, dtype=like.dtype, device=like.device)
    x = start.to(like)
    for now, after in pairwise(times):
        rows = x.expand(len(conditions.frames), -1, -1)
        velocity, *null = transformer(rows, now, conditions)
        if null:
            velocity = velocity + (velocity - null[0]) * guidance
        x = x + (after - now) * velocity
        yield torch.where(mask, x, reference)


def _embedded(transformer: Transformer, song: Song, guided: bool) -> Conditions:
    """Row 0 with all conditions; if `guided`, row 1 without them."""
    reference = song.reference.masked_fill(song.mask[:, None], 0.0)
    rows = [(song.tokens, reference, song.style)]
    if guided:
        nothing = torch.zeros_like(song.tokens), torch.zeros_like(reference)
        rows.append((*nothing, song.negative_style))
    tokens, references, styles = (torch.stack(parts) for parts in zip(*rows, strict=True))
    like = transformer.proj_out.weight
    # rounded to fp16 first, as the weights are used to
    durations = torch.full((len(rows),), song.duration).half()
    return transformer.embed(
        tokens.to(like.device), references.to(like), styles.to(like), durations.to(like)
    )
