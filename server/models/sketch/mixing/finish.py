"""How a piece is to sound, beyond its notes."""

from __future__ import annotations

from dataclasses import dataclass

from server.models.sketch.genres.genre import Room


@dataclass(frozen=True)
class Finish:
    """The room, the factor on all cutoff frequencies, and how far the highs are lifted in dB."""

    room: Room
    shine: float = 1.0
    tilt_db: float = 0.0
