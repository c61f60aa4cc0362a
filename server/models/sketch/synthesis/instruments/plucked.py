"""Plucked strings and guitars."""

from __future__ import annotations

from server.models.sketch.synthesis.instruments.instrument import Instrument
from server.models.sketch.synthesis.instruments.shapes import WOOD
from server.models.sketch.synthesis.patch import (
    DistortedPatch,
    FmPatch,
    Formant,
    LoopPatch,
    Modulator,
    StringPatch,
)

PLUCKED: dict[str, Instrument] = {
    "acoustic_guitar": Instrument(StringPatch(3.2, 0.72, 0.14, 0.1, WOOD), 25, 40, 88),
    "nylon_guitar": Instrument(StringPatch(2.4, 0.5, 0.2, 0.1, WOOD), 24, 40, 88),
    "electric_guitar": Instrument(StringPatch(3.4, 0.62, 0.09, 0.06), 27, 40, 88),
    "muted_guitar": Instrument(StringPatch(0.35, 0.6, 0.1, 0.03), 28, 40, 88),
    "banjo": Instrument(StringPatch(0.9, 0.9, 0.07, 0.05), 105, 48, 91),
    "harp": Instrument(StringPatch(2.8, 0.58, 0.3, 0.3), 46, 36, 100),
    "guzheng": Instrument(StringPatch(3.0, 0.82, 0.1, 0.3), 107, 43, 96),
    "pipa": Instrument(StringPatch(1.1, 0.88, 0.07, 0.05), 106, 45, 93),
    "ukulele": Instrument(StringPatch(1.2, 0.6, 0.2, 0.06), 24, 60, 88),
    "kalimba": Instrument(FmPatch((Modulator(6.2, 0.5, 0.0, 0.15),), 1.3, 0.5), 108, 55, 96),
    "distorted_guitar": Instrument(DistortedPatch(2.6), 30, 34, 76),
    "palm_mute": Instrument(DistortedPatch(3.5, True, 0.28, 0.03, 3200.0), 30, 34, 76),
    "lead_guitar": Instrument(
        LoopPatch(
            "saw",
            3400,
            tracking=0.3,
            slope=3,
            attack_seconds=0.006,
            release_seconds=0.07,
            formants=(Formant(800, 500, 0.9), Formant(2300, 900, 1.0)),
            vibrato_cents=22.0,
            vibrato_hz=5.6,
        ),
        29,
        52,
        91,
    ),
}
