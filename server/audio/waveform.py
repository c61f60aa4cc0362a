"""From float samples to 16-bit PCM: one rule, the same for streamed and for whole sound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.events import Samples

FULL_SCALE = 32767


def to_pcm16(samples: Samples) -> NDArray[np.int16]:
    """Clip to ±1, times 32767, rounded to nearest.

    `samples` [channels, n] become interleaved frames [n, channels], little-endian.
    """
    scaled = np.rint(np.clip(samples, -1.0, 1.0) * np.float32(FULL_SCALE))
    return np.ascontiguousarray(scaled.T.astype("<i2"))
