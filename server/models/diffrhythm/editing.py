"""A song made anew in parts: which frames, and the rest of it put back as it was.

Through the autoencoder even what is kept would change. So outside the segments the recording
itself is heard, and just inside them one becomes the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.audio.resampling import resampled, with_channels
from server.events import Samples
from server.generation import Edit, Recording
from server.models.diffrhythm.checks import peak
from server.models.diffrhythm.frames import CHANNELS, FRAME_SAMPLES, SAMPLE_RATE, frame_at

#: The level at which the encoder is used to hear songs, −6 dBFS.
HEARD_PEAK = 10.0 ** (-6 / 20)
FADE_SECONDS = 0.04

Mask = NDArray[np.bool_]
Shares = NDArray[np.float32]
Segments = Sequence[tuple[float, float]]


class Original:
    """The song of an edit, whose result has `num_frames` frames, `song_seconds` in all."""

    def __init__(self, edit: Edit, song_seconds: int, num_frames: int) -> None:
        samples = prepared(edit.song)
        self.num_frames = max(num_frames, samples.shape[1] // FRAME_SAMPLES)
        # frames end before the song or after it
        num_samples = max(self.num_frames * FRAME_SAMPLES, song_seconds * SAMPLE_RATE)
        self._samples = fitted(samples, num_samples)
        self._gain = np.float32(HEARD_PEAK / peak(samples))
        segments = _joined(edit.segments)
        self._shares = shares(segments, song_seconds, num_samples)
        #: True for each of the result's frames that is made anew.
        self.mask = frames_made_anew(segments, song_seconds, num_frames)

    @property
    def heard(self) -> Samples:
        """What the encoder is given, [2, 2048 · num_frames]."""
        return self._samples[:, : self.num_frames * FRAME_SAMPLES] * self._gain

    def put_back(self, made: Samples, position: int) -> Samples:
        """What is heard of the result where `made` [2, n] begins with the sample `position`.

        `made` is as loud as what was given to the encoder; the result is as loud as the song.
        """
        end = position + made.shape[1]
        original, share = self._samples[:, position:end], self._shares[position:end]
        return np.where(share > 0, original + share * (made / self._gain - original), original)


def prepared(song: Recording) -> Samples:
    """`song` as it is put back: [2, n] at 44.1 kHz."""
    return with_channels(resampled(song.samples, song.sample_rate, SAMPLE_RATE), CHANNELS)


def fitted(samples: Samples, num_samples: int) -> Samples:
    """`samples` [channels, any] cut, or filled up with silence, to [channels, num_samples]."""
    missing = max(0, num_samples - samples.shape[1])
    return np.pad(samples[:, :num_samples], ((0, 0), (0, missing)))


def frames_made_anew(segments: Segments, song_seconds: int, num_frames: int) -> Mask:
    """[num_frames], True for each that is made anew.

    A segment that ends with the song reaches to the last frame.
    """
    mask = np.zeros(num_frames, np.bool_)
    for start, end in segments:
        mask[frame_at(start) : num_frames if end == song_seconds else frame_at(end)] = True
    return mask


def shares(segments: Segments, song_seconds: int, num_samples: int) -> Shares:
    """How much of what is made is heard, [num_samples]: 0 is the original alone, 1 none of it."""
    heard = np.zeros(num_samples, np.float32)
    for start_seconds, end_seconds in segments:
        to_the_end = end_seconds == song_seconds
        start = round(start_seconds * SAMPLE_RATE)
        end = num_samples if to_the_end else frame_at(end_seconds) * FRAME_SAMPLES
        heard[start:end] = _faded(end - start, fade_in=start > 0, fade_out=not to_the_end)
    return heard


def _faded(num_samples: int, fade_in: bool, fade_out: bool) -> Shares:
    count = min(round(FADE_SECONDS * SAMPLE_RATE), num_samples // 2)
    ramp = (np.arange(count, dtype=np.float32) + 0.5) / np.float32(max(1, count))
    share = np.ones(num_samples, np.float32)
    if fade_in:
        share[:count] = ramp
    if fade_out:
        share[num_samples - count :] = ramp[::-1]
    return share


def _joined(segments: Segments) -> Segments:
    """Segments, in order, that touch are one: between them nothing is faded."""
    joined: list[tuple[float, float]] = []
    for start, end in segments:
        if joined and joined[-1][1] >= start:
            start = joined.pop()[0]
        joined.append((start, end))
    return joined
