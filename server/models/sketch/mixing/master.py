"""The master: no DC, the right loudness, no peak above the ceiling, an end in silence.

All buses go through the same curves, so the stems add up to the mix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from server.models.sketch.composition.score import Score
from server.models.sketch.mixing.finish import Finish
from server.models.sketch.mixing.limiter import LOOKAHEAD, Limiter
from server.models.sketch.mixing.loudness import Leveller, expected_power
from server.models.sketch.synthesis.signal import (
    SAMPLE_RATE,
    Signal,
    gain_of,
    rising,
    samples_of,
    settled,
)

_POLE = 0.99895  # of the DC blocker: 8 Hz
_FADE_SECONDS = 1.2
_SHELF_HZ = 2200.0


class Master:
    """Finishes a piece stretch by stretch, `LOOKAHEAD` samples late."""

    def __init__(self, score: Score, finish: Finish) -> None:
        self._total = score.duration_seconds * SAMPLE_RATE
        self._fade = samples_of(min(_FADE_SECONDS, 0.3 * score.duration_seconds))
        self._leveller = Leveller(expected_power(score, finish))
        self._limiter = Limiter()
        self._toning = _toning(finish.tilt_db)
        self._toned: Signal | None = None
        self._delayed: Signal | None = None
        self._arrived = 0
        self._sent = 0

    def finished(self, mix: Signal, buses: Sequence[Signal]) -> Signal:
        """Takes the next of the mix [2, n] and its buses; gives what is ready of them all, mix
        first: [1 + num_buses, 2, m], on the 16-bit grid."""
        sounds = self._in_tone(np.stack([mix, *buses]))
        sounds *= self._leveller.gains(sounds[0], self._arrived)
        limits = self._limiter.gains(sounds[0])
        ready = self._late(sounds) * limits
        if self._arrived == 0:
            ready = ready[..., LOOKAHEAD:]
        self._arrived += mix.shape[1]
        ready = self._faded(ready[..., : self._total - self._sent])
        self._sent += ready.shape[-1]
        # on the grid of 16 bits here, where all is exact: later rounding finds nothing to decide
        return np.rint(np.clip(ready, -1.0, 1.0) * 32767.0) / 32767.0

    def _in_tone(self, sounds: Signal) -> Signal:
        """`sounds` without DC, the highs lifted or lowered."""
        if self._toned is None:
            self._toned = np.zeros((*sounds.shape[:2], 2))
        passed, state = lfilter(*self._toning, sounds, zi=self._toned)
        self._toned = np.asarray(state, dtype=np.float64)
        return np.asarray(passed, dtype=np.float64)

    def _late(self, sounds: Signal) -> Signal:
        """`sounds`, `LOOKAHEAD` samples later."""
        if self._delayed is None:
            self._delayed = np.zeros((*sounds.shape[:2], LOOKAHEAD))
        joined = np.concatenate([self._delayed, sounds], axis=2)
        self._delayed = joined[..., sounds.shape[2] :]
        return joined[..., : sounds.shape[2]]

    def _faded(self, ready: Signal) -> Signal:
        """Fades the last moments out."""
        place = self._sent + ready.shape[-1] - (self._total - self._fade)
        if place > 0:
            first = max(place - ready.shape[-1], 0)
            ready[..., ready.shape[-1] - (place - first) :] *= rising(self._fade)[::-1][first:place]
        return ready


def _toning(tilt_db: float) -> tuple[list[float], list[float]]:
    """Numerator and denominator of DC blocker and high shelf (first order, bilinear) in one."""
    k = settled(math.tan(math.pi * _SHELF_HZ / SAMPLE_RATE))
    high = gain_of(tilt_db)
    zero, pole = (k - high) / (1.0 + k), (k - 1.0) / (1.0 + k)
    first = (k + high) / (1.0 + k)
    return [first, zero - first, -zero], [1.0, pole - _POLE, -pole * _POLE]
