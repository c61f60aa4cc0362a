"""Renders drums: swept sines for skins, filtered noise for snares, squares for metal."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from server.models.sketch.synthesis.filters import band_passed, high_passed, low_passed
from server.models.sketch.synthesis.kits import Drum, Hiss, Metal, Skin, drum_of
from server.models.sketch.synthesis.signal import (
    SAMPLE_RATE,
    Signal,
    fading,
    noise,
    rising,
    samples_of,
    settled,
    sine,
    softly_clipped,
)

#: Velocities below this have the darker of two renderings.
SOFT_BELOW = 0.5
_TUNED_FROM_SECONDS = 0.2  # skins that ring longer have a pitch

_METAL_RATIOS = (1.0, 1.483, 1.8, 2.546, 2.63, 3.897)


def render_drum(drum: Drum, shine: float) -> Signal:
    """One hit at full velocity, panned: [2, n], peak `drum.level` before panning."""
    mixed: Signal = np.zeros(samples_of(max(_seconds(layer) for layer in drum.layers)))
    for number, layer in enumerate(drum.layers):
        sound = _layer(layer, shine, drum.midi * 8 + number)
        mixed[: len(sound)] += sound
    mixed = softly_clipped(mixed * drum.drive)
    fade = samples_of(0.01)
    mixed[-fade:] *= rising(fade)[::-1]
    mixed *= drum.level / max(float(np.max(np.abs(mixed))), 1e-6)
    return np.stack([mixed * min(1.0, 1.0 - drum.pan), mixed * min(1.0, 1.0 + drum.pan)])


def _seconds(layer: Skin | Hiss | Metal) -> float:
    return layer.ring_seconds + (max(layer.bursts, default=0.0) if isinstance(layer, Hiss) else 0.0)


def _layer(layer: Skin | Hiss | Metal, shine: float, seed: int) -> Signal:
    if isinstance(layer, Skin):
        return _skin(layer)
    return _hiss(layer, shine, seed) if isinstance(layer, Hiss) else _metal(layer, shine, seed)


def _skin(layer: Skin) -> Signal:
    num_samples = samples_of(layer.ring_seconds)
    sweep = fading(num_samples, layer.sweep_seconds, layer.start_hz - layer.end_hz)
    turns = np.cumsum((sweep + layer.end_hz) / SAMPLE_RATE)
    tone = sine(turns) * fading(num_samples, layer.ring_seconds, layer.level)
    tone[:48] *= rising(48)[:num_samples]
    return tone


def _hiss(layer: Hiss, shine: float, seed: int) -> Signal:
    num_samples = samples_of(_seconds(layer))
    burst = samples_of(layer.ring_seconds)
    attack = max(samples_of(layer.attack_seconds), 1)
    envelope = fading(burst, layer.ring_seconds, layer.level)
    envelope[:attack] *= rising(attack)[:burst]
    total = np.zeros(num_samples)
    for start in (0.0, *layer.bursts):
        first = samples_of(start)
        total[first : first + burst] += envelope[: num_samples - first]
    high = min(layer.high_hz * shine, 19_000.0)
    low = min(layer.low_hz * min(shine, 1.3), high * 0.7)
    coloured = band_passed(noise(num_samples, seed), low, high)
    return coloured * total * 1.6


def _metal(layer: Metal, shine: float, seed: int) -> Signal:
    num_samples = samples_of(layer.ring_seconds)
    count = np.arange(num_samples, dtype=np.float64)
    squares = np.zeros(num_samples)
    for ratio in _METAL_RATIOS:
        turns = count * (layer.base_hz * ratio / SAMPLE_RATE)
        squares += np.where(turns - np.floor(turns) < 0.5, 1.0, -1.0)
    hissing = squares / 6.0 + noise(num_samples, seed) * 0.5
    coloured = high_passed(hissing, min(layer.low_hz * min(shine, 1.3), 12_000.0))
    coloured = low_passed(coloured, min(15_000.0 * shine, 19_000.0), order=1)
    return coloured * fading(num_samples, layer.ring_seconds, layer.level)


@lru_cache(maxsize=96)
def hit(kit: str, midi: int, shine: float, soft: bool, tonic: int) -> Signal:
    """A hit of a kit's drum: [2, n]; `soft` is darker; skins that ring are tuned to the `tonic`
    (pitch class) or its fifth. Not to be written to."""
    drum = drum_of(kit, midi)
    drum = replace(drum, layers=tuple(_tuned(layer, tonic) for layer in drum.layers))
    if soft:
        drum = replace(drum, drive=max(1.0, drum.drive * 0.7))
    sound = render_drum(drum, shine * (0.75 if soft else 1.0))
    sound.flags.writeable = False
    return sound


def _tuned(layer: Skin | Hiss | Metal, tonic: int) -> Skin | Hiss | Metal:
    """A skin at the nearest pitch of tonic or fifth; other layers as they are."""
    if not isinstance(layer, Skin) or layer.ring_seconds < _TUNED_FROM_SECONDS:
        return layer
    pitch = 69.0 + 12.0 * math.log2(layer.end_hz / 440.0)
    distances = [(tonic + fifth - pitch + 6.0) % 12.0 - 6.0 for fifth in (0, 7)]
    factor = settled(math.pow(2.0, min(distances, key=abs) / 12.0))
    return replace(layer, start_hz=layer.start_hz * factor, end_hz=layer.end_hz * factor)
