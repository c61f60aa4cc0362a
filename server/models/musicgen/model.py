"""MusicGen as a model of this server. Importing this needs no torch: `load` brings it in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from server.errors import ContinuoError, Unavailable
from server.events import ModelEvent, Progress
from server.generation import GenerationRequest
from server.models.base import Availability, Model, ModelInfo, ModelOptions, installed
from server.models.musicgen.engine import Engine
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.variants import VARIANTS, info_of
from server.models.musicgen.wish import Wish, wish_of

if TYPE_CHECKING:
    from torch import Tensor

    from server.models.musicgen.checkpoint.config import MusicGenConfig
    from server.models.musicgen.diffusion import Diffusion
    from server.models.musicgen.runner import Runner

NEEDED = ("torch", "transformers", "safetensors", "huggingface_hub", "yaml")
INSTALL = 'Run: pip install -e ".[musicgen]", then start the server again'
WARM_UP = GenerationRequest("music", duration_seconds=1, seed=0)
WARM_UP_FRAMES = 10


class MusicGen(Model):
    """One checkpoint behind an engine with `MAX_BATCH` slots, one if that is not set."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        self._info = info_of(name)
        self._installed = installed(NEEDED, INSTALL)
        self.capacity = options.max_batch or 1
        self.activity = ""
        self._options = options
        self._engine: Engine | None = None
        self._diffusion: Diffusion | None = None
        self._config: MusicGenConfig | None = None
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
        if request.multiband_diffusion:
            from server.models.multiband_diffusion import find_weights

            find_weights(self._options.models_dir)
        return 1

    def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        wish = self._wish(request)
        return self._diffuse(wish) if request.multiband_diffusion else self._perform(wish)

    async def close(self) -> None:
        if self._engine is not None:
            await asyncio.to_thread(self._engine.close)
        if self._diffusion is not None:
            self._diffusion.close()

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
        return _weights_at_hand(self._info.name, self._options.models_dir)

    async def _diffuse(self, wish: Wish) -> AsyncGenerator[ModelEvent, None]:
        """The engine's tokens, and then their sound by MultiBand Diffusion."""
        assert self._diffusion is not None, "a model without the ability is not asked"
        num_drawn = wish.num_steps(self._loaded_config.language_model.max_delay)
        num_steps = num_drawn + await self._diffusion.num_steps()
        drawn: list[Tensor] = []
        async with aclosing(self._perform(replace(wish, keep=drawn.append))) as events:
            async for event in events:
                if isinstance(event, Progress):
                    yield Progress(event.percent * num_drawn / num_steps)
        async with aclosing(self._diffusion.sound(drawn[0], wish.seed, num_drawn)) as events:
            async for event in events:
                yield event

    def _wish(self, request: GenerationRequest) -> Wish:
        config = self._loaded_config
        return wish_of(request, config.codec.frame_rate, config.window_frames, config.guidance)

    @property
    def _loaded_config(self) -> MusicGenConfig:
        assert self._config is not None, "load comes before generate"
        return self._config

    async def _warm_up(self) -> None:
        self._report("warming up")
        wish = replace(self._wish(WARM_UP), num_frames=WARM_UP_FRAMES)
        async for _ in self._perform(wish):
            pass

    def _build(self) -> Runner:
        """On the engine's thread."""
        self._report("importing torch")
        from server.models.musicgen.build import build

        runner = build(self._info.name, self._options, self.capacity, self._report)
        self._config = runner.config
        self._check_prompt = runner.check_prompt
        self._check_channels(runner.config)
        if "multiband_diffusion" in self._info.abilities:
            from server.models.musicgen.diffusion import Diffusion

            models_dir = self._options.models_dir
            self._diffusion = Diffusion(self._info.name, self.capacity, models_dir, runner.codec)
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


def _weights_at_hand(name: str, models_dir: Path) -> Availability:
    """Whether there are weights, or may be after a download; asks no network."""
    from huggingface_hub import constants  # quick; the rest of it is not

    if not constants.HF_HUB_OFFLINE:
        return Availability()
    from server.models.musicgen.checkpoint.places import Places

    lacking = Places(models_dir, lambda activity: None).lacking(name)
    return Availability() if lacking is None else Availability(lacking.reason, lacking.remedy)


def _explain(error: Exception, wish: Wish) -> ContinuoError:
    from server.models.musicgen.failures import explain

    return explain(error, wish)
