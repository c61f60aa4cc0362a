"""The language model in int8 by torch alone, for CPUs that the C++ decode step is not made for."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from server.models.musicgen.transformer import LanguageModel

LARGEST = 127
#: Of numbers that are all zero.
LEAST_STEP = 1e-30


class Quantized(nn.Module, ABC):
    """A linear map whose weights are no parameters any more."""

    @property
    @abstractmethod
    def num_bytes(self) -> int: ...


class QuantizedLinear(Quantized):
    """A linear map whose weights are int8, each output with a step of its own; what comes in is
    quantized on the way, all rows by one step."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        steps = steps_of(weight).double()
        self.num_weights = weight.numel()
        zeros = torch.zeros(len(weight), dtype=torch.int64)
        with warnings.catch_warnings():
            # torch means to drop this kind of tensor; its successor is slower for a few rows.
            warnings.simplefilter("ignore")
            whole = torch.quantize_per_channel(weight, steps, zeros, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(whole, None)

    @property
    def num_bytes(self) -> int:
        return self.num_weights

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic(x, self._packed)  # type: ignore[no-any-return]


def quantize(model: LanguageModel) -> None:
    """Let `model` compute its products in int8."""
    replace_products(model, lambda weight: QuantizedLinear(weight.float()))
    model.place(torch.device("cpu"), torch.float32)


def steps_of(numbers: Tensor) -> Tensor:
    """What one step of an int8 stands for if the largest of [..., n] is 127 of them: [...]."""
    return (numbers.abs().amax(dim=-1) / LARGEST).clamp_min(LEAST_STEP)


def replace_products(model: LanguageModel, quantized: Callable[[Tensor], Quantized]) -> None:
    """Of each map without bias let `quantized` make another from its weight, [outputs, inputs]; one
    by one, so that there are never two copies."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) and child.bias is None:
                replacement = quantized(child.weight.detach())
                model.packed_bytes += replacement.num_bytes
                setattr(module, name, replacement)
