"""The compiled library as the tests use it: its kernels over NumPy arrays, and small models."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.cpu.library import (
    FORMAT_NUMBERS,
    CInputs,
    CLinear,
    Format,
    Library,
)
from server.models.musicgen.cpu.memory import Memory
from server.models.musicgen.cpu.packing import DTYPES, packed
from server.models.musicgen.transformer import LanguageModel
from tests.models.musicgen.conftest import SANITIZED_LIBRARY

HEAD_DIM = 64
BLOCK = 64
#: A sanitizer makes everything slow, and looks at every example more closely.
MAX_EXAMPLES = 5 if SANITIZED_LIBRARY else 20
Array = NDArray[Any]


class Kernels:
    """The functions of one instruction set. Skips the test where this CPU lacks it."""

    def __init__(self, file: Path, instruction_set: str) -> None:
        self.library = Library(file)
        self.instruction_set = instruction_set
        if instruction_set not in self.library.instruction_sets:
            pytest.skip(f"this CPU has no {instruction_set}")
        self._table = self.library.kernels(instruction_set).contents

    def layer_norm(self, x: Array, weight: Array, bias: Array) -> Array:
        out = np.empty_like(x)
        self._table.layer_norm(_at(x), _at(weight), _at(bias), len(x), _at(out))
        return out

    def gelu(self, x: Array) -> Array:
        out = x.copy()
        self._table.gelu(_at(out), len(out))
        return out

    def quantized(self, x: Array) -> tuple[Array, Array, Array]:
        """`x` [rows, depth] as int8 values, their scales and their sums."""
        inputs = Inputs(x.shape, "int8")
        self._put(x, inputs)
        return inputs.steps, inputs.scales, inputs.sums

    def linear(self, x: Array, weights: Tensor, steps: Array | None = None) -> Array:
        """`x` [rows, depth] times `weights` [outputs, depth], quantized if they are int8."""
        number_format = next(name for name, dtype in DTYPES.items() if dtype == weights.dtype)
        inputs = Inputs(x.shape, number_format)
        self._put(x, inputs)
        blocks_of_weights = packed(weights).contiguous()
        linear = CLinear(blocks_of_weights.data_ptr(), None if steps is None else _at(steps))
        blocks = []
        for block in range(len(weights) // BLOCK):
            out = np.empty((len(x), BLOCK), np.float32)
            self._table.linear_block(
                *(ctypes.byref(linear), block, x.shape[1]),
                *(ctypes.byref(inputs.struct), len(x), _at(out)),
            )
            blocks.append(out)
        return np.concatenate(blocks, axis=1)

    def _put(self, x: Array, inputs: Inputs) -> None:
        for row, of_row in enumerate(x):
            self._table.put(_at(of_row), x.shape[1], row, ctypes.byref(inputs.struct))

    def attend(self, queries: Array, keys: Array, values: Array, number_format: Format) -> Array:
        """What each query [T, 64] finds among the keys and values up to its own position."""
        memory = Memory(self.library, 1, len(keys), number_format)
        found = np.empty_like(queries)
        for position, (key, value) in enumerate(zip(keys, values, strict=True)):
            scores = np.empty(position + 1 + 15, np.float32)
            there = ctypes.byref(memory.struct)
            self._table.remember(there, position, _at(key), _at(value))
            query, out = queries[position], found[position]
            self._table.attend(there, _at(query), position + 1, _at(scores), _at(out))
        return found


class Inputs:
    """What a linear map of weights in `number_format` takes."""

    def __init__(self, shape: tuple[int, ...], number_format: Format) -> None:
        self.values = np.empty(shape, np.float32)
        self.steps = np.empty(shape, np.int8)
        self.scales = np.empty(shape[0], np.float32)
        self.sums = np.empty(shape[0], np.int32)
        arrays = (self.values, self.steps, self.scales, self.sums)
        self.struct = CInputs(FORMAT_NUMBERS[number_format], *map(_at, arrays))


def _at(array: Array) -> int:
    assert array.flags.c_contiguous
    return array.ctypes.data


def random_model(config: LanguageModelConfig, seed: int = 0) -> LanguageModel:
    """A model with random weights, its norms not the identity."""
    torch.manual_seed(seed)
    model = LanguageModel(config).requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.weight.normal_(1, 0.2)
            module.bias.normal_(0, 0.2)
    return model


def sizes(
    num_heads: int = 2,
    num_layers: int = 2,
    ffn_dim: int = 256,
    num_codebooks: int = 4,
    codebook_size: int = 64,
    melody_frames: int = 0,
) -> LanguageModelConfig:
    channels = num_codebooks // 4
    return LanguageModelConfig(
        dim=num_heads * HEAD_DIM,
        num_heads=num_heads,
        num_layers=num_layers,
        ffn_dim=ffn_dim,
        num_codebooks=num_codebooks,
        codebook_size=codebook_size,
        text_dim=24,
        delays=tuple(k // channels for k in range(num_codebooks)),
        melody_frames=melody_frames,
    )
