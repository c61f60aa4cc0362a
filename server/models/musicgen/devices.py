"""Which number format on which device."""

from __future__ import annotations

from typing import Literal

import torch

from server.errors import Unavailable
from server.models.musicgen.cpu.instructions import has_bf16

Precision = Literal["fp32", "bf16", "fp16", "int8"]
DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def choose_precision(wanted: str, device: torch.device) -> Precision:
    """auto is fp16 on CUDA, as the reference runs it, and on a CPU bf16 where that is fast.

    int8 is taken only where it is asked for, and not on MPS. Raises `Unavailable`.
    """
    if wanted == "auto":
        return _usual_precision(device)
    there: list[Precision] = [*DTYPES, *(("int8",) if device.type in ("cpu", "cuda") else ())]
    for precision in there:
        if precision == wanted:
            return precision
    raise Unavailable(
        f"MusicGen has no PRECISION={wanted} on {device.type}",
        f"Set one of: auto, {', '.join(there)}",
    )


def computing_dtype(precision: Precision) -> torch.dtype:
    """On a GPU, of what comes into a product, and out of it."""
    return torch.float16 if precision == "int8" else DTYPES[precision]


def companion_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Of the text encoder and the codec: float32 as the reference runs them, but on a CPU with
    instructions for bf16 that, unless fp32 was asked for."""
    is_bf16 = device.type == "cpu" and precision in ("bf16", "int8") and has_bf16()
    return torch.bfloat16 if is_bf16 else torch.float32


def _usual_precision(device: torch.device) -> Precision:
    if device.type == "cuda":
        return "fp16"
    return "bf16" if device.type == "cpu" and has_bf16() else "fp32"
