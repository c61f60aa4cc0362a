"""How much memory models may hold together."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from math import nan
from pathlib import Path
from types import ModuleType

import psutil

#: What the drivers of GPUs that torch calls CUDA put there: NVIDIA's, AMD's, Windows' for Linux.
DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/dev/kfd"), Path("/dev/dxg"))
#: Where Linux tells a container what it may use (cgroup v2).
CONTAINER = Path("/sys/fs/cgroup")


class DeviceMemory:
    """The memory of the device that models run on: `budget_bytes` of it, or all that is free.

    `device` is the setting DEVICE. Which device auto means, and what is free on CUDA, only torch
    knows; unless that is `known`, call `learn` first, on a thread.
    """

    def __init__(self, device: str, budget_bytes: int | None) -> None:
        self.budget_bytes = budget_bytes
        self._may_be_cuda = may_have_gpu(device) and find_spec("torch") is not None
        self.known = budget_bytes is not None or not self._may_be_cuda
        self._cuda: ModuleType | None = None

    def learn(self) -> None:
        """Ask torch, once. Blocks for seconds: imports torch and wakes the device."""
        import torch

        if torch.cuda.is_available():
            torch.cuda.mem_get_info()
            self._cuda = torch.cuda
        self._may_be_cuda = self._cuda is not None
        self.known = True

    def limit_bytes(self, held_bytes: int) -> int:
        """What models may hold together, where those that are loaded hold `held_bytes`."""
        if self.budget_bytes is not None:
            return self.budget_bytes
        return held_bytes + self._free_bytes()

    def free_and_total_bytes(self) -> tuple[float, float]:
        """What models could take now, and what the device has; NaN while only torch would know, and
        nothing has imported it."""
        if self._cuda is None and self._may_be_cuda:
            torch = sys.modules.get("torch")
            if torch is None or not torch.cuda.is_initialized():
                return nan, nan
            self._cuda = torch.cuda
        total = total_bytes() if self._cuda is None else self._cuda.mem_get_info()[1]
        return self._free_bytes(), total

    def _free_bytes(self) -> int:
        if self._cuda is None:
            return free_bytes()
        free, _ = self._cuda.mem_get_info()
        # torch keeps what tensors have let go, for other tensors
        return int(free + self._cuda.memory_reserved() - self._cuda.memory_allocated())


def may_have_gpu(device: str) -> bool:
    """Whether `device` (DEVICE) may turn out to be CUDA, as far as one sees without torch."""
    if device == "auto":
        return sys.platform == "win32" or any(driver.exists() for driver in DRIVERS)
    return device == "cuda"


def free_bytes(container: Path = CONTAINER) -> int:
    """Main memory that can be had without swapping, on this machine and in this container."""
    free = int(psutil.virtual_memory().available)
    try:
        allowed = int((container / "memory.max").read_text())
        used = int((container / "memory.current").read_text())
        statistics = dict(line.split() for line in (container / "memory.stat").open())
    except (OSError, ValueError):  # no such file, or "max"
        return free
    cached = int(statistics.get("inactive_file", 0))  # files that the system may forget
    return min(free, max(0, allowed - used + cached))


def total_bytes(container: Path = CONTAINER) -> int:
    """Main memory of this machine, or of this container."""
    total = int(psutil.virtual_memory().total)
    try:
        return min(total, int((container / "memory.max").read_text()))
    except (OSError, ValueError):  # no such file, or "max"
        return total


def in_words(num_bytes: int) -> str:
    """For people: "8.4 GB", decimal as disks and the setting have it."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes} bytes"
