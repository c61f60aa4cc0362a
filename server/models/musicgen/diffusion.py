"""MultiBand Diffusion on top of the engine's tokens, on threads of its own: the batch goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from server.events import AudioChunk, ModelEvent, Progress
from server.models.multiband_diffusion import MultiBandDecoder, load_decoder
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.failures import explain
from server.models.musicgen.runner import Runner
from server.models.musicgen.wish import Wish
from server.models.threaded import Emit, StepMeter, end, on_a_thread

#: The engine, meeting a wish.
Draw: TypeAlias = Callable[[Wish], AsyncGenerator[ModelEvent, None]]


class OneChannel:
    """Our codec as the audiocraft package asks for one: every row of a batch is a sound."""

    channels = 1

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.sample_rate = codec.config.sample_rate
        self.frame_rate = float(codec.config.frame_rate)
        self.num_codebooks = codec.config.num_codebooks

    def parameters(self) -> Iterator[Tensor]:
        return self._codec.parameters()

    def decode(self, codes: Tensor) -> Tensor:
        """[B, K, T] → [B, 1, n] float32."""
        rows_last = codes.transpose(0, 1)  # [K, B, T]
        return self._codec.decode(rows_last.flatten(0, 1), len(codes))[:, None].float()

    def decode_latent(self, codes: Tensor) -> Tensor:
        """[B, K, T] → [B, dim, T]."""
        return self._codec.quantizer.decode(codes).transpose(1, 2)


class Diffusion:
    """The decoder of a loaded model; read from the disk when it is first asked for."""

    def __init__(self, name: str, models_dir: Path, runner: Runner) -> None:
        self._name = name
        self._models_dir = models_dir
        num_threads = runner.capacity.slots
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix=f"{name} diffusion")
        self._codec = OneChannel(runner.codec)
        self._max_delay = runner.config.language_model.max_delay
        self._loading = threading.Lock()
        self._loaded: MultiBandDecoder | None = None

    async def perform(self, wish: Wish, draw: Draw) -> AsyncGenerator[ModelEvent, None]:
        """Let `draw` make the tokens of `wish`, and decode what is to be heard of them.

        The progress is that of both. Raises `Unavailable`, and what `draw` raises.
        """
        num_drawn = wish.num_steps(self._max_delay)
        num_steps = num_drawn + await self._num_steps()
        kept: list[Tensor] = []
        async with aclosing(draw(replace(wish, keep=kept.append))) as events:
            async for event in events:
                if isinstance(event, Progress):
                    yield Progress(event.percent * num_drawn / num_steps)
        decode = partial(self._decode, wish, kept[-1][:, wish.first_heard_frame :], num_drawn)
        async with aclosing(on_a_thread(self._threads, decode)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        await end(self._threads, self._name)

    async def _num_steps(self) -> int:
        decoder = await asyncio.get_running_loop().run_in_executor(self._threads, self._decoder)
        return decoder.num_steps

    def _decode(self, wish: Wish, codes: Tensor, num_drawn: int, emit: Emit) -> None:
        """The sound of `codes` [K, T], and the progress of its steps after `num_drawn` others."""
        try:
            decoder = self._decoder()
            meter = StepMeter(num_drawn + decoder.num_steps, emit, num_drawn)
            samples = decoder.decode(codes, wish.seed, meter)
        except Exception as error:
            raise explain(error, wish) from None
        emit(AudioChunk(samples))

    def _decoder(self) -> MultiBandDecoder:
        with self._loading:
            if self._loaded is None:
                self._loaded = load_decoder(self._models_dir, self._codec)
            return self._loaded
