"""How a song is counted: in frames of the autoencoder, 2048 samples each. Needs no torch."""

from __future__ import annotations

SAMPLE_RATE = 44_100
CHANNELS = 2
FRAME_SAMPLES = 2048
LATENT_DIM = 64
#: Songs of exactly this length have a model of their own, which always makes all its frames.
SHORT_SECONDS = 95
SHORT_FRAMES = 2048
LONG_SECONDS = 285
LONG_FRAMES = 6144


def frame_at(seconds: float) -> int:
    """The frame in which that moment lies."""
    return int(seconds * SAMPLE_RATE / FRAME_SAMPLES)


def max_frames(song_seconds: int) -> int:
    """Of the model that makes songs of that length."""
    return SHORT_FRAMES if song_seconds == SHORT_SECONDS else LONG_FRAMES


def num_frames(song_seconds: int) -> int:
    """How many frames are made of a song of that length."""
    if song_seconds == SHORT_SECONDS:
        return SHORT_FRAMES
    return min(frame_at(song_seconds), LONG_FRAMES)
