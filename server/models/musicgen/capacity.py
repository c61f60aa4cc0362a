"""What there is for requests once the weights are in memory."""

from __future__ import annotations

import torch

from server.models.base import Resources
from server.models.memory import free_bytes

#: Requests at once where MAX_BATCH does not say.
MOST_SLOTS = {"cuda": 32}
MOST_SLOTS_ELSEWHERE = 4
#: Left for what comes and goes beside keys and values: a long text being read, the codec at work.
WORKING_BYTES = 2**30


def measure(device: torch.device, max_batch: int | None, largest_bytes: int) -> Resources:
    """What `device` has left for requests, of which none takes more than `largest_bytes`.

    To be asked when the model has been loaded and has run once. It is measured, not reserved: if
    others take it meanwhile, the batch shrinks.
    """
    num_slots = max_batch or MOST_SLOTS.get(device.type, MOST_SLOTS_ELSEWHERE)
    free = _free_bytes(device)
    spare = max(free - WORKING_BYTES, free // 2)
    return Resources(num_slots, min(spare, num_slots * largest_bytes))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + kept)  # torch keeps what tensors have let go, for other tensors
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return free_bytes()
