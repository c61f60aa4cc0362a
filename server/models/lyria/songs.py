"""The models of Google that make a whole song with lyrics, which comes in one answer.

Through the Interactions interface of Google's client: an MP3, and the lyrics as text.
"""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import numpy as np
import soundfile

from server.audio.resampling import resampled, with_channels
from server.errors import ContinuoError, UpstreamFailed
from server.events import AudioChunk, Document, ModelEvent, Progress, Samples, Warning
from server.generation import GenerationRequest
from server.models.base import ModelInfo, ModelOptions
from server.models.lyria.attempts import Attempts
from server.models.lyria.faults import Fault, Kind, fault_of
from server.models.lyria.keyed import KeyedModel

SAMPLE_RATE, CHANNELS = 44_100, 2
#: Longest music of the models, as far as is known; the clips are always so long.
MAX_SECONDS = {"lyria-3-clip-preview": 30}
OTHER_MAX_SECONDS = 300
#: How a song ends that is longer than was asked for.
FADE_OUT_FRAMES = SAMPLE_RATE // 2
#: Listeners are told so often that work goes on. How far it is nobody knows: it is guessed by what
#: a song usually takes.
TICK_SECONDS, USUAL_SECONDS = 1.0, 60.0
LET_GO_SECONDS = 1.0


class Song(NamedTuple):
    """What came: the file and the lyrics."""

    mp3: bytes
    lyrics: str


class LyriaSong(KeyedModel):
    """One of the song models. Its service takes no seed: the same request gives another song."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        super().__init__(_info(name), options, api_version=None)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        """Progress while it is made, then all at once."""
        attempts = Attempts(self.upstream)
        song: Song | None = None
        while song is None:
            asking = asyncio.ensure_future(self._ask(attempts, request))
            try:
                begun = time.monotonic()
                while not (await asyncio.wait([asking], timeout=TICK_SECONDS))[0]:
                    yield Progress(_guess(time.monotonic() - begun))
            finally:
                asking.cancel()
                await asyncio.wait([asking], timeout=LET_GO_SECONDS)
            song = await self._answer(asking, attempts)
        for event in await asyncio.to_thread(_events, song, request):
            yield event

    async def _ask(self, attempts: Attempts, request: GenerationRequest) -> Song:
        client = self.clients.of(attempts.key())
        answer: Any = await client.aio.interactions.create(
            model=self.info.name, input=self._input(request), timeout=self.upstream.song_seconds
        )
        if answer.output_audio is None or not answer.output_audio.data:
            said = answer.output_text or answer.status
            raise Fault(Kind.REFUSED, f"no music came, but: {said}")
        return Song(base64.b64decode(answer.output_audio.data), answer.output_text or "")

    async def _answer(self, asking: asyncio.Future[Song], attempts: Attempts) -> Song | None:
        """The song; None if there is to be another attempt."""
        try:
            song = asking.result()
        except ContinuoError:
            raise
        except Exception as error:
            await attempts.after(fault_of(error))
            return None
        attempts.succeeded()
        return song

    def _input(self, request: GenerationRequest) -> str:
        if request.num_seconds == self.info.max_duration_seconds:
            return request.prompt
        return f"{request.prompt}\n\nLength: about {request.num_seconds} seconds."


def _info(name: str) -> ModelInfo:
    seconds = MAX_SECONDS.get(name, OTHER_MAX_SECONDS)
    return ModelInfo(
        name=name,
        description="Google's Lyria by proxy: a whole song with lyrics, or a clip; needs a key. "
        "The duration is the longest it may be",
        sample_rate=SAMPLE_RATE,
        channels=CHANNELS,
        max_duration_seconds=seconds,
        default_duration_seconds=seconds,
        needs_prompt=True,
        code_licence="the same as Continuo's",
        weights_licence="none here: Google's terms for its API hold for the music",
    )


def _guess(seconds: float) -> float:
    return 90 * (1 - float(np.exp(-seconds / USUAL_SECONDS)))


def _events(song: Song, request: GenerationRequest) -> list[ModelEvent]:
    """The song as a model tells of it. Blocking."""
    whole = decoded(song.mp3)
    num_frames = request.num_seconds * SAMPLE_RATE
    is_cut = whole.shape[1] > num_frames
    sound = faded_out(whole[:, :num_frames]) if is_cut else whole
    events: list[ModelEvent] = []
    if sound.shape[1] < num_frames:
        said = f"the song ended by itself after {sound.shape[1] / SAMPLE_RATE:.1f} s"
        events.append(Warning("shorter", said))
    for start in range(0, sound.shape[1], SAMPLE_RATE):
        events.append(AudioChunk(sound[:, start : start + SAMPLE_RATE]))
    if request.format == "mp3" and not is_cut and request.normalize is None:
        events.append(Document("mp3", song.mp3))  # as it came, not encoded again
    if song.lyrics:
        events.append(Document("txt", song.lyrics.encode()))
    return [*events, Progress(100)]


def decoded(file: bytes) -> Samples:
    """A sound file as float32 [CHANNELS, n] at SAMPLE_RATE. Blocking. Raises `UpstreamFailed`."""
    try:
        samples, rate = soundfile.read(io.BytesIO(file), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        raise UpstreamFailed("Google sent a file of sound that cannot be read") from None
    return with_channels(resampled(samples.T, rate, SAMPLE_RATE), CHANNELS)


def faded_out(sound: Samples) -> Samples:
    """`sound` [channels, n], softer and softer at its end."""
    ramp = np.ones(sound.shape[1], np.float32)
    num_frames = min(FADE_OUT_FRAMES, len(ramp))
    ramp[len(ramp) - num_frames :] = np.linspace(1, 0, num_frames, dtype=np.float32)
    return np.asarray(sound * ramp, np.float32)
