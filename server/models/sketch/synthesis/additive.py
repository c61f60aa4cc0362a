"""Renders `LoopPatch`: partials in bands, each a seamless loop under its own envelope."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from server.models.sketch.synthesis.loops import (
    HIGHEST_HZ,
    body_gains,
    loop,
    loop_shape,
    loudness_of,
    repeated,
)
from server.models.sketch.synthesis.patch import LoopPatch
from server.models.sketch.synthesis.signal import (
    SAMPLE_RATE,
    Signal,
    fading,
    kept_noise,
    looked_up,
    rising,
    samples_of,
    settled,
    sine,
)

_TABLE_SAMPLES = 2048
_LEAST = 1e-3  # a band below -60 dB of the tone is left out


def render_loop(patch: LoopPatch, frequency: float, num_samples: int, shine: float) -> Signal:
    """The tone of `patch` at `frequency` Hz, [1 or 2, num_samples], of equal loudness at any pitch.

    `shine` multiplies every cutoff: above 1 brighter, below 1 darker.
    """
    spectrum = _Spectrum(patch, frequency, shine)
    unison = _Unison(spectrum, num_samples)
    tone = np.zeros((unison.num_channels, num_samples))
    for band in spectrum.bands():
        length = min(num_samples, band.num_samples(num_samples))
        tone[:, :length] += unison.waves(band, length) * band.envelope(patch, length)
    if patch.breath:
        tone += _breath(patch, num_samples)
    attack = min(samples_of(patch.attack_seconds), num_samples)
    tone[:, :attack] *= rising(attack)
    return tone


class _Unison:
    """The voices of a patch: slightly detuned copies, panned apart where the patch says so."""

    def __init__(self, spectrum: _Spectrum, num_samples: int) -> None:
        patch = spectrum.patch
        self._spectrum = spectrum
        self.num_channels = 2 if any(pan for _, pan in patch.unison) else 1
        self._pans = [pan for _, pan in patch.unison]
        self._level = len(patch.unison) ** -0.5
        self._frequencies = [
            settled(spectrum.frequency * math.pow(2.0, cents / 1200.0)) for cents, _ in patch.unison
        ]
        self._turns = [
            _turns(patch, frequency, num_samples) if patch.vibrato_cents else None
            for frequency in self._frequencies
        ]

    def waves(self, band: _Band, num_samples: int) -> Signal:
        """The band of all voices together, without its envelope: [channels, num_samples]."""
        total = np.zeros((self.num_channels, num_samples))
        for number, (frequency, pan) in enumerate(zip(self._frequencies, self._pans, strict=True)):
            turns = self._turns[number]
            if turns is None:
                wave = self._spectrum.looped(band, frequency, number, num_samples)
            else:
                wave = self._spectrum.bent(band, number, turns[:num_samples])
            for channel, side in enumerate((-1.0, 1.0)[: self.num_channels]):
                gain = (1.0 + side * pan) if self.num_channels == 2 else 1.0
                total[channel] += wave * (gain * self._level)
        return total


class _Band:
    """Neighbouring partials that share an envelope."""

    def __init__(self, orders: Signal, amplitudes: Signal, settled_share: float, ring: float):
        self.orders = orders
        self.amplitudes = amplitudes
        self.settled_share = settled_share
        self.ring_seconds = ring

    def num_samples(self, longest: int) -> int:
        """How long the band is heard: it has lost 72 dB by then."""
        return samples_of(self.ring_seconds * 1.2) if self.ring_seconds else longest

    def envelope(self, patch: LoopPatch, num_samples: int) -> Signal | float:
        """The band's level over time: [num_samples], or 1 where it does not change."""
        share = self.settled_share
        level: Signal | float = 1.0
        if share < 0.999:
            level = fading(num_samples, patch.settle_seconds, 1.0 - share) + share
        if self.ring_seconds:
            level = level * fading(num_samples, self.ring_seconds)
        return level


