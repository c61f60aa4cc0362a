"""Renders `StringPatch`: a plucked string as a delay line that filters itself."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import lfilter

from server.models.sketch.synthesis.loops import body_gains
from server.models.sketch.synthesis.patch import StringPatch
from server.models.sketch.synthesis.signal import (
    SAMPLE_RATE,
    Signal,
    kept_noise,
    rising,
    settled,
    stable,
)


def render_string(patch: StringPatch, frequency: float, num_samples: int, shine: float) -> Signal:
    """The tone of `patch` at `frequency` Hz: [1, num_samples]; `shine` above 1 is brighter."""
    brightness = min(max(patch.brightness * shine, 0.05), 0.98)
    smoothing = 0.5 * (1.0 - brightness) + 0.04
    period = SAMPLE_RATE / frequency - smoothing
    delay = int(period)
    taps = _loop_taps(smoothing, period - delay, _loss(patch, frequency))
    string = _ringing(_pluck(patch, delay, brightness), taps, delay, num_samples)
    string[: min(24, num_samples)] *= rising(24)[:num_samples]
    return (string * _level(string))[np.newaxis]


def _loss(patch: StringPatch, frequency: float) -> float:
    """The factor a period loses, so that 60 dB go in the ring time, shorter for high strings."""
    ring = patch.ring_seconds * math.sqrt(220.0 / max(frequency, 55.0))
    return settled(math.exp(-6.907755 / (frequency * ring)))


def _loop_taps(smoothing: float, fraction: float, loss: float) -> tuple[float, float, float]:
    """The loop's filter: smoothing and the fraction of a sample that the pitch wants."""
    keep, stay = 1.0 - smoothing, 1.0 - fraction
    return (
        loss * keep * stay,
        loss * (keep * fraction + smoothing * stay),
        loss * smoothing * fraction,
    )


def _pluck(patch: StringPatch, delay: int, brightness: float) -> Signal:
    """The first period: the velocity of a string let go at the pick's place, and a little noise.

    Softened by a one-pole low-pass around the period, so that it closes on itself, without DC.
    """
    count = delay + 2
    held = max(round(count * patch.pick_position), 1)
    shape = np.full(count, -held / count)
    shape[:held] += 1.0
    shape += kept_noise(8192, 11 + delay % 7)[:count] * patch.pick_noise
    pole = 0.9 - 0.75 * brightness
    twice = lfilter([1.0 - pole], [1.0, -pole], np.tile(shape, 2))
    period = np.asarray(twice[count:], dtype=np.float64)
    return _through_body(patch, period - math.fsum(period) / count)


def _through_body(patch: StringPatch, period: Signal) -> Signal:
    """The pluck as the body colours it: string and body may change places (Smith 1993)."""
    if not patch.body:
        return period
    spectrum = np.fft.rfft(period)
    hertz = np.arange(len(spectrum), dtype=np.float64) * (SAMPLE_RATE / len(period))
    return stable(np.fft.irfft(spectrum * body_gains(patch.body, hertz), len(period)))


def _ringing(
    pluck: Signal, taps: tuple[float, float, float], delay: int, num_samples: int
) -> Signal:
    """The pluck and its echoes through the loop, one period at a time: [num_samples]."""
    near, middle, far = taps
    line = np.zeros(num_samples + delay + 2)
    line[: delay + 2] = pluck[: delay + 2]
    for start in range(delay + 2, len(line), delay):
        stop = min(start + delay, len(line))
        line[start:stop] = line[start - delay : stop - delay] * near
        line[start:stop] += line[start - delay - 1 : stop - delay - 1] * middle
        line[start:stop] += line[start - delay - 2 : stop - delay - 2] * far
    return line[:num_samples]


def _level(string: Signal) -> float:
    """The gain that brings the first fifth of a second to the level of the other voices."""
    opening = string[: SAMPLE_RATE // 5]
    power = math.fsum(opening * opening) / max(len(opening), 1)
    return settled(0.22 / math.sqrt(max(power, 1e-9)))
