"""Measures music with public libraries: tempo, key, loudness, peak, brightness, onsets.

All take sound as float [2, n] at 48 kHz.
"""

from __future__ import annotations

import librosa
import numpy as np
import pyloudnorm
from numpy.typing import NDArray
from scipy.signal import resample_poly

from server.models.sketch.composition.theory import SIGNATURES

RATE = 48_000
_LOW_RATE = 22_050
_HOP = 128  # samples at the low rate: fine enough to tell 2 % of tempo

Sound = NDArray[np.floating]

_MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)


def mono(sound: Sound) -> NDArray[np.float32]:
    """Both channels together at 22.05 kHz, as the measuring library wants it."""
    return resample_poly(sound.mean(axis=0), 147, 320).astype(np.float32)


def tempo_of(sound: Sound, likely_bpm: float = 120.0) -> float:
    """The tempo in beats a minute, the median of the tracked beats.

    `likely_bpm` is the middle of the tracker's prior, an octave wide to either side.
    """
    strength = librosa.onset.onset_strength(y=mono(sound), sr=_LOW_RATE, hop_length=_HOP)
    guess, beats = librosa.beat.beat_track(
        onset_envelope=strength,
        sr=_LOW_RATE,
        hop_length=_HOP,
        trim=False,
        start_bpm=likely_bpm,
    )
    if len(beats) < 4:
        return float(np.atleast_1d(guess)[0])
    seconds = librosa.frames_to_time(beats, sr=_LOW_RATE, hop_length=_HOP)
    # the ends ring and fade: their beats are guesses
    inner = seconds[1:-2] if len(seconds) > 8 else seconds
    return float(60.0 / np.median(np.diff(inner)))


def tempo_error(found: float, asked: float) -> float:
    """How far `found` is from `asked`, or from half or twice that, as a share."""
    return min(abs(found / (asked * level) - 1.0) for level in (0.5, 1.0, 2.0))


def pitch_classes_of(sound: Sound) -> NDArray[np.float64]:
    """The share of each pitch class in the harmonic part of the sound: [12], sums to 1.

    Five octaves from C3: beneath lie kick drums, which have a pitch but no place in the scale.
    """
    harmonic = librosa.effects.harmonic(mono(sound), margin=3.0)
    chroma = librosa.feature.chroma_cqt(
        y=harmonic, sr=_LOW_RATE, tuning=0.0, fmin=130.81, n_octaves=5
    )
    profile = chroma.mean(axis=1).astype(np.float64)
    return profile / profile.sum()


def best_signatures(profile: NDArray[np.float64]) -> list[str]:
    """The key signatures, the one whose seven tones hold most of `profile` first."""
    return sorted(SIGNATURES, key=lambda name: -held_by(profile, name))


def loudness_of(sound: Sound) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4)."""
    return float(pyloudnorm.Meter(RATE).integrated_loudness(sound.T.astype(np.float64)))


def true_peak_of(sound: Sound) -> float:
    """The peak in dBFS at four times the rate."""
    return float(20.0 * np.log10(np.abs(resample_poly(sound, 4, 1, axis=1)).max() + 1e-12))


def centroid_of(sound: Sound) -> float:
    """The mean spectral centroid in Hz."""
    return float(librosa.feature.spectral_centroid(y=mono(sound), sr=_LOW_RATE).mean())


def num_onsets(sound: Sound) -> int:
    """How many onsets a detector finds."""
    return len(librosa.onset.onset_detect(y=mono(sound), sr=_LOW_RATE))


def fits_scale(profile: NDArray[np.float64], signature: str) -> bool:
    """Whether a profile fits a key signature: no other signature holds 2 % more of it.

    Neighbours on the circle of fifths differ by one tone, so a pentatonic piece fits several.
    """
    best = best_signatures(profile)[0]
    return held_by(profile, signature) >= 0.98 * held_by(profile, best)


def held_by(profile: NDArray[np.float64], signature: str) -> float:
    """The share of a profile that lies on the seven tones of a signature."""
    tonic = SIGNATURES.index(signature)
    return float(sum(profile[(tonic + step) % 12] for step in _MAJOR_SCALE))
