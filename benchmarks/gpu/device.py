"""The device: what it is, how fast its memory is copied, and how much of it is taken."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

import torch

from benchmarks.machine import processor, versions
from benchmarks.race import Contender, race
from server.models.memory import in_words

NUM_MEASUREMENTS = 20
#: Between two waits, so that waiting takes none of the time.
COPIES_AT_ONCE = 10


class Device:
    """A GPU, or the CPU in its place; there is no telling how much memory torch has taken there."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._is_cuda = device.type == "cuda"

    def describe(self) -> str:
        """Its name and the versions of what drives it."""
        name = torch.cuda.get_device_name(self.device) if self._is_cuda else "no GPU, its steps on"
        cuda = f"driver {driver_version()}, CUDA {torch.version.cuda}; " if self._is_cuda else ""
        python = f"Python {platform.python_version()}"
        packages = versions("torch", "transformers", "triton")
        return f"{name}; {cuda}{processor()}, {os.cpu_count()} cores; {python}, {packages}"

    def synchronize(self) -> None:
        if self._is_cuda:
            torch.cuda.synchronize(self.device)

    def forget_peak(self) -> None:
        if self._is_cuda:
            torch.cuda.reset_peak_memory_stats(self.device)

    def taken(self) -> str:
        """By tensors, now."""
        return in_words(torch.cuda.memory_allocated(self.device)) if self._is_cuda else "–"

    def peak(self) -> str:
        """The most that tensors took since `forget_peak`."""
        return in_words(torch.cuda.max_memory_allocated(self.device)) if self._is_cuda else "–"

    def copy_bandwidth(self, num_bytes: int) -> float:
        """Bytes a second, read and written, of copies of so many; the median."""
        source = torch.randn(num_bytes // 4, device=self.device)
        target = torch.empty_like(source)
        copying = Contender("copy", 1, lambda _: target.copy_(source), 2 * source.nbytes)
        race([copying], NUM_MEASUREMENTS, COPIES_AT_ONCE, self.synchronize)
        return copying.bytes_per_step * copying.steps_per_second


def driver_version() -> str:
    if shutil.which("nvidia-smi") is None:
        return "unknown"
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    asked = subprocess.run(query, capture_output=True, text=True, timeout=30)
    return asked.stdout.split("\n")[0].strip() or "unknown"
