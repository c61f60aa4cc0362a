"""Reads a sound file that somebody sent: any that libsndfile knows, trusting nothing it says."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile

from server.events import Samples
from server.generation import Recording

MAX_SECONDS = 30.0
MIN_SECONDS = 0.1
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4_000, 192_000
MAX_CHANNELS = 8
#: -80 dBFS: below this there is nothing to hear.
SILENCE = 1e-4
#: A header may promise any length: memory is taken only for what is really there.
BLOCK_SAMPLES = 65_536


@dataclass(frozen=True)
class Excerpt:
    """What is used of a recording, and read: the `part` of it that has `max_seconds`."""

    part: Literal["first", "middle", "last"]
    max_seconds: float = MAX_SECONDS
    min_seconds: float = MIN_SECONDS

    def start(self, num_samples: int, num_used: int) -> int:
        """Where it begins in a recording of `num_samples`, of which `num_used` are used."""
        spare = max(0, num_samples - num_used)
        return {"first": 0, "middle": spare // 2, "last": spare}[self.part]


class UnusableRecording(Exception):
    """The file cannot be used; the text says why, as the end of "melody …"."""


def read_recording(file: bytes, excerpt: Excerpt) -> Recording:
    """The `excerpt` of the file's sound. Blocking.

    Mono and stereo stay so, more channels become one; samples are clipped to ±1. Raises
    `UnusableRecording`.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(file)) as source:
            _check_header(source)
            num_samples = int(excerpt.max_seconds * source.samplerate)
            if start := excerpt.start(source.frames, num_samples):
                source.seek(start)
            samples, sample_rate = _read(source, num_samples), source.samplerate
    except soundfile.SoundFileError as error:
        raise UnusableRecording(f"cannot be read as a sound file: {_reason(error)}") from None
    _check_sound(samples, sample_rate, excerpt.min_seconds)
    return Recording(np.clip(samples, -1.0, 1.0), sample_rate)


def _check_header(source: soundfile.SoundFile) -> None:
    rate, channels = source.samplerate, source.channels
    if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        allowed = f"from {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
        raise UnusableRecording(f"must have a sample rate {allowed}; it has {rate} Hz")
    if channels > MAX_CHANNELS:
        raise UnusableRecording(f"must have at most {MAX_CHANNELS} channels; it has {channels}")


def _read(source: soundfile.SoundFile, num_samples: int) -> Samples:
    """Up to `num_samples` from where `source` stands: [channels, n]."""
    blocks = [np.zeros((0, 1 if source.channels > 2 else source.channels), np.float32)]
    while num_samples > 0:
        block = source.read(min(BLOCK_SAMPLES, num_samples), dtype="float32", always_2d=True)
        if not len(block):
            break
        blocks.append(block.mean(axis=1, keepdims=True) if source.channels > 2 else block)
        num_samples -= len(block)
    return np.ascontiguousarray(np.concatenate(blocks).T)


def _check_sound(samples: Samples, sample_rate: int, min_seconds: float) -> None:
    seconds = samples.shape[1] / sample_rate
    if seconds < min_seconds:
        raise UnusableRecording(
            f"must have at least {min_seconds:g} s of sound; has {seconds:.3g} s"
        )
    if not np.isfinite(samples).all():
        raise UnusableRecording("holds samples that are no numbers (NaN or infinite)")
    if np.abs(samples).max() < SILENCE:
        raise UnusableRecording("is silent: there is nothing to hear in it")


def _reason(error: Exception) -> str:
    """libsndfile's own sentence, without the name of our buffer."""
    text = str(getattr(error, "error_string", error)).removeprefix("Error : ")
    return text.rstrip(".") or "it is damaged"