class _Spectrum:
    """The partials of a patch at one frequency, at the attack and when settled."""

    def __init__(self, patch: LoopPatch, frequency: float, shine: float) -> None:
        self.patch, self.frequency = patch, frequency
        self.orders = _orders(patch, frequency)
        self.hertz = self._hertz()
        raw = _raw_amplitudes(patch, self.orders) * body_gains(patch.formants, self.hertz)
        follow = settled((frequency / 261.6) ** patch.tracking) * shine
        first = raw * _low_pass(self.hertz, patch.cutoff_hz * follow, patch.slope)
        settle = (patch.settle_hz or patch.cutoff_hz) * follow
        last = raw * _low_pass(self.hertz, settle, patch.slope)
        scale = 0.25 / loudness_of(self.hertz, 0.5 * (first + last))
        self.first, self.last = first * scale, last * scale

    def _hertz(self) -> Signal:
        stretched = self.orders * np.sqrt(1.0 + self.patch.stretch * self.orders**2)
        hertz: Signal = self.frequency * stretched
        return hertz

    def bands(self) -> list[_Band]:
        if not self.patch.ring_seconds and not self.patch.settle_hz:
            return [_Band(self.orders, self.first, 1.0, 0.0)]
        edges = [1, 2, 3, 5, 8, 14, 24, 48, 1000]
        bands = [self._band(low, high) for low, high in pairwise(edges)]
        return [band for band in bands if band is not None]

    def _band(self, low: int, high: int) -> _Band | None:
        inside = (self.orders >= low) & (self.orders < high)
        first, last = self.first[inside], self.last[inside]
        strength = math.sqrt(float(np.sum(first * first)))
        if strength < _LEAST:
            return None
        share = settled(math.sqrt(float(np.sum(last * last))) / strength)
        ring = 0.0
        if self.patch.ring_seconds:
            middle = float(np.mean(self.hertz[inside]))
            ring = settled(self.patch.ring_seconds * (220.0 / middle) ** self.patch.damping)
        return _Band(self.orders[inside], first, min(share, 1.0), ring)

    def looped(self, band: _Band, frequency: float, number: int, num_samples: int) -> Signal:
        """The band at a steady `frequency`: [num_samples]; `number` sets voices apart in phase."""
        length, periods = loop_shape(frequency)
        if self.patch.stretch:  # finer bins, for partials that are no multiples
            length, periods = length * 4, periods * 4
        bins = np.rint(self.hertz[band.orders.astype(np.int64) - 1] / self.frequency * periods)
        return repeated(loop(length, bins, band.amplitudes, _phases(band, number)), num_samples)

    def bent(self, band: _Band, number: int, turns: Signal) -> Signal:
        """The band along the phase `turns` [n], which may waver: [n]."""
        period = loop(_TABLE_SAMPLES, band.orders, band.amplitudes, _phases(band, number))
        return looked_up(np.append(period, period[0]), turns)


def _phases(band: _Band, number: int) -> Signal:
    """Scattered phases in turns, so that partials do not peak together: [num_partials]."""
    scattered: Signal = np.mod(band.orders * (band.orders * 0.031 + number * 0.37), 1.0)
    return scattered


def _orders(patch: LoopPatch, frequency: float) -> Signal:
    """1, 2, 3… up to the highest partial that is heard."""
    highest = max(int(HIGHEST_HZ / frequency), 1)
    if isinstance(patch.wave, tuple):
        highest = min(highest, len(patch.wave))
    return np.arange(1, min(highest, 160) + 1, dtype=np.float64)


def _raw_amplitudes(patch: LoopPatch, orders: Signal) -> Signal:
    """The amplitudes of the waveform's partials: [num_partials]."""
    if isinstance(patch.wave, tuple):
        return np.array(patch.wave[: len(orders)], dtype=np.float64)
    odd = np.mod(orders, 2.0)
    shapes = {
        "saw": 1.0 / orders,
        "square": odd / orders,
        "triangle": odd / (orders * orders),
        "pulse": np.abs(np.sin(np.pi * orders * 0.22)) / orders,
    }
    shape: Signal = shapes[patch.wave]
    return shape


def _low_pass(hertz: Signal, cutoff_hz: float, slope: int) -> Signal:
    """The magnitude of a Butterworth low-pass of `slope` poles: [num_partials]."""
    gains: Signal = 1.0 / np.sqrt(1.0 + (hertz / cutoff_hz) ** (2 * slope))
    return gains


def _turns(patch: LoopPatch, frequency: float, num_samples: int) -> Signal:
    """The phase in turns, with a vibrato that comes in after the attack: [num_samples]."""
    count = np.arange(num_samples, dtype=np.float64)
    depth = settled((2.0 ** (patch.vibrato_cents / 1200.0) - 1.0) * frequency / patch.vibrato_hz)
    onset = np.clip((count / SAMPLE_RATE - 0.12) / 0.35, 0.0, 1.0)
    swing = sine(count * (patch.vibrato_hz / SAMPLE_RATE)) * onset
    turns: Signal = count * (frequency / SAMPLE_RATE) + swing * (depth / 6.2831853)
    return turns


def _breath(patch: LoopPatch, num_samples: int) -> Signal:
    """The noise of air or bow: [num_samples]."""
    hiss = np.resize(kept_noise(SAMPLE_RATE, 77), num_samples)
    return hiss * (0.05 * patch.breath)
