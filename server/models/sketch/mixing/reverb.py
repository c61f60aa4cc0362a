"""Reverberation: a feedback delay network (Jot & Chaigne 1991) of eight lines, at half the rate."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from server.models.sketch.synthesis.signal import SAMPLE_RATE, Signal, settled

_RATE = SAMPLE_RATE // 2
_DELAYS = (1031, 1171, 1327, 1493, 1613, 1789, 1951, 2129)  # primes, samples at half the rate
_BLOCK = min(_DELAYS)


class Reverb:
    """Turns a mono send into stereo; `seconds` is the time to fall 60 dB, `damping` 0 to 1 its
    darkness. State is carried from call to call."""

    def __init__(self, seconds: float, damping: float = 0.45) -> None:
        gains = [settled(10.0 ** (-3.0 * delay / (_RATE * seconds))) for delay in _DELAYS]
        self._gains = np.array(gains)[:, np.newaxis]
        self._damping = damping
        self._lines: Signal = np.zeros((8, max(_DELAYS)))
        self._damped: Signal = np.zeros((8, 1))
        self._held: Signal = np.zeros((2, 1))

    def __call__(self, send: Signal) -> Signal:
        """The reverberation of `send` [n], n even: [2, n]."""
        return self._doubled(self._network(0.5 * (send[0::2] + send[1::2])))

    def _network(self, send: Signal) -> Signal:
        """At half the rate: [n] to [2, n]."""
        longest = max(_DELAYS)
        lines = np.concatenate([self._lines, np.empty((8, len(send)))], axis=1)
        out = np.empty((2, len(send)))
        for start in range(0, len(send), _BLOCK):
            stop = min(start + _BLOCK, len(send))
            echoes = np.stack(
                [lines[n, longest - d + start : longest - d + stop] for n, d in enumerate(_DELAYS)]
            )
            out[0, start:stop] = echoes[0] + echoes[2] - echoes[4] - echoes[6]
            out[1, start:stop] = echoes[1] + echoes[3] - echoes[5] - echoes[7]
            damped, state = lfilter(
                [1.0 - self._damping], [1.0, -self._damping], echoes, axis=1, zi=self._damped
            )
            self._damped = np.asarray(state, dtype=np.float64)
            lines[:, longest + start : longest + stop] = (
                _reflected(damped) * self._gains + send[start:stop]
            )
        self._lines = lines[:, len(send) :].copy()
        return out * 0.3

    def _doubled(self, halved: Signal) -> Signal:
        """Back to the full rate by straight lines between samples: [2, n] to [2, 2n]."""
        joined = np.concatenate([self._held, halved], axis=1)
        self._held = joined[:, -1:]
        out = np.empty((2, 2 * halved.shape[1]))
        out[:, 0::2] = 0.5 * (joined[:, :-1] + joined[:, 1:])
        out[:, 1::2] = joined[:, 1:]
        return out


def _reflected(lines: Signal) -> Signal:
    """The Householder reflection of eight lines: each goes into all others, no energy is lost."""
    reflected: Signal = lines - lines.sum(axis=0) * 0.25
    return reflected
