"""MusicGen as a model of this server. Importing this needs no torch: `load` brings it in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from loguru import logger

from server.errors import ContinuoError, Unavailable
from server.events import ModelEvent
from server.generation import GenerationRequest
from server.models.base import Availability, Model, ModelInfo, ModelOptions
from server.models.musicgen.engine import Engine
from server.models.musicgen.footprint import Footprint, judge, width_bytes
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.variants import VARIANTS, info_of
from server.models.musicgen.wish import Sampling, Wish

if TYPE_CHECKING:
    from server.models.musicgen.checkpoint.config import MusicGenConfig
    from server.models.musicgen.runner import Runner

NEEDED = ("torch", "transformers", "safetensors", "huggingface_hub", "yaml")
#: The reference's `extend_stride`, 18 s of a window of 30 s.
STRIDE_SHARE = 18 / 30
WARM_UP_FRAMES = 10


class MusicGen(Model):
    """One checkpoint behind an engine with `MAX_BATCH` slots, one if that is not set."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        self._info = info_of(name)
        self._installed = _installed()
        self.capacity = options.max_batch or 1
        self.activity = ""
        self._options = options
        self._engine: Engine | None = None
        self._config: MusicGenConfig | None = None
        self._footprint: Footprint | None = None
        #: Once it is loaded, what refuses a prompt of too many tokens.
        self._check_prompt: Callable[[str], None] = lambda prompt: None

    @property
    def info(self) -> ModelInfo:
        """What is known of it now: weights may come while the server runs."""
        return replace(self._info, availability=self._availability())

    @info.setter
    def info(self, info: ModelInfo) -> None:
        self._info = info

    async def load(self) -> None:
        """Find or download the weights, read them, and make a few frames to warm up."""
        availability = self._availability()
        if not availability.available:
            raise Unavailable(availability.reason, availability.remedy)
        self._engine = Engine(self._info.name, self.capacity, self._build, _explain)
        await asyncio.wrap_future(self._engine.ready)
        await self._warm_up()
        self.activity = ""

    def cost(self, request: GenerationRequest) -> int:
        self._check_prompt(request.prompt)
        return 1

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        async for event in self._perform(self._wish(request)):
            yield event

    def needed_bytes(self) -> int:
        if self._footprint is None:
            self._footprint = self._judge()
        return self._footprint.num_bytes(width_bytes(self._options), self.capacity)

    async def close(self) -> None:
        self._check_prompt = lambda prompt: None  # or it would keep the runner
        if self._engine is not None:
            await asyncio.to_thread(self._engine.close)
            self._engine = None
            await asyncio.to_thread(_give_back_memory)

    async def _perform(self, wish: Wish) -> AsyncGenerator[ModelEvent, None]:
        assert self._engine is not None, "load comes before generate"
        outbox = Outbox()
        generation = self._engine.submit(wish, outbox)
        try:
            async for event in outbox.events():
                yield event
        finally:
            self._engine.cancel(generation)
            await outbox.closed()

    def _availability(self) -> Availability:
        needs_no_search = self._config is not None or self._info.name in self._options.checkpoints
        if needs_no_search or not self._installed.available:
            return self._installed
        return _weights_at_hand(self._info.name, self._options)

    def _judge(self) -> Footprint:
        name = self._info.name
        folder = self._options.checkpoints.get(name)
        if folder is None and self._installed.available:
            from server.models.musicgen.checkpoint.places import Places

            with suppress(Unavailable):
                folder = Places(self._options.models_dir, _say_nothing).local(name)
        return judge(name, folder)

    def _wish(self, request: GenerationRequest) -> Wish:
        config = self._loaded_config
        window = config.window_frames
        return Wish(
            prompt=request.prompt,
            num_frames=request.num_seconds * config.codec.frame_rate,
            window_frames=window,
            stride_frames=round(STRIDE_SHARE * window),
            seed=request.drawn_seed,
            sampling=_sampling(request),
            guidance=config.guidance if request.guidance is None else request.guidance,
        )

    @property
    def _loaded_config(self) -> MusicGenConfig:
        assert self._config is not None, "load comes before generate"
        return self._config

    async def _warm_up(self) -> None:
        self._report("warming up")
        config = self._loaded_config
        window, stride = config.window_frames, round(STRIDE_SHARE * config.window_frames)
        wish = Wish("music", WARM_UP_FRAMES, window, stride, 0, Sampling(), config.guidance)
        async for _ in self._perform(wish):
            pass

    def _build(self) -> Runner:
        """On the engine's thread."""
        self._report("importing torch")
        from server.models.musicgen.build import build

        runner = build(self._info.name, self._options, self.capacity, self._report)
        self._config = runner.config
        self._check_prompt = runner.check_prompt
        self.memory_bytes = runner.memory_bytes
        self._check_channels(runner.config)
        return runner

    def _check_channels(self, config: MusicGenConfig) -> None:
        name, channels = self._info.name, config.channels
        if name in VARIANTS and channels != self._info.channels:
            raise Unavailable(
                f"the folder of {name} holds a model of {channels} channel(s), not of "
                f"{self._info.channels}",
                "Put the right files there",
            )
        self._info = replace(self._info, channels=channels, sample_rate=config.codec.sample_rate)

    def _report(self, activity: str) -> None:
        self.activity = activity
        logger.info("Model {}: {}", self._info.name, activity)


def _sampling(request: GenerationRequest) -> Sampling:
    default = Sampling()
    return Sampling(
        default.temperature if request.temperature is None else request.temperature,
        default.top_k if request.top_k is None else request.top_k,
        default.top_p if request.top_p is None else request.top_p,
    )


def _installed() -> Availability:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not missing:
        return Availability()
    return Availability(
        f"the Python packages {', '.join(missing)} are not installed",
        'Run: pip install -e ".[musicgen]", then start the server again',
    )


def _weights_at_hand(name: str, options: ModelOptions) -> Availability:
    """Whether there are weights, or may be after a download; asks no network."""
    from server.models.musicgen.checkpoint.places import Places

    lacking = Places(options.models_dir, _say_nothing, options.may_download(name)).lacking(name)
    return Availability() if lacking is None else Availability(lacking.reason, lacking.remedy)


def _say_nothing(activity: str) -> None:
    """A look at the disk is no news."""


def _give_back_memory() -> None:
    from server.models.musicgen.devices import give_back_memory

    give_back_memory()


def _explain(error: Exception, wish: Wish) -> ContinuoError:
    from server.models.musicgen.failures import explain

    return explain(error, wish)
