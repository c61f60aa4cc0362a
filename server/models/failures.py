"""What goes wrong inside torch, in words that say what to do."""

from __future__ import annotations

import torch
from loguru import logger

from server.errors import ContinuoError, GenerationError, ModelBroken

#: How the CPU's allocator says it; it raises a plain RuntimeError.
CPU_WORDS = ("can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on whichever device."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and (
        any(known in words for known in CPU_WORDS) or "out of memory" in words
    )


def explain(error: Exception, making: str, remedy: str) -> ContinuoError:
    """The error for whoever asked for what we were `making`; a lost device is one for all.

    `remedy` is against a want of memory.
    """
    if isinstance(error, ContinuoError):
        return error
    if is_out_of_memory(error):
        return GenerationError(f"out of memory while making {making}. {remedy}")
    logger.opt(exception=error).error("A generation failed")
    if isinstance(error, _device_errors()) or "CUDA error" in str(error):
        return ModelBroken("the device failed; only a restart of the process can mend it")
    return GenerationError("the model failed; the server's log says why")


def _device_errors() -> tuple[type[Exception], ...]:
    found = getattr(torch, "AcceleratorError", None)  # since torch 2.8
    return (found,) if found is not None else ()
