"""The autoencoder between latents and 44.1 kHz stereo, in overlapping chunks.

A chunk sees less of the song than the whole would show it, so edges are thrown away: chunks
overlap, and are cut in the middle of the overlap (as stable-audio-tools decodes).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from server.models.diffrhythm.frames import FRAME_SAMPLES

CHUNK_FRAMES = 128
OVERLAP_FRAMES = 32
#: Added to the spread of a latent, so that none is certain.
LEAST_DEVIATION = 1e-4


class VAE(Protocol):
    """The published file: TorchScript, which holds its own structure."""

    def decode_export(self, latents: Tensor) -> Tensor:
        """[1, 64, N] → [1, 2, 2048 · N]."""
        ...

    def encode_export(self, samples: Tensor) -> Tensor:
        """[1, 2, 2048 · N] → [1, 128, N]: 64 means, then 64 scales."""
        ...


@dataclass(frozen=True)
class Chunk:
    """Frames `start` to `end` are put through; of the result `first` to `last` are kept."""

    start: int
    end: int
    first: int
    last: int


def chunks(num_frames: int, chunk_frames: int = CHUNK_FRAMES) -> list[Chunk]:
    """Chunks whose kept parts, joined, are the whole of `num_frames` frames.

    The last chunk ends with the song, so it may overlap more; then the later one is kept.
    """
    starts = list(range(0, max(1, num_frames - chunk_frames + 1), CHUNK_FRAMES - OVERLAP_FRAMES))
    if starts[-1] + chunk_frames < num_frames:
        starts.append(num_frames - chunk_frames)
    cuts = [0, *(start + OVERLAP_FRAMES // 2 for start in starts[1:]), num_frames]
    return [
        Chunk(start, min(start + chunk_frames, num_frames), first, last)
        for start, first, last in zip(starts, cuts[:-1], cuts[1:], strict=True)
    ]


@torch.inference_mode()
def decode(vae: VAE, latent: Tensor, plan: list[Chunk]) -> Iterator[Tensor]:
    """The sound of `latent` [N, 64], float32, chunk by chunk, each [2, n]; joined [2, 2048 · N]."""
    for chunk in plan:
        made = vae.decode_export(latent[chunk.start : chunk.end].T[None])[0]
        first, last = chunk.first - chunk.start, chunk.last - chunk.start
        yield made[:, first * FRAME_SAMPLES : last * FRAME_SAMPLES]


@torch.inference_mode()
def encode(vae: VAE, samples: Tensor, plan: list[Chunk]) -> Iterator[Tensor]:
    """The moments of `samples` [2, 2048 · N], chunk by chunk, each [128, n]; joined [128, N]."""
    for chunk in plan:
        piece = samples[None, :, chunk.start * FRAME_SAMPLES : chunk.end * FRAME_SAMPLES]
        made = vae.encode_export(piece)[0]
        yield made[:, chunk.first - chunk.start : chunk.last - chunk.start]


def draw(moments: Tensor, noise: Tensor) -> Tensor:
    """A latent [N, 64] of the distribution that `moments` [128, N] describe; `noise` [64, N]."""
    mean, scale = moments.chunk(2)
    deviation = torch.nn.functional.softplus(scale) + LEAST_DEVIATION
    return (mean + noise * deviation).T
