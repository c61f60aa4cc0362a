"""What this CPU can do beyond every other, where that decides something. Needs no torch."""

from __future__ import annotations

from pathlib import Path

#: Where Linux says it; elsewhere nobody is asked.
CPU_INFO = Path("/proc/cpuinfo")
BF16_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}


def has_bf16() -> bool:
    """Whether this CPU multiplies bf16 as such; without that it is slower than fp32 in torch."""
    words = CPU_INFO.read_text().split() if CPU_INFO.exists() else []
    return not BF16_INSTRUCTIONS.isdisjoint(words)
