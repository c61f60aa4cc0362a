"""How much memory there is for models."""

from __future__ import annotations

from pathlib import Path

import psutil

#: Where Linux tells a container what it may use (cgroup v2).
CONTAINER = Path("/sys/fs/cgroup")


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


def in_words(num_bytes: int) -> str:
    """For people: "8.4 GB", decimal as disks and the setting have it."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes} bytes"
