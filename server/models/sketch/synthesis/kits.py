"""The drum kits: every drum as layers of skin, noise and metal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Skin:
    """A tone that falls from `start_hz` to `end_hz` (60 dB of the way in `sweep_seconds`)."""

    start_hz: float
    end_hz: float
    sweep_seconds: float
    ring_seconds: float
    level: float = 1.0


@dataclass(frozen=True)
class Hiss:
    """Noise between two frequencies; `bursts` are further attacks, in seconds after the first."""

    low_hz: float
    high_hz: float
    ring_seconds: float
    level: float = 1.0
    bursts: tuple[float, ...] = ()
    attack_seconds: float = 0.0005


@dataclass(frozen=True)
class Metal:
    """Six inharmonic squares, as in the analogue drum machines, above `low_hz`."""

    base_hz: float
    low_hz: float
    ring_seconds: float
    level: float = 1.0


@dataclass(frozen=True)
class Drum:
    """One drum of a kit: its General MIDI number, layers, drive, place and level."""

    midi: int
    layers: tuple[Skin | Hiss | Metal, ...]
    drive: float = 1.0
    pan: float = 0.0
    level: float = 1.0


_ACOUSTIC: dict[str, Drum] = {
    "kick": Drum(36, (Skin(150, 52, 0.09, 0.38), Hiss(1500, 5000, 0.02, 0.35)), 1.3),
    "snare": Drum(
        38, (Skin(260, 185, 0.05, 0.16, 0.6), Hiss(1200, 8500, 0.24, 0.9)), 1.3, 0.04, 0.8
    ),
    "rim": Drum(37, (Skin(900, 820, 0.02, 0.05, 0.8), Hiss(1800, 6000, 0.03, 0.5)), 1.0, 0.1, 0.55),
    "clap": Drum(39, (Hiss(900, 5500, 0.18, 0.9, (0.011, 0.023)),), 1.2, -0.08, 0.7),
    "hat": Drum(42, (Metal(420, 7000, 0.07),), 1.0, 0.28, 0.34),
    "open": Drum(46, (Metal(420, 6500, 0.42),), 1.0, 0.28, 0.36),
    "pedal": Drum(44, (Metal(400, 6500, 0.05),), 1.0, 0.28, 0.25),
    "ride": Drum(
        51, (Metal(560, 5200, 1.1, 0.7), Skin(3200, 3200, 0.1, 0.3, 0.25)), 1.0, -0.3, 0.34
    ),
    "crash": Drum(49, (Metal(330, 3600, 2.2), Hiss(3000, 14_000, 1.6, 0.5)), 1.0, -0.22, 0.5),
    "tom_low": Drum(45, (Skin(125, 82, 0.14, 0.5), Hiss(700, 3000, 0.05, 0.2)), 1.2, 0.3, 0.8),
    "tom_mid": Drum(47, (Skin(170, 115, 0.12, 0.42), Hiss(800, 3500, 0.05, 0.2)), 1.2, 0.0, 0.8),
    "tom_high": Drum(50, (Skin(230, 160, 0.1, 0.36), Hiss(900, 4000, 0.05, 0.2)), 1.2, -0.3, 0.75),
    "shaker": Drum(70, (Hiss(4500, 11_000, 0.09, 1.0, (), 0.015),), 1.0, -0.4, 0.3),
    "tambourine": Drum(
        54, (Metal(900, 7500, 0.16), Hiss(6000, 14_000, 0.1, 0.5)), 1.0, -0.35, 0.34
    ),
    "cowbell": Drum(56, (Metal(540, 500, 0.2),), 1.5, 0.25, 0.35),
    "clave": Drum(75, (Skin(2450, 2450, 0.02, 0.09),), 1.0, 0.3, 0.45),
    "block": Drum(76, (Skin(1150, 1080, 0.02, 0.08), Hiss(900, 3000, 0.02, 0.2)), 1.0, 0.2, 0.5),
    "conga_low": Drum(
        64, (Skin(205, 178, 0.05, 0.3), Hiss(1200, 4500, 0.03, 0.25)), 1.2, -0.22, 0.7
    ),
    "conga_high": Drum(
        63, (Skin(290, 262, 0.04, 0.22), Hiss(1500, 5000, 0.03, 0.3)), 1.2, -0.3, 0.65
    ),
    "bongo": Drum(60, (Skin(430, 395, 0.03, 0.13), Hiss(2000, 6000, 0.02, 0.3)), 1.2, 0.3, 0.5),
    "timpani": Drum(41, (Skin(108, 98, 0.3, 1.4), Hiss(300, 1500, 0.06, 0.25)), 1.0, 0.1, 0.8),
    "taiko": Drum(43, (Skin(98, 60, 0.25, 0.9), Hiss(250, 1800, 0.1, 0.4)), 1.4, 0.0, 0.95),
    "gong": Drum(52, (Metal(110, 250, 3.0, 0.8), Skin(150, 130, 0.5, 2.5, 0.5)), 1.0, 0.1, 0.6),
}

#: The drums that another kit makes differently.
_KITS: dict[str, dict[str, Drum]] = {
    "acoustic": {},
    "rock": {
        "kick": Drum(36, (Skin(175, 58, 0.07, 0.3), Hiss(2200, 7000, 0.025, 0.6)), 1.8),
        "snare": Drum(
            38, (Skin(300, 205, 0.05, 0.2, 0.7), Hiss(900, 9000, 0.3, 1.0)), 2.0, 0.03, 0.9
        ),
        "crash": Drum(49, (Metal(330, 3200, 2.4), Hiss(2500, 14_000, 1.8, 0.6)), 1.0, -0.3, 0.6),
    },
    "metal": {
        "kick": Drum(36, (Skin(210, 62, 0.05, 0.22), Hiss(3000, 8000, 0.02, 1.0)), 2.0),
        "snare": Drum(
            38, (Skin(330, 215, 0.05, 0.18, 0.7), Hiss(1200, 10_000, 0.26)), 2.4, 0.03, 0.9
        ),
    },
    "brush": {
        "snare": Drum(38, (Hiss(1500, 7000, 0.28, 0.9, (), 0.02),), 1.0, 0.05, 0.45),
        "kick": Drum(36, (Skin(110, 55, 0.08, 0.3), Hiss(600, 2000, 0.03, 0.15)), 1.0, 0.0, 0.7),
        "ride": Drum(
            51, (Metal(560, 4600, 1.3, 0.6), Skin(2900, 2900, 0.1, 0.35, 0.35)), 1.0, -0.3, 0.42
        ),
    },
    "house": {
        "kick": Drum(36, (Skin(260, 49, 0.12, 0.4), Hiss(2000, 6000, 0.012, 0.35)), 2.2),
        "clap": Drum(39, (Hiss(900, 6500, 0.22, 1.0, (0.01, 0.021)),), 1.4, 0.0, 0.75),
        "snare": Drum(38, (Skin(280, 190, 0.05, 0.14, 0.7), Hiss(1500, 9000, 0.2)), 1.5, 0.0, 0.75),
        "open": Drum(46, (Metal(470, 7500, 0.28), Hiss(7000, 14_000, 0.2, 0.5)), 1.0, 0.15, 0.42),
    },
    "techno": {
        "kick": Drum(36, (Skin(300, 46, 0.14, 0.46), Hiss(2500, 7000, 0.01, 0.4)), 3.5),
        "open": Drum(46, (Metal(500, 8000, 0.24), Hiss(8000, 15_000, 0.16, 0.6)), 1.0, 0.12, 0.4),
        "rim": Drum(37, (Skin(1700, 1650, 0.02, 0.05), Metal(480, 1500, 0.05, 0.3)), 1.5, 0.3, 0.4),
    },
    "808": {
        "kick": Drum(36, (Skin(160, 46, 0.1, 0.75), Hiss(1500, 4000, 0.01, 0.2)), 1.6),
        "snare": Drum(38, (Skin(240, 178, 0.06, 0.2, 0.7), Hiss(1800, 9500, 0.2)), 1.4, 0.0, 0.75),
        "hat": Drum(42, (Metal(205.3, 7800, 0.055),), 1.0, 0.12, 0.32),
        "open": Drum(46, (Metal(205.3, 7200, 0.4),), 1.0, 0.12, 0.34),
    },
    "lofi": {
        "kick": Drum(36, (Skin(120, 52, 0.1, 0.3), Hiss(400, 1600, 0.03, 0.25)), 1.6, 0.0, 0.95),
        "snare": Drum(
            38, (Skin(230, 180, 0.05, 0.13, 0.5), Hiss(900, 4500, 0.18, 0.9)), 1.6, 0.03, 0.65
        ),
        "rim": Drum(37, (Skin(700, 650, 0.02, 0.06), Hiss(900, 3500, 0.04, 0.5)), 1.0, 0.1, 0.5),
        "hat": Drum(42, (Hiss(4500, 8500, 0.06),), 1.0, 0.2, 0.26),
        "open": Drum(46, (Hiss(4000, 8500, 0.26),), 1.0, 0.2, 0.26),
    },
    "break": {
        "kick": Drum(36, (Skin(170, 56, 0.07, 0.26), Hiss(1500, 6000, 0.03, 0.5)), 2.4),
        "snare": Drum(
            38, (Skin(340, 215, 0.05, 0.15, 0.8), Hiss(1500, 10_000, 0.22)), 2.2, 0.0, 0.95
        ),
        "hat": Drum(42, (Metal(420, 7500, 0.06), Hiss(6000, 14_000, 0.05, 0.5)), 1.2, 0.2, 0.36),
    },
    "hand": {
        "kick": Drum(36, (Skin(120, 62, 0.1, 0.35), Hiss(600, 2500, 0.03, 0.2)), 1.1, 0.0, 0.8)
    },
    "orchestral": {
        "kick": Drum(36, (Skin(92, 48, 0.2, 0.9), Hiss(200, 1200, 0.08, 0.3)), 1.2),
        "snare": Drum(
            38, (Skin(240, 190, 0.05, 0.12, 0.4), Hiss(1500, 9000, 0.2, 0.9)), 1.1, -0.2, 0.6
        ),
        "crash": Drum(49, (Metal(300, 2600, 2.8), Hiss(2500, 12_000, 2.2, 0.8)), 1.0, 0.1, 0.5),
    },
    "chip": {
        "kick": Drum(36, (Skin(420, 60, 0.08, 0.16),), 2.5, 0.0, 0.9),
        "snare": Drum(38, (Hiss(1200, 12_000, 0.14),), 2.0, 0.0, 0.6),
        "hat": Drum(42, (Hiss(7000, 16_000, 0.035),), 1.5, 0.0, 0.3),
    },
    "gated": {
        "kick": Drum(36, (Skin(180, 50, 0.1, 0.42), Hiss(2000, 6000, 0.02, 0.4)), 1.8),
        "snare": Drum(
            38, (Skin(240, 170, 0.08, 0.3, 0.7), Hiss(800, 8000, 0.55, 0.9)), 2.6, 0.0, 0.85
        ),
    },
}

KITS = frozenset(_KITS)
DRUMS = frozenset(_ACOUSTIC)
MIDI_OF = {name: drum.midi for name, drum in _ACOUSTIC.items()}
_NAME_OF = {drum.midi: name for name, drum in _ACOUSTIC.items()}


def drum_of(kit: str, midi: int) -> Drum:
    """The drum with General MIDI number `midi` in `kit`."""
    name = _NAME_OF[midi]
    return _KITS[kit].get(name, _ACOUSTIC[name])
