"""The language model in int8 by torch alone, for CPUs that the C++ decode step is not made for."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from server.models.musicgen.transformer import LanguageModel

LARGEST = 127
#: Of an output whose weights are all zero.
LEAST_STEP = 1e-30


class QuantizedLinear(nn.Module):
    """A linear map whose weights are int8, each output with a step of its own; what comes in is
    quantized on the way, all rows by one step."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        steps = (weight.abs().amax(dim=1) / LARGEST).clamp_min(LEAST_STEP).double()
        zeros = torch.zeros(len(weight), dtype=torch.int64)
        with warnings.catch_warnings():
            # torch means to drop this kind of tensor; its successor is slower for a few rows.
            warnings.simplefilter("ignore")
            whole = torch.quantize_per_channel(weight, steps, zeros, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(whole, None)

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic(x, self._packed)  # type: ignore[no-any-return]


def quantize(model: LanguageModel) -> None:
    """Let `model` compute its products in int8; one by one, so that there are never two copies."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) and child.bias is None:
                model.packed_bytes += child.weight.numel()
                setattr(module, name, QuantizedLinear(child.weight.float()))
    model.place(torch.device("cpu"), torch.float32)
