"""Sound at another sample rate, or with other channels."""

from __future__ import annotations

import math

import numpy as np

from server.events import Samples


def resampled(samples: Samples, sample_rate: int, wanted_rate: int) -> Samples:
    """`samples` [channels, n] at `wanted_rate`: [channels, ceil(n · wanted / given)].

    By scipy's polyphase filter, which shifts nothing in time. Blocking.
    """
    if sample_rate == wanted_rate:
        return samples
    # scipy takes most of a second to import: not at the server's start
    from scipy.signal import resample_poly

    common = math.gcd(sample_rate, wanted_rate)
    made = resample_poly(samples, wanted_rate // common, sample_rate // common, axis=1)
    return np.asarray(made, dtype=np.float32)


def num_resampled(num_samples: int, sample_rate: int, wanted_rate: int) -> int:
    """How many samples `resampled` makes of `num_samples`."""
    return -(-num_samples * wanted_rate // sample_rate)


def with_channels(samples: Samples, channels: int) -> Samples:
    """`samples` [any, n] as [channels, n]: mixed into one, or one repeated."""
    if samples.shape[0] == channels:
        return samples
    mono = samples.mean(axis=0, keepdims=True)
    return np.repeat(mono, channels, axis=0)
