"""From the recordings of a request to what the engine makes of them. Needs no torch."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from server.audio.resampling import num_resampled
from server.events import Samples, Warning
from server.generation import GenerationRequest, Recording
from server.models.musicgen.seam import Seam
from server.models.musicgen.wish import Wish

if TYPE_CHECKING:
    from server.models.musicgen.checkpoint.config import MusicGenConfig
    from server.models.musicgen.listener import Listener

#: Long enough that no click is heard, short enough that no echo is.
FADE_SECONDS = 0.04
T = TypeVar("T")


@dataclass(frozen=True)
class Heard:
    """A request whose recordings have been read."""

    wish: Wish
    seam: Seam
    warning: Warning | None = None


async def hear(
    request: GenerationRequest, wish: Wish, listener: Listener, config: MusicGenConfig
) -> Heard:
    """Complete `wish` with the melody and the opening of `request`."""
    warning: Warning | None = None
    given: Samples = np.zeros((config.channels, 0), np.float32)
    if request.melody is not None:
        tune = await _soon(listener.tune(request.melody))
        melody = await asyncio.to_thread(listener.melody, tune, wish.window_starts())
        wish, warning = replace(wish, melody=melody), tune.warning
    if request.continuation is not None:
        reading = listener.opening(request.continuation, wish.num_opening_frames)
        opening = await _soon(reading)
        wish, given = replace(wish, opening=opening.codes), opening.given
    num_repeated = wish.num_opening_frames - wish.first_heard_frame
    seam = Seam(
        given,
        num_repeated * config.codec.hop_samples,
        round(FADE_SECONDS * config.codec.sample_rate),
    )
    return Heard(wish, seam, warning)


def unheard_opening(
    recording: Recording | None, most_frames: int, config: MusicGenConfig
) -> NDArray[np.int64]:
    """As many frames as the end of `recording` will have, [K, T0]: up to `most_frames`."""
    num_frames = 0
    if recording is not None:
        num_samples, rate = recording.samples.shape[1], recording.sample_rate
        at_our_rate = num_resampled(num_samples, rate, config.codec.sample_rate)
        num_frames = min(most_frames, at_our_rate // config.codec.hop_samples)
    return np.zeros((config.language_model.num_codebooks, num_frames), np.int64)


async def _soon(future: Future[T]) -> T:
    """Who stops waiting does not stop it: other takes wait for the same."""
    return await asyncio.shield(asyncio.wrap_future(future))
