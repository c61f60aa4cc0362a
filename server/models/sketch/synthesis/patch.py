"""Patches: how an instrument sounds, as numbers. The modules beside this one render them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Wave = Literal["saw", "square", "triangle", "pulse"]


@dataclass(frozen=True)
class Formant:
    """A resonance of the body: centre and width in Hz, and its gain."""

    hertz: float
    width_hertz: float
    gain: float


@dataclass(frozen=True)
class LoopPatch:
    """Additive and subtractive voices: partials, a low-pass that closes, decays by partial.

    `wave`: a classic waveform or the amplitudes of the partials. The low-pass starts at `cutoff_hz`
    and settles at `settle_hz` (60 dB after `settle_seconds`), following the pitch by `tracking`
    (0 to 1) from C4. `ring_seconds`: 60 dB decay of a partial at 220 Hz, 0 if it sustains;
    partials above die faster by `damping`, an exponent. `stretch`: stiffness of a piano string.
    `unison`: (cents, pan) of each of several detuned voices; panned ones make the tone stereo.
    """

    wave: Wave | tuple[float, ...] = "saw"
    cutoff_hz: float = 6000.0
    settle_hz: float = 0.0
    settle_seconds: float = 0.6
    tracking: float = 0.5
    slope: int = 2
    attack_seconds: float = 0.004
    release_seconds: float = 0.08
    ring_seconds: float = 0.0
    damping: float = 0.7
    stretch: float = 0.0
    unison: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    formants: tuple[Formant, ...] = ()
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.2
    breath: float = 0.0


@dataclass(frozen=True)
class Modulator:
    """An operator that bends the carrier's phase: its ratio to the carrier, index at the attack and
    when settled (60 dB after `settle_seconds`)."""

    ratio: float
    index: float
    settled_index: float = 0.0
    settle_seconds: float = 1.0


@dataclass(frozen=True)
class FmPatch:
    """Frequency modulation (Chowning 1973): one carrier, several modulators beside each other."""

    modulators: tuple[Modulator, ...]
    ring_seconds: float = 4.0
    damping: float = 0.4
    attack_seconds: float = 0.003
    release_seconds: float = 0.12


@dataclass(frozen=True)
class StringPatch:
    """A plucked string (Karplus & Strong 1983, with Jaffe & Smith's damping and pick position)."""

    ring_seconds: float = 3.0
    brightness: float = 0.5
    pick_position: float = 0.13
    release_seconds: float = 0.12
    body: tuple[Formant, ...] = ()
    pick_noise: float = 0.05


@dataclass(frozen=True)
class DistortedPatch:
    """An overdriven guitar, double-tracked; `power`: root, fifth and octave into one amplifier."""

    drive: float = 6.0
    power: bool = True
    ring_seconds: float = 9.0
    release_seconds: float = 0.06
    cabinet_hz: float = 4500.0


@dataclass(frozen=True)
class TexturePatch:
    """Rain, waves, vinyl: noise between two frequencies, grains on it, a swell of `swell_hz`.

    `hiss` is the level of the steady noise, `grains_per_second` how many drops or crackles fall.
    """

    low_hz: float
    high_hz: float
    hiss: float
    grains_per_second: float
    swell_hz: float
    attack_seconds: float = 0.8
    release_seconds: float = 0.8
    ring_seconds: float = 0.0


Patch: TypeAlias = LoopPatch | FmPatch | StringPatch | DistortedPatch | TexturePatch
