"""MultiBand Diffusion on top of the engine's tokens, on threads of its own: the batch goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from server.events import AudioChunk, ModelEvent
from server.models.multiband_diffusion import MultiBandDecoder, load_decoder
from server.models.musicgen.codec.model import Codec
from server.models.threaded import Emit, StepMeter, on_a_thread


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
        """[B, K, T] → [B, 1, n]."""
        rows_last = codes.transpose(0, 1)  # [K, B, T]
        return self._codec.decode(rows_last.flatten(0, 1), len(codes))[:, None]

    def decode_latent(self, codes: Tensor) -> Tensor:
        """[B, K, T] → [B, dim, T]."""
        return self._codec.quantizer.decode(codes)


class Diffusion:
    """The decoder of a loaded model; read from the disk when it is first asked for."""

    def __init__(self, name: str, num_threads: int, models_dir: Path, codec: Codec) -> None:
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix=f"{name} diffusion")
        self._models_dir = models_dir
        self._codec = OneChannel(codec)
        self._loading = threading.Lock()
        self._loaded: MultiBandDecoder | None = None

    async def num_steps(self) -> int:
        """Steps that it takes for a sound. Raises `Unavailable`."""
        decoder = await asyncio.get_running_loop().run_in_executor(self._threads, self._decoder)
        return decoder.num_steps

    def sound(self, codes: Tensor, seed: int, num_done: int) -> AsyncGenerator[ModelEvent, None]:
        """The sound of `codes` [K, T], and the progress of its steps after `num_done` others."""

        def work(emit: Emit) -> None:
            decoder = self._decoder()
            meter = StepMeter(num_done + decoder.num_steps, emit, num_done)
            emit(AudioChunk(decoder.decode(codes, seed, meter)))

        return on_a_thread(self._threads, work)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _decoder(self) -> MultiBandDecoder:
        with self._loading:
            if self._loaded is None:
                self._loaded = load_decoder(self._models_dir, self._codec)
            return self._loaded
