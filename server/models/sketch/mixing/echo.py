"""The echo: a delay in time with the music that swings from side to side."""

from __future__ import annotations

import numpy as np

from server.models.sketch.synthesis.signal import Signal

_FEEDBACK = 0.38  # from the right back to the left
_CROSSING = 0.62  # from the left to the right


class Echo:
    """Repeats a mono send every `delay_samples`, left and right in turn; state is carried."""

    def __init__(self, delay_samples: int) -> None:
        self._delay = delay_samples
        self._line = np.zeros((2, delay_samples))

    def __call__(self, send: Signal) -> Signal:
        """The echoes of `send` [n]: [2, n]."""
        out = np.empty((2, len(send)))
        for start in range(0, len(send), self._delay):
            stop = min(start + self._delay, len(send))
            out[:, start:stop] = self._turned(send[start:stop])
        return out

    def _turned(self, send: Signal) -> Signal:
        """At most one delay's length: what comes out while `send` goes in."""
        count = len(send)
        coming = self._line[:, :count]
        entering = np.stack([send + coming[1] * _FEEDBACK, coming[0] * _CROSSING])
        self._line = np.concatenate([self._line[:, count:], entering], axis=1)
        return coming
