"""Filters with coefficients that are the same on every machine."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.signal import butter, sosfilt

from server.models.sketch.synthesis.signal import SAMPLE_RATE, Signal

Shape = Literal["lowpass", "highpass", "bandpass"]


@lru_cache(maxsize=256)
def sections(shape: Shape, low_hz: float, high_hz: float = 0.0, order: int = 2) -> Signal:
    """Second-order sections [n, 6] of a Butterworth filter, rounded to ten decimals."""
    edges = [low_hz, high_hz] if shape == "bandpass" else low_hz
    designed = butter(order, edges, btype=shape, fs=SAMPLE_RATE, output="sos")
    return np.asarray(np.round(designed, 10), dtype=np.float64)


def filtered(values: Signal, sos: Signal) -> Signal:
    """`values` through `sos` from rest, along the last axis: the same shape."""
    result: Signal = np.asarray(sosfilt(sos, values), dtype=np.float64)
    return result


def low_passed(values: Signal, hertz: float, order: int = 2) -> Signal:
    """What lies below `hertz`."""
    return filtered(values, sections("lowpass", min(hertz, 20_000.0), order=order))


def high_passed(values: Signal, hertz: float, order: int = 2) -> Signal:
    """What lies above `hertz`."""
    return filtered(values, sections("highpass", min(hertz, 20_000.0), order=order))


def band_passed(values: Signal, low_hz: float, high_hz: float, order: int = 1) -> Signal:
    """What lies between `low_hz` and `high_hz`, at least half an octave."""
    high = min(high_hz, 20_000.0)
    return filtered(values, sections("bandpass", min(low_hz, 0.7 * high), high, order=order))
