"""Which device models run on, and what they hold of its memory."""

from __future__ import annotations

import ctypes
import sys

import torch
from torch import nn

from server.errors import Unavailable


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


def num_bytes(module: nn.Module) -> int:
    """What the tensors of `module` take."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.nelement() * tensor.element_size() for tensor in tensors)


def give_back_memory() -> None:
    """Let others have what torch and malloc keep for what may come."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)  # glibc's; other libraries have none
