"""Renders `TexturePatch`: stereo noise with grains."""

from __future__ import annotations

import numpy as np

from server.models.sketch.synthesis.filters import band_passed
from server.models.sketch.synthesis.patch import TexturePatch
from server.models.sketch.synthesis.signal import (
    SAMPLE_RATE,
    Signal,
    fading,
    noise,
    rising,
    samples_of,
    settled,
    sine,
)

_GRAIN_SECONDS = 0.012


def render_texture(patch: TexturePatch, seed: int, num_samples: int, shine: float) -> Signal:
    """A stretch of the texture: [2, num_samples]; another `seed` gives another stretch."""
    sides = [_side(patch, 2 * seed + side, num_samples, shine) for side in (0, 1)]
    sound = np.stack(sides)
    if patch.swell_hz:
        turns = (
            np.arange(num_samples, dtype=np.float64) * (patch.swell_hz / SAMPLE_RATE) + 0.13 * seed
        )
        sound *= 0.55 + 0.45 * sine(turns)
    attack = min(samples_of(patch.attack_seconds), num_samples)
    sound[:, :attack] *= rising(attack)
    return sound


def _side(patch: TexturePatch, seed: int, num_samples: int, shine: float) -> Signal:
    raw = noise(num_samples, 1000 + seed) * patch.hiss
    grains = _grains(patch, seed, num_samples)
    coloured = band_passed(raw + grains, patch.low_hz, patch.high_hz * min(shine, 2.0))
    power = float(np.square(coloured).cumsum()[-1]) / num_samples
    return coloured * settled(0.25 / max(power, 1e-9) ** 0.5)


def _grains(patch: TexturePatch, seed: int, num_samples: int) -> Signal:
    """Short bursts at odd moments: [num_samples]."""
    count = round(patch.grains_per_second * num_samples / SAMPLE_RATE)
    grain = fading(samples_of(_GRAIN_SECONDS), _GRAIN_SECONDS)
    sound = np.zeros(num_samples + len(grain))
    draws = noise(4 * count + 4, 5000 + seed)
    for number in range(count):
        first = int((draws[2 * number] + 1.0) * 0.5 * num_samples)
        strength = draws[2 * number + 1]
        sound[first : first + len(grain)] += grain * (strength * strength * strength * 6.0)
    return sound[:num_samples] * noise(num_samples, 9000 + seed)
