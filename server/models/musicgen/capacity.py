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
#: What is remembered on a GPU lies in pages of so many positions.
PAGE_POSITIONS = 32
#: Left for what comes and goes beside keys and values: a long text being read, the codec at work.
WORKING_BYTES = 2**30


def default_slots(on_cuda: bool, max_batch: int | None) -> int:
    """Requests at once: MAX_BATCH, if it is set."""
    return max_batch or (DEFAULT_SLOTS_ON_CUDA if on_cuda else DEFAULT_SLOTS)


def whole_pages(num_positions: int, page_positions: int = PAGE_POSITIONS) -> int:
    """`num_positions`, rounded up to pages."""
    return -(-num_positions // page_positions) * page_positions


def measure(device: torch.device, num_slots: int, most_bytes: int) -> Resources:
    """What `device` has left for requests, which can use `most_bytes` of it.

    To be asked when the model has been loaded and has run once. It is measured, not reserved: if
    others take it meanwhile, the batch shrinks.
    """
    return Resources(num_slots, min(spare_bytes(_free_bytes(device)), most_bytes))


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
