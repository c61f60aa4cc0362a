"""Keyboards and mallets."""

from __future__ import annotations

from server.models.sketch.synthesis.instruments.instrument import Instrument
from server.models.sketch.synthesis.instruments.shapes import PAIR, REED
from server.models.sketch.synthesis.patch import FmPatch, LoopPatch, Modulator, StringPatch

KEYS: dict[str, Instrument] = {
    "piano": Instrument(
        LoopPatch(
            (1.0, 0.7, 0.42, 0.3, 0.2, 0.14, 0.09, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02, 0.015),
            7000,
            1500,
            1.1,
            0.6,
            1,
            0.002,
            0.14,
            5.5,
            0.75,
            0.00035,
            PAIR[:1],
        ),
        0,
        21,
        104,
    ),
    "felt_piano": Instrument(
        LoopPatch(
            (1.0, 0.45, 0.22, 0.12, 0.07, 0.04, 0.02, 0.01),
            2200,
            700,
            0.8,
            0.5,
            1,
            0.006,
            0.2,
            4.5,
            0.8,
            0.0003,
        ),
        0,
        28,
        96,
    ),
    "electric_piano": Instrument(
        FmPatch((Modulator(1.0, 1.1, 0.25, 1.4), Modulator(14.0, 0.35, 0.0, 0.25)), 4.5, 0.4),
        4,
        28,
        96,
    ),
    "suitcase": Instrument(
        FmPatch((Modulator(1.0, 0.75, 0.3, 1.8), Modulator(3.0, 0.12, 0.0, 0.5)), 4.0, 0.4),
        4,
        28,
        96,
    ),
    "organ": Instrument(
        LoopPatch(
            (1.0, 0.8, 0.75, 0.5, 0.05, 0.3, 0.02, 0.28),
            5000,
            attack_seconds=0.006,
            release_seconds=0.04,
            unison=((-3.0, -0.4), (3.0, 0.4)),
        ),
        16,
        36,
        96,
    ),
    "harpsichord": Instrument(StringPatch(1.8, 0.95, 0.08, 0.06), 6, 36, 92),
    "clavinet": Instrument(
        LoopPatch("pulse", 5500, 1100, 0.35, 0.6, 2, 0.002, 0.03, 1.8, 0.5), 7, 36, 84
    ),
    "accordion": Instrument(
        LoopPatch(
            "pulse",
            4200,
            attack_seconds=0.03,
            release_seconds=0.06,
            formants=REED,
            unison=((-6.0, -0.3), (0.0, 0.0), (6.0, 0.3)),
        ),
        21,
        48,
        92,
    ),
    "music_box": Instrument(FmPatch((Modulator(5.4, 0.5, 0.0, 0.5),), 2.2, 0.3), 10, 60, 108),
    "bells": Instrument(
        FmPatch((Modulator(3.5, 1.6, 0.4, 2.0), Modulator(1.4, 0.5, 0.1, 1.5)), 4.5, 0.3),
        14,
        55,
        100,
    ),
    "vibraphone": Instrument(
        LoopPatch(
            (1.0, 0.02, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.06),
            9000,
            1800,
            0.5,
            attack_seconds=0.002,
            release_seconds=0.25,
            ring_seconds=3.2,
            damping=0.5,
        ),
        11,
        53,
        96,
    ),
    "marimba": Instrument(
        LoopPatch(
            (1.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.08),
            9000,
            1500,
            0.2,
            attack_seconds=0.001,
            release_seconds=0.1,
            ring_seconds=0.9,
            damping=0.7,
        ),
        12,
        45,
        96,
    ),
}
