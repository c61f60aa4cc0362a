"""A model of random weights on the device, as the server would have it there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.gpu.device import Device
from benchmarks.random_checkpoint import random_checkpoint
from server.models.base import ModelOptions
from server.models.memory import in_words
from server.models.musicgen.backend import Backend
from server.models.musicgen.build import backend_for
from server.models.musicgen.capacity import measure
from server.models.musicgen.checkpoint.config import MusicGenConfig
from server.models.musicgen.checkpoint.loading import Checkpoint, sizes_of
from server.models.musicgen.devices import DTYPES, Precision, companion_dtype
from server.models.musicgen.runner import Runner
from server.models.musicgen.wish import Sampling, Wish, stride_of

FIRST_AUDIO_SECONDS = ModelOptions().first_audio_seconds
WARM_UP_FRAMES = 10
HEADER = ("shape", "weights", "as counted", "tensors take", "at most until then", "seconds")
NOTE = """\
Of a model that is ready, with text encoder and codec, and has made a little music; without what is
set aside for requests. Weights made there are in their format from the start. As from files, they
lie in main memory in fp32 before."""


@dataclass(frozen=True)
class Footprint:
    """What a model takes once it is loaded and has run."""

    weights_bytes: int
    taken: str
    peak: str
    seconds: float

    @property
    def cells(self) -> list[str]:
        return [in_words(self.weights_bytes), self.taken, self.peak, f"{self.seconds:.1f}"]


class Loaded:
    """`raw` is the shape as transformers has it."""

    def __init__(self, raw: Any, device: Device, precision: Precision, from_host: bool) -> None:
        self.raw = raw
        self.config = sizes_of(raw)
        self.precision = precision
        self._device = device.device
        checkpoint = self._checkpoint(from_host)
        device.forget_peak()
        begun = time.perf_counter()
        self.backend: Backend[Any, Any] = backend_for(
            checkpoint.language_model, self._device, precision
        )
        beside = companion_dtype(precision, self._device)
        self.runner = Runner(checkpoint, self.backend, self._device, beside, FIRST_AUDIO_SECONDS)
        self.runner.warm_up(wish_for(self.config, "warm", WARM_UP_FRAMES))
        device.synchronize()
        seconds = time.perf_counter() - begun
        self.footprint = Footprint(
            self.runner.weights_bytes, device.taken(), device.peak(), seconds
        )

    def _checkpoint(self, from_host: bool) -> Checkpoint:
        """`from_host`: in main memory and fp32, as files have it."""
        dtype = torch.float32 if from_host else DTYPES.get(self.precision, torch.float32)
        made = random_checkpoint(self.config, self._device, dtype)
        if from_host:
            for module in (made.language_model, made.codec, made.text_encoder.model):
                module.to("cpu")
        return made

    def make_room(self, num_requests: int) -> None:
        """For so many of the longest, as far as the device has it."""
        self.runner.warm_up(
            wish_for(self.config, "warm", WARM_UP_FRAMES)
        )  # with nothing set aside for others
        most_bytes = self.runner.most_bytes(num_requests)
        self.runner.make_room(measure(self._device, num_requests, most_bytes))


def wish_for(config: MusicGenConfig, prompt: str, num_frames: int, seed: int = 0) -> Wish:
    """As a request for so much music would be."""
    window = config.window_frames
    sampling, guidance = Sampling(), config.guidance
    return Wish(prompt, num_frames, window, stride_of(window), seed, sampling, guidance)
