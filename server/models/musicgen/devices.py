"""Which device, and which number format on it."""

from __future__ import annotations

import torch

from server.errors import Unavailable

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(wanted: str) -> torch.device:
    """`wanted` is auto, cuda, mps or cpu; auto takes the first there is. Raises `Unavailable`."""
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return torch.device(next(name for name, is_present in present.items() if is_present))
    if not present.get(wanted, False):
        there = ", ".join(name for name, is_present in present.items() if is_present)
        raise Unavailable(
            f"DEVICE={wanted} is not on this machine, or this torch was not built for it",
            f"Set DEVICE=auto, or one of: {there}",
        )
    return torch.device(wanted)


def give_back_memory() -> None:
    """Let others have what torch keeps for tensors to come."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """auto is what the reference runs: fp16 on CUDA, fp32 elsewhere. Raises `Unavailable`."""
    if wanted == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if wanted not in PRECISIONS:
        raise Unavailable(
            f"MusicGen has no PRECISION={wanted}", f"Set one of: auto, {', '.join(PRECISIONS)}"
        )
    return PRECISIONS[wanted]
