"""How loud music is heard to be: the weighting and the gates of ITU-R BS.1770-4.

Our own, since it is measured stretch after stretch: the usual library wants the whole piece at
once, in 64 bits, and none shorter than 0.4 s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from server.events import Samples

STEP_SECONDS = 0.1
SILENCE_POWER = 1e-9
OFFSET_LUFS = -0.691  # of the standard's formula
GATE_LUFS = -70.0
STEPS_PER_BLOCK = 4

Signal = NDArray[np.float64]


def loudness(chunks: Iterable[Samples], sample_rate: int) -> float:
    """The integrated loudness in LUFS of the joined `chunks`, each [channels, n]; all channels
    count alike, as those of mono and stereo do."""
    return lufs_of(integrated_power(np.array(list(_step_powers(chunks, sample_rate)))))


def lufs_of(power: float) -> float:
    return OFFSET_LUFS + 10.0 * math.log10(power)


def power_of(lufs: float) -> float:
    return math.pow(10.0, (lufs - OFFSET_LUFS) / 10.0)


def integrated_power(power: Signal) -> float:
    """The gated mean of weighted power (one value each 0.1 s), as the standard integrates it."""
    if len(power) < STEPS_PER_BLOCK:
        return max(float(np.mean(power)), SILENCE_POWER) if len(power) else SILENCE_POWER
    blocks = (power[:-3] + power[1:-2] + power[2:-1] + power[3:]) / STEPS_PER_BLOCK
    blocks = blocks[blocks > power_of(GATE_LUFS)]
    if not len(blocks):
        return SILENCE_POWER
    return float(np.mean(blocks[blocks > 0.1 * np.mean(blocks)]))


@lru_cache(maxsize=4)
def weighting(sample_rate: int) -> Signal:
    """The two filters of the standard by the bilinear transform at `sample_rate` Hz: [2, 6]."""
    shelf = _biquad(1681.974450955533, 0.7071752369554196, sample_rate, 3.999843853973347)
    high_pass = _biquad(38.13547087602444, 0.5003270373238773, sample_rate, None)
    return np.round(np.array([shelf, high_pass]), 12)


def _biquad(hertz: float, quality: float, rate: int, shelf_db: float | None) -> list[float]:
    """A high shelf of `shelf_db`, or a high-pass where that is None, as one section."""
    k = math.tan(math.pi * hertz / rate)
    norm = 1.0 + k / quality + k * k
    feedback = [1.0, 2.0 * (k * k - 1.0) / norm, (1.0 - k / quality + k * k) / norm]
    if shelf_db is None:
        return [1.0, -2.0, 1.0, *feedback]
    high = 10.0 ** (shelf_db / 20.0)
    band = high**0.4996667741545416
    return [
        (high + band * k / quality + k * k) / norm,
        2.0 * (k * k - high) / norm,
        (high - band * k / quality + k * k) / norm,
        *feedback,
    ]


def _step_powers(chunks: Iterable[Samples], sample_rate: int) -> Iterator[float]:
    """The weighted power of each 0.1 s, channels added; of what is left over at the end, none."""
    # scipy takes most of a second to import: not at the server's start
    from scipy.signal import sosfilt

    filters = weighting(sample_rate)
    state: Signal = np.zeros((len(filters), 1, 2))
    for step in _steps(chunks, round(STEP_SECONDS * sample_rate)):
        before = np.broadcast_to(state, (len(filters), len(step), 2))
        weighted, after = sosfilt(filters, step, axis=1, zi=before)
        state = np.asarray(after, dtype=np.float64)
        yield float(np.square(weighted).mean(axis=1).sum())


def _steps(chunks: Iterable[Samples], num_samples: int) -> Iterator[Samples]:
    """The joined `chunks` in pieces [channels, num_samples]."""
    rest: Samples | None = None
    for chunk in chunks:
        joined = chunk if rest is None else np.concatenate((rest, chunk), axis=1)
        end = joined.shape[1] - joined.shape[1] % num_samples
        for start in range(0, end, num_samples):
            yield joined[:, start : start + num_samples]
        rest = joined[:, end:]
