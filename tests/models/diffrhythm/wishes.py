"""What the tests ask of the tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from server.generation import GenerationRequest, Recording
from tests.models.tiny_diffrhythm import TinyDiffRhythm, tiny_options

RATE = 44_100
#: Without guidance, which would be twice the work.
WISH = GenerationRequest("slow rock", model="diffrhythm", duration_seconds=95, seed=7, guidance=0.0)
LYRICS = "[00:02.00]Paper lanterns on the water\n[00:07.00]我说hello你说再见\n"


def unloaded(folder: Path, **changes: object) -> TinyDiffRhythm:
    return TinyDiffRhythm("diffrhythm", tiny_options(folder, **changes))


def noise(seconds: float, channels: int = 2, rate: int = RATE, peak: float = 0.3) -> Recording:
    random = np.random.default_rng(3)
    shape = (channels, int(seconds * rate))
    return Recording(random.uniform(-peak, peak, shape).astype(np.float32), rate)
