"""What an instrument is."""

from __future__ import annotations

from dataclasses import dataclass

from server.models.sketch.synthesis.patch import Patch


@dataclass(frozen=True)
class Instrument:
    """An instrument: its patch, GM program (0-127), usable range (MIDI pitches) and level."""

    patch: Patch
    program: int
    low: int = 36
    high: int = 96
    level_db: float = 0.0
