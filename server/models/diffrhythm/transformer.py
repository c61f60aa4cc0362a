"""The diffusion transformer: from a noisy song and what it should become, which way to go.

After Ning et al. (2025), "DiffRhythm: Blazingly Fast and Embarrassingly Simple End-to-End
Full-Length Song Generation with Latent Diffusion": the conditions join the latent frame by frame,
then come blocks of Llama without a causal mask, of which the first half also add the text.

R rows (songs and passes), N frames, D the model's width, T 512 the width of text, style and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor, nn

from server.models.diffrhythm.frames import LATENT_DIM, LONG_FRAMES, SHORT_FRAMES
from server.models.diffrhythm.layers import (
    CONDITION_DIM,
    NUM_HEADS,
    Block,
    FinalNorm,
    InputEmbedding,
    Rotation,
    TextEmbedding,
    TimeEmbedding,
    rotation_table,
)


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of a checkpoint; the defaults are those of the published ones.

    32 heads whatever a published configuration says: the code behind it never read that field.
    """

    dim: int = 2048
    depth: int = 16
    ff_mult: int = 4
    conv_layers: int = 4
    num_tokens: int = 363
    max_frames: int = SHORT_FRAMES

    @property
    def knows_duration(self) -> bool:
        return self.max_frames == LONG_FRAMES


@dataclass(frozen=True)
class Conditions:
    """What songs should become, embedded once for all steps.

    `frames` [R, N, D] is their part of the input, `residuals`, each [R, N, D], what the first
    blocks add, `moment` [R, T] the embedding of start and duration.
    """

    frames: Tensor
    residuals: list[Tensor]
    moment: Tensor
    rotation: Rotation


class Transformer(nn.Module):
    """The velocity of songs in latent space; modules are named as in the published weights."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.config = config
        self.time_embed = TimeEmbedding()
        self.start_time_embed = TimeEmbedding()
        self.duration_time_embed = TimeEmbedding() if config.knows_duration else None
        self.text_embed = TextEmbedding(config.num_tokens, config.conv_layers)
        self.input_embed = InputEmbedding(dim)
        self.transformer_blocks = nn.ModuleList(
            Block(dim, config.ff_mult * dim) for _ in range(config.depth)
        )
        self.text_fusion_linears = nn.ModuleList(
            nn.Sequential(nn.Linear(CONDITION_DIM, dim), nn.SiLU())
            for _ in range(config.depth // 2)
        )
        self.norm_out = FinalNorm(dim)
        self.proj_out = nn.Linear(dim, LATENT_DIM)

    def embed(
        self, tokens: Tensor, reference: Tensor, style: Tensor, duration: Tensor
    ) -> Conditions:
        """`tokens` [R, N] int64; `reference` [R, N, 64], zeros in frames that are to be made;
        `style` [R, T]; `duration` [R], the share of the longest song. Songs begin at time 0.
        """
        text = self.text_embed(tokens)
        moment = self.start_time_embed(torch.zeros_like(duration))
        if self.duration_time_embed is not None:
            moment = moment + self.duration_time_embed(duration)
        return Conditions(
            self.input_embed.unchanging(reference, text, style),
            [linear(text) for linear in self.text_fusion_linears],
            moment,
            rotation_table(tokens.shape[1], self.config.dim // NUM_HEADS, text),
        )

    def forward(self, noisy: Tensor, time: Tensor, conditions: Conditions) -> Tensor:
        """The velocity [R, N, 64] of `noisy` [R, N, 64] at `time`, a number from 0 to 1."""
        embedded_time = self.time_embed(time[None]) + conditions.moment
        x = self.input_embed(noisy, embedded_time, conditions.frames)
        for block, residual in zip_longest(self.transformer_blocks, conditions.residuals):
            x = block(x, conditions.rotation)
            if residual is not None:
                x = x + residual
        velocity: Tensor = self.proj_out(self.norm_out(x, embedded_time))
        return velocity
