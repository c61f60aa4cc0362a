"""Band-limited waveforms by additive synthesis: exact periods that loop without a seam.

A tone of any pitch is a loop of M samples that holds K periods, M and K chosen so that the pitch is
right within a fraction of a cent. The partials are the bins of an inverse FFT, so nothing aliases.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from server.models.sketch.synthesis.patch import Formant
from server.models.sketch.synthesis.signal import SAMPLE_RATE, Signal, settled, stable

_SHORTEST, _LONGEST = 1024, 5000
HIGHEST_HZ = 19_000.0


@lru_cache(maxsize=4096)
def loop_shape(frequency: float) -> tuple[int, int]:
    """(M samples, K periods) of the shortest loop in tune with `frequency` in Hz.

    M is even. The error is under half a cent where lengths that are quick to transform allow it,
    else the least there is.
    """
    for lengths, enough in ((_smooth_lengths(), 2.9e-4), (np.arange(_SHORTEST, _LONGEST, 2), 1.0)):
        periods = np.maximum(np.rint(frequency * lengths / SAMPLE_RATE), 1.0)
        errors = np.abs(periods * SAMPLE_RATE / (lengths * frequency) - 1.0)
        best = int(np.argmin(errors))
        if errors[best] < enough:
            break
    return int(lengths[best]), int(periods[best])


@lru_cache(maxsize=1)
def _smooth_lengths() -> NDArray[np.int64]:
    """Even lengths without prime factors above 7: their FFT is fast."""
    lengths = np.arange(_SHORTEST, _LONGEST, 2)
    left = lengths.copy()
    for prime in (2, 3, 5, 7):
        while (divisible := left % prime == 0).any():
            left[divisible] //= prime
    smooth: NDArray[np.int64] = lengths[left == 1]
    return smooth


def phases_of(num_partials: int) -> Signal:
    """Phases in turns that keep the peak of many partials low (Schroeder 1970): [num_partials]."""
    order = np.arange(1, num_partials + 1)
    turns: Signal = np.mod(order * order * 0.5 / max(num_partials, 1), 1.0)
    return turns


def loop(
    num_samples: int, bins: Signal, amplitudes: Signal, phases: Signal | None = None
) -> Signal:
    """The sum of sines at FFT `bins` with `amplitudes` and `phases` in turns: [num_samples]."""
    turns = phases_of(len(bins)) if phases is None else phases
    spectrum = np.zeros(num_samples // 2 + 1, dtype=np.complex128)
    places = bins.astype(np.int64)
    kept = places < num_samples // 2
    values = amplitudes * np.exp(2j * np.pi * (turns - 0.25)) * (num_samples / 2)
    np.add.at(spectrum, places[kept], values[kept])
    return stable(np.fft.irfft(spectrum, num_samples))


def repeated(period: Signal, num_samples: int) -> Signal:
    """`period` over and over: [num_samples]."""
    times = -(-num_samples // len(period))
    return np.tile(period, times)[:num_samples]


def loudness_weight(frequencies: Signal) -> Signal:
    """How much power the ear's weighting (ITU-R BS.1770-4) gives each frequency in Hz: [n].

    A smooth stand-in for its two filters, within half a decibel from 40 Hz to 16 kHz.
    """
    squared = frequencies * frequencies
    high_pass = (squared / (squared + 38.1**2)) ** 2
    shelf = (1500.0**2 + 10**0.4 * squared) / (1500.0**2 + squared)
    weights: Signal = high_pass * shelf
    return weights


def loudness_of(frequencies: Signal, amplitudes: Signal) -> float:
    """The weighted RMS of sines with `amplitudes` at `frequencies` in Hz."""
    power = float(np.sum(amplitudes * amplitudes * loudness_weight(frequencies)) * 0.5)
    return settled(max(power, 1e-12) ** 0.5)


def body_gains(formants: tuple[Formant, ...], frequencies: Signal) -> Signal:
    """What a body with these resonances does to partials at `frequencies` in Hz: [n]."""
    if not formants:
        return np.ones(len(frequencies))
    gains = np.full(len(frequencies), 0.12)
    for formant in formants:
        gains += formant.gain / (1.0 + ((frequencies - formant.hertz) / formant.width_hertz) ** 2)
    return gains
