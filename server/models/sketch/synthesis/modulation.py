"""Renders `FmPatch` and `DistortedPatch`: spectra made by bending a wave."""

from __future__ import annotations

import math

import numpy as np

from server.models.sketch.synthesis.loops import (
    loop,
    loop_shape,
    loudness_of,
    loudness_weight,
    repeated,
)
from server.models.sketch.synthesis.patch import DistortedPatch, FmPatch
from server.models.sketch.synthesis.signal import (
    SAMPLE_RATE,
    Signal,
    fading,
    rising,
    samples_of,
    settled,
    sine,
    softly_clipped,
    stable,
)


def render_fm(patch: FmPatch, frequency: float, num_samples: int, shine: float) -> Signal:
    """The tone of `patch` at `frequency` Hz: [1, num_samples]; `shine` scales the indices."""
    turns = np.arange(num_samples, dtype=np.float64) * (frequency / SAMPLE_RATE)
    bent = turns.copy()
    room = min(1.0, 6000.0 / (frequency * 6.0))  # fewer sidebands where they would alias
    for modulator in patch.modulators:
        index = fading(num_samples, modulator.settle_seconds)
        index *= modulator.index - modulator.settled_index
        index += modulator.settled_index
        reach = min(1.0, 16_000.0 / (frequency * (modulator.ratio + 1.0)))
        index *= sine(turns * modulator.ratio) * (shine * room * reach / 6.2831853)
        bent += index
    ring = settled(patch.ring_seconds * (220.0 / frequency) ** patch.damping)
    tone = sine(bent) * fading(num_samples, ring)
    attack = min(samples_of(patch.attack_seconds), num_samples)
    tone[:attack] *= rising(attack)
    tone *= 0.25 / loudness_of(np.array([frequency, 2.0 * frequency]), np.array([0.9, 0.4]))
    return tone[np.newaxis]


def render_distorted(
    patch: DistortedPatch, frequency: float, num_samples: int, shine: float
) -> Signal:
    """The tone of `patch` at `frequency` Hz: [2, num_samples], two takes left and right."""
    takes = [_take(patch, frequency, number, shine) for number in (0, 1)]
    stereo = np.stack([repeated(take, num_samples) for take in takes])
    stereo *= fading(num_samples, patch.ring_seconds)
    stereo[:, :96] *= rising(96)[:num_samples]
    return stereo


def _take(patch: DistortedPatch, frequency: float, number: int, shine: float) -> Signal:
    """One loop through amplifier and cabinet: [M]."""
    cents = (-4.0, 4.0)[number]
    length, periods = loop_shape(settled(frequency * 0.5 * 2.0 ** (cents / 1200.0)))
    clean = _strings(patch, length * 4, periods, number)
    driven = softly_clipped(clean * patch.drive)
    spectrum = np.fft.rfft(driven)[: length // 2 + 1] / 4.0
    hertz = np.arange(length // 2 + 1, dtype=np.float64) * (SAMPLE_RATE / length)
    spectrum *= _cabinet(hertz, patch.cabinet_hz * shine)
    strength = np.abs(spectrum) / (length / 2.0)
    power = float(np.sum(strength**2 * loudness_weight(np.maximum(hertz, 1.0)))) * 0.5
    return stable(np.fft.irfft(spectrum, length) * (0.25 / math.sqrt(power)) * 0.25) * 4.0


def _strings(patch: DistortedPatch, length: int, periods: int, number: int) -> Signal:
    """What the pickup hears; `periods` are those an octave below the root: [length]."""
    ratios = (2, 3, 4) if patch.power else (2,)
    clean = np.zeros(length)
    orders = np.arange(1, 13, dtype=np.float64)
    for string, ratio in enumerate(ratios):
        phases = np.mod(orders * (0.21 + 0.37 * number) + 0.17 * string, 1.0)
        level = 0.5 if string == 0 else 0.32
        clean += loop(length, orders * periods * ratio, level / orders, phases)
    return clean


def _cabinet(hertz: Signal, cutoff_hz: float) -> Signal:
    """A guitar speaker: no lows under 90 Hz, a bump at 2.4 kHz, steep above: [num_bins]."""
    lows = hertz**2 / (hertz**2 + 90.0**2)
    presence = 1.0 + 0.8 / (1.0 + ((hertz - 2400.0) / 900.0) ** 2)
    highs = 1.0 / (1.0 + (hertz / cutoff_hz) ** 6)
    response: Signal = lows * presence * highs
    return response
