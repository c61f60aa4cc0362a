"""What there is for requests once the weights are in memory. Importing this needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.models.base import Resources
from server.models.memory import free_bytes

if TYPE_CHECKING:
    import torch

#: Requests at once where MAX_BATCH does not say.
DEFAULT_SLOTS = 4
DEFAULT_SLOTS_ON_CUDA = 32
#: Left for what comes and goes beside keys and values: a long text being read, the codec at work.
WORKING_BYTES = 2**30


def measure(device: torch.device, max_batch: int | None, largest_bytes: int) -> Resources:
    """What `device` has left for requests, of which none takes more than `largest_bytes`.

    To be asked when the model has been loaded and has run once. It is measured, not reserved: if
    others take it meanwhile, the batch shrinks.
    """
    default_slots = DEFAULT_SLOTS_ON_CUDA if device.type == "cuda" else DEFAULT_SLOTS
    num_slots = max_batch or default_slots
    return Resources(num_slots, min(spare_bytes(_free_bytes(device)), num_slots * largest_bytes))


def spare_bytes(free: int) -> int:
    """Of `free` bytes, those that requests may reserve."""
    return max(free - WORKING_BYTES, free // 2)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cpu":
        return free_bytes()
    import torch

    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + kept)  # torch keeps what tensors have let go, for other tensors
