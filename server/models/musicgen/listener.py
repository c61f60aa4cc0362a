"""Reads the recordings of requests for the engine: melodies to follow, music to go on from."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from server.audio.resampling import resampled, with_channels
from server.events import Samples, Warning
from server.generation import Recording
from server.models.musicgen.checkpoint.config import MusicGenConfig
from server.models.musicgen.chroma import Classes, pitch_classes
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.priority import NICEST, give_way
from server.models.musicgen.separation import separated

T = TypeVar("T")


@dataclass(frozen=True)
class Tune:
    """A melody ready to be heard: `samples` [n] at the codec's rate."""

    samples: NDArray[np.float32]
    warning: Warning | None


@dataclass(frozen=True)
class Opening:
    """Music to go on from: `given` [channels, n] at the codec's rate, and its end as `codes`
    [K, T0]."""

    given: Samples
    codes: NDArray[np.int64]


class Listener:
    """Each recording is read once, on a thread of its own, for all takes that share it."""

    def __init__(self, codec: Codec, config: MusicGenConfig) -> None:
        self._codec = codec
        self._config = config
        device = codec.quantizer.codebooks.device
        self._thread = ThreadPoolExecutor(1, "listener", give_way, (device, NICEST))
        self._tunes: MutableMapping[Recording, Future[Tune]] = WeakKeyDictionary()
        self._openings: MutableMapping[Recording, Future[Opening]] = WeakKeyDictionary()

    def tune(self, recording: Recording) -> Future[Tune]:
        """The melody of `recording`, soon; without drums and bass where that can be."""
        return self._once(self._tunes, recording, self._hear)

    def opening(self, recording: Recording, most_frames: int) -> Future[Opening]:
        """The end of `recording`, soon: as many whole frames as it has, up to `most_frames`."""
        return self._once(self._openings, recording, partial(self._encode, most_frames))

    def melody(self, tune: Tune, window_starts: Sequence[int]) -> Classes:
        """What each window hears, [windows, moments]; windows begin at frames of the result.

        Music of one window hears the tune from its start. In longer music each window hears 30 s
        from where it begins, of the tune repeated without end, as the reference has it.
        """
        config, length = self._config, self._config.language_model.melody_frames
        rate, hop_samples = config.codec.sample_rate, config.codec.hop_samples
        if len(window_starts) == 1:
            return pitch_classes(tune.samples, rate, length)[None]
        window = np.arange(config.window_frames * hop_samples)
        stretches = (
            tune.samples.take(start * hop_samples + window, mode="wrap") for start in window_starts
        )
        return np.stack([pitch_classes(stretch, rate, length) for stretch in stretches])

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _once(
        self,
        known: MutableMapping[Recording, Future[T]],
        recording: Recording,
        read: Callable[[Recording], T],
    ) -> Future[T]:
        if recording not in known:
            known[recording] = self._thread.submit(read, recording)
        return known[recording]

    def _hear(self, recording: Recording) -> Tune:
        mono, warning = separated(self._at_our_rate(recording, 1), self._config.codec.sample_rate)
        return Tune(mono[0], warning)

    @torch.inference_mode()
    def _encode(self, most_frames: int, recording: Recording) -> Opening:
        given = self._at_our_rate(recording, self._config.channels)
        hop_samples = self._config.codec.hop_samples
        num_frames = min(most_frames, given.shape[1] // hop_samples)
        end = torch.from_numpy(given[:, given.shape[1] - num_frames * hop_samples :].copy())
        codes = self._codec.encode(end.to(self._codec.quantizer.codebooks.device))
        return Opening(given, codes.cpu().numpy())

    def _at_our_rate(self, recording: Recording, channels: int) -> Samples:
        mixed = with_channels(recording.samples, channels)
        return resampled(mixed, recording.sample_rate, self._config.codec.sample_rate)
