"""The parts of the transformer. Names of modules are those of the published weights.

R rows (songs and passes), N frames, D the model's width, T 512 the width of text, style and time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from server.models.diffrhythm.frames import LATENT_DIM

CONDITION_DIM = 512
NUM_HEADS = 32
TIME_FREQUENCIES = 256
BASE = 10_000.0
EPSILON = 1e-6
#: cos and sin of every position, each [N, width of a head].
Rotation = tuple[Tensor, Tensor]


class TimeEmbedding(nn.Module):
    """A number from 0 to 1 as a vector: [R] → [R, T]."""

    def __init__(self) -> None:
        super().__init__()
        self.time_mlp = nn.Sequential(
            nn.Linear(TIME_FREQUENCIES, CONDITION_DIM),
            nn.SiLU(),
            nn.Linear(CONDITION_DIM, CONDITION_DIM),
        )

    def forward(self, number: Tensor) -> Tensor:
        half = TIME_FREQUENCIES // 2
        steps = torch.arange(half, device=number.device, dtype=torch.float32)
        frequencies = torch.exp(steps * (-math.log(BASE) / (half - 1)))
        angles = (1000 * number)[:, None] * frequencies  # the product with 1000 in number's dtype
        waves = torch.cat((angles.sin(), angles.cos()), dim=-1)
        embedded: Tensor = self.time_mlp(waves.to(number.dtype))
        return embedded


class TextEmbedding(nn.Module):
    """Phonemes placed on frames: [R, N] → [R, N, T]."""

    def __init__(self, num_tokens: int, num_blocks: int) -> None:
        super().__init__()
        self.text_embed = nn.Embedding(num_tokens + 1, CONDITION_DIM)
        self.text_blocks = nn.Sequential(*[ConvNeXtBlock(CONDITION_DIM) for _ in range(num_blocks)])

    def forward(self, tokens: Tensor) -> Tensor:
        embedded = self.text_embed(tokens)
        blocks: Tensor = self.text_blocks(embedded + position_table(tokens.shape[1]).to(embedded))
        return blocks


class ConvNeXtBlock(nn.Module):
    """ConvNeXt V2 (Woo et al., 2023) over frames: [R, N, T] → the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=EPSILON)
        self.pwconv1 = nn.Linear(dim, 2 * dim)
        self.grn = ResponseNorm(2 * dim)
        self.pwconv2 = nn.Linear(2 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm(self.dwconv(x.mT).mT)
        inner = self.grn(functional.gelu(self.pwconv1(inner)))
        made: Tensor = x + self.pwconv2(inner)
        return made


class ResponseNorm(nn.Module):
    """Global response normalization of ConvNeXt V2; a channel's response is over all frames."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, dim))
        self.beta = nn.Parameter(torch.zeros(1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        response = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        relative = response / (response.mean(dim=-1, keepdim=True) + EPSILON)
        return self.gamma * (x * relative) + self.beta + x


class InputEmbedding(nn.Module):
    """One linear map of latent, reference, text, style and time, then two convolutions.

    The map is taken apart, so that what no step changes is computed once.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(2 * LATENT_DIM + 3 * CONDITION_DIM, dim)
        self.conv_pos_embed = PositionConvolutions(dim)

    def unchanging(self, reference: Tensor, text: Tensor, style: Tensor) -> Tensor:
        """`reference` [R, N, 64], `text` [R, N, T], `style` [R, T] → their part, [R, N, D]."""
        weight = self.proj.weight[:, LATENT_DIM:-CONDITION_DIM]
        styles = style[:, None].expand(-1, text.shape[1], -1)
        joined = torch.cat((reference, text, styles), dim=-1)
        return functional.linear(joined, weight, self.proj.bias)

    def forward(self, noisy: Tensor, time: Tensor, unchanging: Tensor) -> Tensor:
        """`noisy` [R, N, 64], `time` [R, T] → [R, N, D]."""
        weight = self.proj.weight
        x = unchanging + functional.linear(noisy, weight[:, :LATENT_DIM])
        x = x + functional.linear(time, weight[:, -CONDITION_DIM:])[:, None]
        positioned: Tensor = self.conv_pos_embed(x) + x
        return positioned


class PositionConvolutions(nn.Module):
    """Tells neighbours apart: [R, N, D] → the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1d = nn.Sequential(_wide(dim), nn.Mish(), _wide(dim), nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        convolved: Tensor = self.conv1d(x.mT).mT
        return convolved


def _wide(dim: int) -> nn.Conv1d:
    return nn.Conv1d(dim, dim, kernel_size=31, padding=15, groups=16)


class Block(nn.Module):
    """A block of Llama that sees all frames: [R, N, D] → the same."""

    def __init__(self, dim: int, inner_dim: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(dim)
        self.self_attn = Attention(dim)
        self.post_attention_layernorm = RMSNorm(dim)
        self.mlp = GatedMLP(dim, inner_dim)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation)
        made: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return made


class RMSNorm(nn.Module):
    """Zhang & Sennrich (2019), in float32 as Llama has it."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPSILON)
        return self.weight * wide.to(x.dtype)


class Attention(nn.Module):
    """All frames look at all frames, with rotary positions; unmasked, so flash attention serves."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.o_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        queries = rotated(_by_head(self.q_proj(x)), rotation)
        keys = rotated(_by_head(self.k_proj(x)), rotation)
        values = _by_head(self.v_proj(x))
        seen = functional.scaled_dot_product_attention(queries, keys, values)
        made: Tensor = self.o_proj(seen.transpose(1, 2).flatten(2))
        return made


class GatedMLP(nn.Module):
    """SwiGLU (Shazeer, 2020)."""

    def __init__(self, dim: int, inner_dim: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(dim, inner_dim, bias=False)
        self.up_proj = nn.Linear(dim, inner_dim, bias=False)
        self.down_proj = nn.Linear(inner_dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return made


class FinalNorm(nn.Module):
    """A norm whose scale and shift come from the time: `x` [R, N, D], `time` [R, T]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(CONDITION_DIM, 2 * dim)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.linear(functional.silu(time)).chunk(2, dim=1)
        normed = functional.layer_norm(x, x.shape[-1:], eps=EPSILON)
        return normed * (1 + scale)[:, None] + shift[:, None]


def rotation_table(num_frames: int, head_dim: int, like: Tensor) -> Rotation:
    """Rotary positions (Su et al., 2021): cos and sin, each [N, head_dim], as `like`.

    The published weights were used with frequencies rounded to fp16: others differ audibly.
    """
    positions = torch.arange(num_frames, dtype=torch.float32)
    angles = torch.outer(positions, _frequencies(head_dim).half().float())
    twice = torch.cat((angles, angles), dim=-1)
    return twice.cos().to(like), twice.sin().to(like)


def rotated(x: Tensor, rotation: Rotation) -> Tensor:
    """`x` [R, heads, N, head_dim] turned by its positions."""
    cos, sin = rotation
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def position_table(num_frames: int) -> Tensor:
    """What text gets for its position, [N, T]; rounded to fp16 as the frequencies above."""
    positions = torch.arange(num_frames, dtype=torch.float32)
    angles = torch.outer(positions, _frequencies(CONDITION_DIM))
    return torch.cat((angles.cos(), angles.sin()), dim=-1).half()


def _frequencies(dim: int) -> Tensor:
    """[dim / 2], on the CPU, which rounds everywhere alike."""
    return 1.0 / BASE ** (torch.arange(0, dim, 2).float() / dim)


def _by_head(x: Tensor) -> Tensor:
    """[R, N, D] → [R, heads, N, D / heads]."""
    return x.unflatten(-1, (NUM_HEADS, -1)).transpose(1, 2)
