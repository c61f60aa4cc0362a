"""Basses."""

from __future__ import annotations

from server.models.sketch.synthesis.instruments.instrument import Instrument
from server.models.sketch.synthesis.instruments.shapes import WOOD
from server.models.sketch.synthesis.patch import LoopPatch, StringPatch

BASSES: dict[str, Instrument] = {
    "upright_bass": Instrument(StringPatch(1.6, 0.22, 0.25, 0.07, WOOD), 32, 24, 60),
    "electric_bass": Instrument(StringPatch(2.6, 0.36, 0.18, 0.05), 33, 24, 60),
    "picked_bass": Instrument(StringPatch(2.4, 0.6, 0.1, 0.04), 34, 24, 60),
    "slap_bass": Instrument(
        LoopPatch("saw", 4200, 450, 0.28, 0.5, 2, 0.002, 0.04, 2.2, 0.6), 36, 24, 60
    ),
    "sub_bass": Instrument(
        LoopPatch((1.0, 0.24, 0.1, 0.04), 900, attack_seconds=0.006, release_seconds=0.05),
        38,
        24,
        55,
    ),
    "808_bass": Instrument(
        LoopPatch((1.0, 0.34, 0.2, 0.1, 0.05), 1200, 300, 0.5, 0.2, 2, 0.003, 0.06, 5.0, 0.6),
        38,
        22,
        50,
    ),
    "synth_bass": Instrument(
        LoopPatch("saw", 1800, 320, 0.4, 0.5, 2, 0.003, 0.04, unison=((-4.0, 0.0), (4.0, 0.0))),
        38,
        24,
        60,
    ),
    "acid_bass": Instrument(LoopPatch("saw", 3200, 260, 0.32, 0.4, 3, 0.002, 0.03), 38, 24, 62),
    "triangle_bass": Instrument(
        LoopPatch("triangle", 6000, attack_seconds=0.002, release_seconds=0.01), 38, 28, 64
    ),
    "reese_bass": Instrument(
        LoopPatch(
            "saw",
            1100,
            520,
            1.5,
            0.3,
            2,
            0.008,
            0.05,
            unison=((-14.0, 0.0), (0.0, 0.0), (14.0, 0.0)),
        ),
        39,
        24,
        58,
    ),
    "house_bass": Instrument(LoopPatch("square", 1400, 260, 0.3, 0.4, 2, 0.002, 0.03), 38, 24, 60),
}
