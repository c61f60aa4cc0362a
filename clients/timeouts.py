"""How long a client waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """`read_seconds` is the longest silence; a server at work says something every 2 s."""

    connect_seconds: float = 5.0
    read_seconds: float = 30.0
