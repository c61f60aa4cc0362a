"""Weights as the C++ reads them: in blocks of 64 outputs, in int8 with a step for each output."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.cpu.library import (
    FORMAT_NUMBERS,
    CannotRun,
    CLayer,
    CLinear,
    CModel,
    CNorm,
    Format,
)
from server.models.musicgen.cpu.memory import aligned_bytes
from server.models.musicgen.transformer import LanguageModel, Layer

DTYPES: dict[Format, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "int8": torch.int8,
}
BLOCK = 64
HEAD_DIM = 64
LARGEST = 127
#: Stands for zero: the C++ multiplies unsigned bytes.
ZERO = 128
#: Of an output whose weights are all zero.
LEAST_STEP = 1e-30


class Arena:
    """One piece of memory, given out in pieces; what lies in it stays there while this lives."""

    def __init__(self, num_bytes: int) -> None:
        self._bytes = torch.from_numpy(aligned_bytes(num_bytes))
        self._num_taken = 0

    @property
    def num_bytes(self) -> int:
        return len(self._bytes)

    def put(self, tensor: Tensor) -> int:
        """Copy `tensor` in; its address."""
        place = self._bytes[self._num_taken : self._num_taken + tensor.nbytes]
        place.view(tensor.dtype).view(tensor.shape).copy_(tensor)
        self._num_taken += tensor.nbytes
        return place.data_ptr()


def quantized(weight: Tensor) -> tuple[Tensor, Tensor]:
    """`weight` [N, K] as whole steps, -127 … 127 in int8, and the steps [N] float32."""
    steps = (weight.abs().amax(dim=1) / LARGEST).clamp_min(LEAST_STEP)
    return (weight / steps[:, None]).round().to(torch.int8), steps


def packed(numbers: Tensor) -> Tensor:
    """[N, K] → [N/64, K, 64], N and K rounded up to 64 with zeros; int8 as bytes + 128, in fours,
    [N/64, K/4, 64] of 32 bits. A view where it can be one."""
    if numbers.dtype == torch.int8:
        return _in_blocks(numbers.view(torch.uint8) ^ ZERO, ZERO, torch.int32)
    return _in_blocks(numbers, 0, numbers.dtype)


def by_head(weight: Tensor) -> Tensor:
    """All queries, all keys and all values, [3D, D] → those of the first head, of the second …"""
    heads = weight.unflatten(0, (3, -1, HEAD_DIM)).transpose(0, 1)  # [H, 3, 64, D]
    return heads.flatten(0, 2)


def _in_blocks(numbers: Tensor, zero: int, at_once: torch.dtype) -> Tensor:
    beyond = (0, -numbers.shape[1] % BLOCK, 0, -numbers.shape[0] % BLOCK)
    whole = (pad(numbers, beyond, value=zero) if any(beyond) else numbers).view(at_once)
    return whole.view(-1, BLOCK, whole.shape[1]).transpose(1, 2)


class PackedModel:
    """A language model as the C++ reads it: `struct`, which is good as long as this lives.

    `model` gives its layers up one after the other, so that there are never two copies of all. What
    is left of it is `rest`: the embeddings, and what makes vectors of texts and melodies.
    Raises `CannotRun` for sizes that the C++ is not made for.
    """

    def __init__(self, model: LanguageModel, number_format: Format) -> None:
        config = model.config
        _require_sizes(config)
        self._format: Format = number_format
        self._looks_at_text = not config.melody_frames
        self._arena = Arena(_packed_bytes(config, number_format))
        self.rest = model
        for name in ("embeddings", "text_projection", "melody_projection"):
            if module := getattr(model, name, None):
                module.float()
        layers = [self._layer(layer) for layer in cast("list[Layer]", list(model.layers))]
        self._layers = (CLayer * config.num_layers)(*layers)
        self.struct = CModel(
            dim=config.dim,
            num_heads=config.num_heads,
            num_layers=config.num_layers,
            feed_dim=config.ffn_dim,
            num_codebooks=config.num_codebooks,
            codebook_size=config.codebook_size,
            format=FORMAT_NUMBERS[number_format],
            embeddings=model.embeddings.weight.data_ptr(),
            layers=self._layers,
            norm=self._norm(model.norm),
            heads=self._linear(model.heads.weight),
        )
        model.heads.to("meta")

    @property
    def num_bytes(self) -> int:
        rest = sum(each.nbytes for each in self.rest.parameters() if not each.is_meta)
        return self._arena.num_bytes + rest

    def _layer(self, layer: Layer) -> CLayer:
        packed_layer = CLayer(
            norm1=self._norm(layer.norm1),
            query_key_value=self._linear(by_head(layer.self_attention.qkv.weight)),
            out=self._linear(layer.self_attention.out.weight),
            norm2=self._norm(layer.norm2),
            feed_in=self._linear(layer.linear1.weight),
            feed_out=self._linear(layer.linear2.weight),
        )
        if self._looks_at_text:
            packed_layer.norm_cross = self._norm(layer.norm_cross)
            packed_layer.text_query = self._linear(layer.cross_attention.query.weight)
            packed_layer.text_key_value = self._linear(layer.cross_attention.key_value.weight)
            packed_layer.text_out = self._linear(layer.cross_attention.out.weight)
        layer.to("meta")
        return packed_layer

    def _linear(self, weight: Tensor) -> CLinear:
        if self._format != "int8":
            return CLinear(self._arena.put(packed(weight.to(DTYPES[self._format]))), None)
        whole_steps, steps = quantized(weight.float())
        scales = pad(steps, (0, -len(steps) % BLOCK))
        return CLinear(self._arena.put(packed(whole_steps)), self._arena.put(scales))

    def _norm(self, norm: nn.LayerNorm) -> CNorm:
        return CNorm(self._arena.put(norm.weight.float()), self._arena.put(norm.bias.float()))


def _require_sizes(config: LanguageModelConfig) -> None:
    if config.head_dim != HEAD_DIM:
        raise CannotRun(f"it is made for heads of {HEAD_DIM}, and these have {config.head_dim}")


def _packed_bytes(config: LanguageModelConfig, number_format: Format) -> int:
    """What the arena must hold; every piece is a whole number of cache lines."""
    dim, ffn_dim = config.dim, _rounded_up(config.ffn_dim, BLOCK)
    num_scores = _rounded_up(config.num_codebooks * config.codebook_size, BLOCK)
    num_attentions = 1 if config.melody_frames else 2
    from_dim = 4 * num_attentions * dim + ffn_dim  # outputs of a layer's maps of `dim` inputs
    num_outputs = config.num_layers * (from_dim + dim) + num_scores
    num_weights = dim * (config.num_layers * (from_dim + ffn_dim) + num_scores)
    num_steps = num_outputs if number_format == "int8" else 0
    num_norms = 2 * ((num_attentions + 1) * config.num_layers + 1) * dim
    return num_weights * DTYPES[number_format].itemsize + 4 * (num_steps + num_norms)


def _rounded_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
