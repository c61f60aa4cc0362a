"""The look-ahead limiter: no true peak above the ceiling, at most `LOOKAHEAD` samples late."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from server.models.sketch.synthesis.signal import Signal, gain_of, settled

STEP = 32  # samples between two values of the gain
AHEAD_STEPS = 8
LOOKAHEAD = STEP * AHEAD_STEPS  # 5.3 ms
CEILING_DB = -1.8
_RELEASE = 0.006  # of the way back to 1, a step: about 110 ms
_TAPS = 10  # of the interpolation between samples
_LOUD = 0.5  # of the ceiling: below it nothing between the samples can be above


class Limiter:
    """Gives the gain curve that keeps a stereo mix under the ceiling.

    Values of the gain stand every `STEP` samples with straight lines between; the curve comes down
    over the look-ahead and is at its goal before the peak is there. Peaks between the samples are
    found by interpolation to four times the rate (ITU-R BS.1770-4, annex 2).
    """

    def __init__(self) -> None:
        self._ceiling = gain_of(CEILING_DB)
        self._wanted: list[float] = [1.0] * AHEAD_STEPS
        self._gain = 1.0
        self._past: Signal = np.zeros((2, _TAPS))

    def gains(self, mix: Signal) -> Signal:
        """The gain of the samples `LOOKAHEAD` before those of `mix` [2, n·STEP]: [n·STEP]."""
        goals = self._ceiling / np.maximum(self._peaks(mix), self._ceiling)
        if self._at_rest and goals.min() == 1.0:
            return np.full(mix.shape[1], self._gain)
        nodes = [self._gain]
        for wanted in goals.tolist():
            self._wanted.append(wanted)
            nodes.append(self._stepped())
            del self._wanted[0]
        low, high = np.array(nodes[:-1]), np.array(nodes[1:])
        ramp = np.arange(1, STEP + 1) / STEP
        curve: Signal = (low[:, np.newaxis] + (high - low)[:, np.newaxis] * ramp).reshape(-1)
        return curve

    @property
    def _at_rest(self) -> bool:
        return self._gain > 0.9999 and min(self._wanted) == 1.0

    def _stepped(self) -> float:
        """The next value: towards the lowest gain wanted ahead, in time for each."""
        gain = self._gain
        following = gain + (1.0 - gain) * _RELEASE
        if min(self._wanted) < following:
            for steps, wanted in enumerate(self._wanted):
                if wanted < gain:
                    following = min(following, gain + (wanted - gain) / max(steps, 1))
                else:
                    following = min(following, wanted)
        self._gain = following
        return following

    def _peaks(self, mix: Signal) -> Signal:
        """The highest magnitude of each step, between the samples too: [n]."""
        joined = np.concatenate([self._past, mix], axis=1)
        self._past = joined[:, -_TAPS:]
        peaks: Signal = np.abs(mix).max(axis=0).reshape(-1, STEP).max(axis=1)
        loud = np.flatnonzero(peaks > _LOUD * self._ceiling)
        if len(loud):
            # from half the taps before the step, so that the next stretch is not needed
            windows = np.stack([joined[:, at : at + STEP + _TAPS] for at in (loud * STEP).tolist()])
            peaks[loud] = np.maximum(peaks[loud], _between(windows))
        return peaks


def _between(windows: Signal) -> Signal:
    """The highest magnitude between the samples of `windows` [n, 2, STEP + taps]: [n]."""
    highest = np.zeros(windows.shape[0])
    for taps in _interpolators():
        value = np.zeros((windows.shape[0], 2, STEP))
        for place, tap in enumerate(taps):
            value += windows[..., place + 1 : place + 1 + STEP] * tap
        np.maximum(highest, np.abs(value).max(axis=(1, 2)), out=highest)
    return highest


@lru_cache(maxsize=1)
def _interpolators() -> tuple[tuple[float, ...], ...]:
    """Windowed sinc filters for a quarter, a half and three quarters of a sample."""
    return tuple(
        tuple(settled(_windowed_sinc(place - _TAPS / 2 + 1 - part)) for place in range(_TAPS))
        for part in (0.25, 0.5, 0.75)
    )


def _windowed_sinc(distance: float) -> float:
    window = math.cos(math.pi * distance / (_TAPS + 2)) ** 2
    return window * math.sin(math.pi * distance) / (math.pi * distance)
