"""Sound at another rate, or in another number of channels."""

from __future__ import annotations

from math import gcd

import numpy as np

from server.events import Samples


def resampled(samples: Samples, sample_rate: int, wanted_rate: int) -> Samples:
    """`samples` [channels, n] at `wanted_rate`: [channels, ceil(n * wanted_rate / sample_rate)].

    By scipy's polyphase filter, which shifts nothing in time. Blocking.
    """
    from scipy.signal import resample_poly  # takes most of a second to import

    if sample_rate == wanted_rate:
        return samples
    common = gcd(sample_rate, wanted_rate)
    made = resample_poly(samples, wanted_rate // common, sample_rate // common, axis=1)
    return made.astype(np.float32)


def as_stereo(samples: Samples) -> Samples:
    """`samples` [channels, n] as [2, n]: one channel on both sides; of many, the first two."""
    return samples[:2] if len(samples) > 1 else np.repeat(samples, 2, axis=0)
