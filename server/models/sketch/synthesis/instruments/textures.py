"""Sounds that are no notes: what lies under the music."""

from __future__ import annotations

from server.models.sketch.synthesis.instruments.instrument import Instrument
from server.models.sketch.synthesis.patch import TexturePatch

TEXTURES: dict[str, Instrument] = {
    "vinyl": Instrument(TexturePatch(900.0, 5000.0, 0.25, 14.0, 0.0), 122),
    "rain": Instrument(TexturePatch(700.0, 9000.0, 1.0, 160.0, 0.0), 122),
    "waves": Instrument(TexturePatch(180.0, 3200.0, 1.0, 0.0, 0.16), 122),
    "wind": Instrument(TexturePatch(160.0, 900.0, 1.0, 0.0, 0.23), 122),
    "fire": Instrument(TexturePatch(300.0, 4200.0, 0.3, 26.0, 0.0), 122),
}
