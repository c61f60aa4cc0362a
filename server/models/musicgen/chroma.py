"""What is heard of a melody: for each moment the strongest of the twelve pitch classes.

As MusicGen reads it (Copet et al., 2023, section 3.3): a power spectrum of windows of half a
second, summed into pitch classes by the bank of librosa (after Ellis, 2007), of which the highest
counts. The published pipeline also scales spectra and chroma; that changes no maximum and is left
out.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from server.events import Samples

NUM_CLASSES = 12
WINDOW_SAMPLES = 16_384
HOP_SAMPLES = 4_096
#: The bank favours the octaves around `CENTRE_OCTAVE`, counted from C0.
C0_HERTZ = 440.0 * 2.0 ** (-4.75)
CENTRE_OCTAVE = 5.75
OCTAVE_WIDTH = 2.0
#: A band is at least this wide, in semitones, so that low bins do not fall between the classes.
NARROWEST_SEMITONES = 1.0

Classes = NDArray[np.int64]
Bank = NDArray[np.float32]


def num_frames(seconds: float, sample_rate: int) -> int:
    """How many moments a stretch of `seconds` has."""
    return int(seconds * sample_rate) // HOP_SAMPLES + 1


def pitch_classes(samples: Samples, sample_rate: int, length: int) -> Classes:
    """The pitch class (0 is C) of each of `length` moments of `samples` [n]; what is shorter
    repeats, what is longer is cut."""
    spectrum = np.concatenate([_powers(piece) for piece in _pieces(samples, length)])
    heard = (spectrum @ bank(sample_rate).T).argmax(axis=1)
    return np.resize(heard, length)


@lru_cache(maxsize=2)
def bank(sample_rate: int) -> Bank:
    """How much each bin of the spectrum counts for each pitch class: [12, WINDOW_SAMPLES / 2 + 1].

    A bin is a bell over the classes, as wide as the bin's distance to the next one, and weighs less
    the farther it is from the centre octave.
    """
    semitones = _semitones(sample_rate)
    widths = np.append(np.maximum(np.diff(semitones), NARROWEST_SEMITONES), NARROWEST_SEMITONES)
    distances = semitones - np.arange(NUM_CLASSES)[:, None]
    half = NUM_CLASSES // 2
    around = np.mod(distances + half, NUM_CLASSES) - half  # the shorter way around the circle
    bells = np.exp(-0.5 * (2.0 * around / widths) ** 2)
    bells /= np.linalg.norm(bells, axis=0)
    octaves = semitones / NUM_CLASSES
    weights = np.exp(-0.5 * ((octaves - CENTRE_OCTAVE) / OCTAVE_WIDTH) ** 2)
    return (bells * weights)[:, : WINDOW_SAMPLES // 2 + 1].astype(np.float32)


def _semitones(sample_rate: int) -> NDArray[np.float64]:
    """Of each bin above C0, [WINDOW_SAMPLES]; the first bin, 0 Hz, counts as 1.5 octaves below the
    second."""
    hertz = np.arange(1, WINDOW_SAMPLES) * (sample_rate / WINDOW_SAMPLES)
    semitones = NUM_CLASSES * np.log2(hertz / C0_HERTZ)
    return np.concatenate(([semitones[0] - 1.5 * NUM_CLASSES], semitones))


def _powers(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """The power spectra of windows [n, WINDOW_SAMPLES]."""
    spectrum = np.fft.rfft(frames * _hann())
    return (spectrum.real**2 + spectrum.imag**2).astype(np.float32)


@lru_cache(maxsize=1)
def _hann() -> NDArray[np.float64]:
    """The periodic window of Hann."""
    turns = np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES
    return 0.5 - 0.5 * np.cos(2.0 * math.pi * turns)


def _pieces(samples: Samples, length: int) -> list[NDArray[np.float32]]:
    """Up to `length` windows centred on every HOP_SAMPLES, some at a time to save memory."""
    missing = max(0, WINDOW_SAMPLES - len(samples))
    padded = np.pad(samples, (missing // 2, missing - missing // 2))
    mirrored = np.pad(padded, WINDOW_SAMPLES // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, WINDOW_SAMPLES)[::HOP_SAMPLES]
    windows = windows[:length]
    return [windows[start : start + 64] for start in range(0, len(windows), 64)]
