"""Numbers in int8: whole multiples of a step, which those that stand together share.

The largest of them is 127 steps, and zero is zero (Jacob et al., "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018, with symmetric steps).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from server.models.musicgen.quantized import Quantized, replace_products, steps_of
from server.models.musicgen.transformer import LanguageModel


def in_steps(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """[..., n] → int8 [..., n], and the steps, float32 [...]."""
    exact = numbers.float()
    steps = steps_of(exact)
    return (exact / steps[..., None] + 0.5).floor().to(torch.int8), steps


def from_steps(whole: Tensor, steps: Tensor, dtype: torch.dtype) -> Tensor:
    """[..., n] and [...] → [..., n] in `dtype`."""
    return (whole * steps[..., None]).to(dtype)


@dataclass(frozen=True)
class Stored:
    """Numbers [..., n] that are written and read as `stored[at]`, where `at` says which n.

    With `steps` [...] they are int8, and read in `dtype`.
    """

    numbers: Tensor
    steps: Tensor | None
    dtype: torch.dtype

    @classmethod
    def empty(
        cls, shape: tuple[int, ...], dtype: torch.dtype, in_int8: bool, device: torch.device
    ) -> Stored:
        """It holds whatever the memory did."""
        numbers = torch.empty(shape, device=device, dtype=torch.int8 if in_int8 else dtype)
        steps = torch.empty(shape[:-1], device=device) if in_int8 else None
        return cls(numbers, steps, dtype)

    @property
    def num_bytes(self) -> int:
        return self.numbers.nbytes + (0 if self.steps is None else self.steps.nbytes)

    def __getitem__(self, at: Any) -> Tensor:
        if self.steps is None:
            return self.numbers[at]
        return from_steps(self.numbers[at], self.steps[at], self.dtype)

    def __setitem__(self, at: Any, new: Tensor) -> None:
        if self.steps is None:
            self.numbers[at] = new
        else:
            self.numbers[at], self.steps[at] = in_steps(new)

    def of(self, index: int) -> Stored:
        """What lies at `index` of the first dimension; the memory is the same."""
        steps = None if self.steps is None else self.steps[index]
        return Stored(self.numbers[index], steps, self.dtype)


class Int8Linear(Quantized):
    """A linear map whose weights are int8, a step for each output; what comes in stays as it is.

    Without a kernel of its own the weights become numbers of the input's format on the way: good
    for many rows, and slow for few.
    """

    whole: Tensor
    steps: Tensor

    def __init__(self, weight: Tensor) -> None:
        """`weight` [outputs, inputs]."""
        super().__init__()
        whole, steps = in_steps(weight)
        self.register_buffer("whole", whole)
        self.register_buffer("steps", steps)

    @property
    def num_bytes(self) -> int:
        return self.whole.nbytes + self.steps.nbytes

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, from_steps(self.whole, self.steps, x.dtype))


def quantize(model: LanguageModel, device: torch.device, dtype: torch.dtype) -> None:
    """Move `model` to `device`, where it computes in `dtype` with weights of products in int8."""
    replace_products(model, lambda weight: Int8Linear(weight.to(device)))
    model.place(device, dtype)
