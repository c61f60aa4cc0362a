"""The ground the sounds stand on: exact arithmetic on float64 arrays.

Multiplying, adding, indexing and IIR filtering give the same bits everywhere, sines and powers do
not: they differ in the last bit between versions of NumPy and between processors. So what such a
function made is rounded to a coarse grid (`stable`) before it becomes sound.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 48_000
GRID = 2.0**30  # -180 dB: far below hearing, far above an ulp

Signal: TypeAlias = NDArray[np.float64]


def stable(values: Signal) -> Signal:
    """`values` (within about ±1) rounded to the grid on which every machine agrees."""
    rounded: Signal = np.rint(values * GRID) / GRID
    return rounded


def settled(value: float) -> float:
    """One number, made stable: nine significant digits."""
    return float(f"{value:.8e}")


def samples_of(seconds: float) -> int:
    """How many samples `seconds` are, rounded."""
    return round(seconds * SAMPLE_RATE)


def frequency_of(pitch: float) -> float:
    """The frequency in Hz of a MIDI pitch in equal temperament, A4 (69) = 440 Hz."""
    return settled(440.0 * math.pow(2.0, (pitch - 69.0) / 12.0))


def gain_of(decibels: float) -> float:
    """The factor that `decibels` are."""
    return settled(math.pow(10.0, decibels / 20.0))


def falling(num_samples: int, ratio: float, first: float = 1.0) -> Signal:
    """`first`, `first·ratio`, `first·ratio²`…: [num_samples], by multiplication alone."""
    curve = np.empty(num_samples)
    if num_samples == 0:
        return curve
    curve[0] = first
    filled, factor = 1, ratio
    while filled < num_samples:
        count = min(filled, num_samples - filled)
        np.multiply(curve[:count], factor, out=curve[filled : filled + count])
        filled += count
        factor *= factor
    return curve


def fading(num_samples: int, seconds_to_60_db: float, first: float = 1.0) -> Signal:
    """An exponential decay that has lost 60 dB after `seconds_to_60_db`: [num_samples]."""
    return falling(num_samples, decay_ratio(seconds_to_60_db), first)


@lru_cache(maxsize=4096)
def decay_ratio(seconds_to_60_db: float) -> float:
    """The factor from sample to sample of such a decay."""
    # rounded is the distance from 1: nine digits of the ratio itself would be too few
    return 1.0 - settled(-math.expm1(-6.907755 / max(seconds_to_60_db * SAMPLE_RATE, 1.0)))


@lru_cache(maxsize=256)
def rising(num_samples: int) -> Signal:
    """Half a cosine from 0 to 1, both ends excluded: [num_samples]. Not to be written to."""
    curve = stable(0.5 - 0.5 * np.cos(np.pi * (np.arange(num_samples) + 0.5) / max(num_samples, 1)))
    curve.flags.writeable = False
    return curve


@lru_cache(maxsize=1)
def sine_table() -> Signal:
    """One period of a sine in 4096 steps and one sample more, for interpolation: [4097]."""
    table = stable(np.sin(2.0 * np.pi * np.arange(4097) / 4096.0))
    table.flags.writeable = False
    return table


def looked_up(table: Signal, turns: Signal) -> Signal:
    """`table` (one period and its first sample again) read at `turns` of the period: [n]."""
    size = len(table) - 1
    place = turns * size
    whole = np.floor(place)
    index = whole.astype(np.int64) & (size - 1)
    low = table[index]
    read: Signal = low + (table[index + 1] - low) * (place - whole)
    return read


def sine(turns: Signal) -> Signal:
    """The sine of `turns` (1 is a full period): [n]."""
    return looked_up(sine_table(), turns)


def noise(num_samples: int, seed: int) -> Signal:
    """White noise, evenly spread over ±1: [num_samples]."""
    # the raw stream: NumPy keeps it, while what a Generator makes of it may change
    raw = np.random.PCG64(seed).random_raw(num_samples)
    spread: Signal = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
    return spread


@lru_cache(maxsize=16)
def kept_noise(num_samples: int, seed: int) -> Signal:
    """The same, kept for the next time. Not to be written to."""
    kept = noise(num_samples, seed)
    kept.flags.writeable = False
    return kept


def softly_clipped(values: Signal) -> Signal:
    """A saturating curve that never leaves ±1 (a rational stand-in for tanh): the same shape."""
    held = np.clip(values, -3.0, 3.0)
    square = held * held
    clipped: Signal = held * (27.0 + square) / (27.0 + 9.0 * square)
    return clipped
