"""Brings finished sound to a level: `normalize` of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from server.audio.loudness import loudness
from server.events import Samples

#: The highest sample after a normalization of either kind: room for a lossy format's overshoot.
PEAK_DBFS = -1.0
#: What streaming services play music at.
TARGET_LUFS = -16.0


def gain_to(
    level: Literal["peak", "loudness"] | None, chunks: Sequence[Samples], sample_rate: int
) -> np.float32:
    """The gain that brings the joined `chunks`, each [channels, n], to `level`; 1 for None.

    Loudness never costs a clipped sample: sound whose peaks would pass PEAK_DBFS stays softer.
    Silence stays silence. Blocking.
    """
    highest = max((float(np.abs(chunk).max(initial=0.0)) for chunk in chunks), default=0.0)
    if level is None or not highest:
        return np.float32(1.0)
    to_peak = _gain(PEAK_DBFS) / highest
    if level == "peak":
        return np.float32(to_peak)
    return np.float32(min(to_peak, _gain(TARGET_LUFS - loudness(chunks, sample_rate))))


def _gain(decibels: float) -> float:
    return float(10.0 ** (decibels / 20.0))
