"""Side-chain: the kick pushes the other buses down for a moment. The curve comes from the score."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from server.models.sketch.composition.score import Score
from server.models.sketch.synthesis.kits import MIDI_OF
from server.models.sketch.synthesis.signal import SAMPLE_RATE, Signal, rising, samples_of

_DOWN_SECONDS, _UP_SECONDS = 0.006, 0.24


class Ducking:
    """Gain curves of `depth` (0 nothing, 1 to silence) around the kicks of a score."""

    def __init__(self, score: Score, depth: float) -> None:
        kick = MIDI_OF["kick"]
        self._down = samples_of(_DOWN_SECONDS)
        fall, rise = rising(self._down)[::-1], rising(samples_of(_UP_SECONDS))
        self._dip = 1.0 - depth * (1.0 - np.concatenate([fall, rise]))
        hits = [
            score.samples_at(note.start_ticks, SAMPLE_RATE) - self._down
            for part in score.parts
            if part.bus == "drums"
            for note in part.notes
            if note.pitch == kick
        ]
        self._starts = sorted(hits) if depth > 0 else []

    def __bool__(self) -> bool:
        return bool(self._starts)

    def curve(self, start: int, stop: int) -> Signal:
        """The gain of the samples from `start` to `stop`: [stop - start]."""
        gains = np.ones(stop - start)
        for first in self._starts[bisect_left(self._starts, start - len(self._dip)) :]:
            if first >= stop:
                break
            low, high = max(first, start), min(first + len(self._dip), stop)
            inside = gains[low - start : high - start]
            np.minimum(inside, self._dip[low - first : high - first], out=inside)
        return gains
