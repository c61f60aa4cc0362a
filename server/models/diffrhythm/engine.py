"""Makes a song from a request, step by step; blocking."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from server.events import AudioChunk, ModelEvent, Progress, Samples, Warning
from server.generation import GenerationRequest
from server.models.devices import give_back_memory, num_bytes
from server.models.diffrhythm import vae
from server.models.diffrhythm.checks import peak
from server.models.diffrhythm.editing import Original
from server.models.diffrhythm.footprint import WORKING_BYTES
from server.models.diffrhythm.frames import (
    CHANNELS,
    LATENT_DIM,
    SAMPLE_RATE,
    max_frames,
    num_frames,
)
from server.models.diffrhythm.lyrics import read_lyrics
from server.models.diffrhythm.phonemes.reader import Reader
from server.models.diffrhythm.placement import Placed, place
from server.models.diffrhythm.sampler import Song, noise, sample
from server.models.diffrhythm.schedule import GUIDANCE
from server.models.diffrhythm.style import StyleEncoder, of_recording
from server.models.diffrhythm.transformer import Transformer

#: A step of the sampler takes about as long as so many chunks of the autoencoder.
STEP_WEIGHT = 10
WARM_UP_FRAMES = 32
Steps = Generator[ModelEvent, None, None]


class Transformers:
    """Holds one transformer at a time, the one that was needed last: each is gigabytes."""

    def __init__(self, read: Callable[[int], Transformer]) -> None:
        """`read` gives the one for songs of up to so many frames."""
        self._read = read
        self._current: Transformer | None = None
        self._one_at_a_time = threading.Lock()

    def of(self, most_frames: int) -> Transformer:
        with self._one_at_a_time:
            if self._current is None or self._current.config.max_frames != most_frames:
                self._current = None
                give_back_memory()
                self._current = self._read(most_frames)
            return self._current

    @property
    def num_bytes(self) -> int:
        return 0 if self._current is None else num_bytes(self._current)


@dataclass(frozen=True)
class Engine:
    """All parts of the model, in memory; `num_points` of time are sampled."""

    transformers: Transformers
    autoencoder: torch.jit.ScriptModule
    style: StyleEncoder
    reader: Reader
    negative_style: Tensor
    device: torch.device
    num_points: int

    def steps(self, request: GenerationRequest) -> Steps:
        """The song of `request`, in chunks as they are decoded; every item ends a step."""
        total = num_frames(request.num_seconds)
        original = _original(request, total)
        heard = [] if original is None else vae.chunks(original.num_frames)
        decoded = vae.chunks(total, total if request.whole_decoding else vae.CHUNK_FRAMES)
        work = _Work(STEP_WEIGHT * (self.num_points - 1) + len(heard) + len(decoded))
        generator = torch.Generator().manual_seed(request.drawn_seed)
        start = noise(total, generator)
        yield work.done(0)
        song = self._song(request, total)
        yield work.done(0)
        if original is not None:
            latent = yield from self._encoded(original, heard, generator, work)
            song = replace(song, reference=latent[:total], mask=torch.from_numpy(original.mask))
        latent = yield from self._sampled(song, start, request, work)
        yield from _sound(self._decoded(latent, decoded), request, original, work)

    @property
    def num_bytes(self) -> int:
        """What it holds of the device's memory, or may come to hold at work."""
        style = self.style.num_bytes if self.style.device == self.device else 0
        weights = self.transformers.num_bytes + num_bytes(self.autoencoder) + style
        return weights + WORKING_BYTES

    def warm_up(self, most_frames: int) -> None:
        """A step of a song of a second or two, there and back."""
        tokens = np.zeros(WARM_UP_FRAMES, np.int64)
        song = _whole_song(tokens, self.negative_style, self.negative_style, most_frames)
        start = noise(WARM_UP_FRAMES, torch.Generator().manual_seed(0))
        for latent in sample(self.transformers.of(most_frames), song, start, num_points=2):
            list(self._decoded(latent, vae.chunks(WARM_UP_FRAMES)))

    def _song(self, request: GenerationRequest, total: int) -> Song:
        lines = read_lyrics(request.lyrics or "", request.num_seconds)
        sung = ((line.start_seconds, self.reader.tokens(line.text)) for line in lines)
        tokens = place([(seconds, said) for seconds, said in sung if said], total)
        most_frames = max_frames(request.num_seconds)
        return _whole_song(tokens, self._style(request), self.negative_style, most_frames)

    def _style(self, request: GenerationRequest) -> Tensor:
        if request.style_audio is not None:
            return of_recording(self.style, request.style_audio)
        return self.style.of_text(request.prompt)

    def _encoded(
        self, original: Original, plan: list[vae.Chunk], generator: torch.Generator, work: _Work
    ) -> Generator[ModelEvent, None, Tensor]:
        samples = torch.from_numpy(original.heard).to(self.device)
        moments = []
        for part in vae.encode(self.autoencoder, samples, plan):
            moments.append(part.cpu())
            yield work.done(1)
        drawn = torch.randn(LATENT_DIM, original.num_frames, generator=generator)
        return vae.draw(torch.cat(moments, dim=1), drawn)

    def _sampled(
        self, song: Song, start: Tensor, request: GenerationRequest, work: _Work
    ) -> Generator[ModelEvent, None, Tensor]:
        transformer = self.transformers.of(max_frames(request.num_seconds))
        guidance = GUIDANCE if request.guidance is None else request.guidance
        latent = start
        for further in sample(transformer, song, start, guidance, self.num_points):
            latent = further
            yield work.done(STEP_WEIGHT)
        return latent

    def _decoded(self, latent: Tensor, plan: list[vae.Chunk]) -> Iterator[Samples]:
        for piece in vae.decode(self.autoencoder, latent.float().to(self.device), plan):
            yield piece.cpu().numpy()


class _Work:
    """How much of the work is done."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def done(self, amount: int) -> Progress:
        self._done += amount
        return Progress(100 * self._done / self._total)


def _sound(
    pieces: Iterator[Samples], request: GenerationRequest, original: Original | None, work: _Work
) -> Steps:
    """What is heard, exactly as long as was asked for: frames end before that or after it."""
    wanted = request.num_seconds * SAMPLE_RATE
    position, highest = 0, 0.0
    for piece in pieces:
        heard = _put_back(original, piece, position)[:, : wanted - position]
        position += piece.shape[1]
        highest = max(highest, peak(heard))
        yield AudioChunk(heard)
        yield work.done(1)
    if position < wanted:
        silence = np.zeros((CHANNELS, wanted - position), np.float32)
        yield AudioChunk(_put_back(original, silence, position))
    if highest > 1 and request.normalize is None:
        yield Warning(
            "clipped",
            f"the song's peaks are {20 * math.log10(highest):.1f} dB above full scale and cut off "
            'where it is written in 16 bits; ask for normalize "peak" to keep them',
        )


def _put_back(original: Original | None, made: Samples, position: int) -> Samples:
    return made if original is None else original.put_back(made, position)


def _original(request: GenerationRequest, total: int) -> Original | None:
    edit = request.edit
    return None if edit is None else Original(edit, request.num_seconds, total)


def _whole_song(tokens: Placed, style: Tensor, negative_style: Tensor, most_frames: int) -> Song:
    """A song of which every frame is made."""
    total = len(tokens)
    return Song(
        torch.from_numpy(tokens),
        style.half().float(),
        negative_style.half().float(),
        torch.zeros(total, LATENT_DIM),
        torch.ones(total, dtype=torch.bool),
        total / most_frames,
    )
