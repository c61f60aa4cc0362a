"""Strings, choirs, brass sections, pads and synthesizer chords."""

from __future__ import annotations

from server.models.sketch.synthesis.instruments.instrument import Instrument
from server.models.sketch.synthesis.instruments.shapes import AAH, BOW, PAIR, WIDE, WIDER, WOOD
from server.models.sketch.synthesis.patch import Formant, LoopPatch, StringPatch

SUSTAINED: dict[str, Instrument] = {
    "strings": Instrument(
        LoopPatch(
            "saw",
            3600,
            attack_seconds=0.16,
            release_seconds=0.35,
            formants=BOW,
            unison=WIDE,
            breath=0.02,
        ),
        48,
        36,
        98,
    ),
    "slow_strings": Instrument(
        LoopPatch("saw", 2200, attack_seconds=0.5, release_seconds=0.8, formants=BOW, unison=WIDE),
        49,
        36,
        96,
    ),
    "pizzicato": Instrument(StringPatch(0.45, 0.4, 0.2, 0.08, WOOD), 45, 36, 96),
    "warm_pad": Instrument(
        LoopPatch(
            "saw", 1100, attack_seconds=0.45, release_seconds=0.9, tracking=0.4, unison=WIDER
        ),
        89,
        36,
        90,
    ),
    "glass_pad": Instrument(
        LoopPatch(
            (1.0, 0.5, 0.12, 0.3, 0.06, 0.12, 0.03, 0.1),
            5000,
            attack_seconds=0.7,
            release_seconds=1.4,
            unison=WIDE,
        ),
        92,
        40,
        96,
    ),
    "super_saw": Instrument(
        LoopPatch("saw", 6000, attack_seconds=0.008, release_seconds=0.14, unison=WIDER), 81, 40, 96
    ),
    "poly_synth": Instrument(
        LoopPatch("saw", 4200, 1500, 0.7, 0.5, 2, 0.006, 0.16, unison=WIDE), 90, 36, 96
    ),
    "choir": Instrument(
        LoopPatch(
            "saw",
            5000,
            attack_seconds=0.3,
            release_seconds=0.5,
            formants=AAH,
            unison=WIDE,
            breath=0.03,
        ),
        52,
        40,
        88,
    ),
    "pluck_synth": Instrument(
        LoopPatch("saw", 5200, 500, 0.3, 0.5, 2, 0.002, 0.06, 1.4, 0.5, unison=PAIR), 81, 40, 98
    ),
    "stab_synth": Instrument(
        LoopPatch("saw", 3000, 500, 0.35, 0.4, 2, 0.002, 0.05, 1.2, 0.4, unison=WIDE), 90, 36, 92
    ),
    "brass": Instrument(
        LoopPatch(
            "saw",
            2600,
            1900,
            0.5,
            0.7,
            2,
            0.035,
            0.09,
            unison=PAIR,
            formants=(Formant(500, 400, 0.8), Formant(1400, 900, 0.9)),
        ),
        61,
        36,
        88,
    ),
    "horns": Instrument(
        LoopPatch("saw", 1300, attack_seconds=0.07, release_seconds=0.2, unison=PAIR, tracking=0.7),
        60,
        36,
        80,
    ),
    "low_brass": Instrument(
        LoopPatch("saw", 1600, attack_seconds=0.06, release_seconds=0.2, unison=PAIR), 57, 28, 67
    ),
}
