"""MusicGen as a model of this server. Importing this needs no torch: `load` brings it in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from loguru import logger

from server.errors import ContinuoError, TooLarge, Unavailable
from server.events import AudioChunk, ModelEvent
from server.generation import GenerationRequest
from server.models.base import (
    Availability,
    Model,
    ModelInfo,
    ModelOptions,
    Resources,
    Workload,
    installed,
)
from server.models.memory import in_words, may_have_gpu
from server.models.multiband_weights import find_weights, num_bytes
from server.models.musicgen.capacity import default_slots
from server.models.musicgen.cpu.library import is_usable
from server.models.musicgen.engine import Engine, Words
from server.models.musicgen.footprint import Footprint, judge, widths_of
from server.models.musicgen.hearing import Heard, hear, unheard_opening
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.variants import DIFFUSION, VARIANTS, abilities, info_of
from server.models.musicgen.wish import Wish, stride_of, wish_of

if TYPE_CHECKING:
    from server.models.musicgen.checkpoint.config import MusicGenConfig
    from server.models.musicgen.diffusion import Diffusion
    from server.models.musicgen.runner import Runner

NEEDED = ("torch", "transformers", "safetensors", "huggingface_hub", "yaml")
INSTALL = 'Run: pip install -e ".[musicgen]", then start the server again'
#: How long torch's threads look for more work before they sleep: 30 µs beside the decode step's own
#: threads, whose cores they would else keep for milliseconds. Where torch computes the steps too,
#: until its next operation. libgomp reads it when torch is imported.
SPINS = "1000"
SPINS_ALONE = "5000"


class MusicGen(Model):
    """One checkpoint behind an engine that works on several requests at once."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        self._info = info_of(name)
        self._installed = installed(NEEDED, INSTALL)
        self.capacity = Resources(default_slots(False, options.max_batch))
        self.activity = ""
        self._options = options
        self._engine: Engine | None = None
        self._runner: Runner | None = None
        self._diffusion: Diffusion | None = None
        self._footprint: Footprint | None = None

    def workload(self) -> Workload:
        return Workload() if self._engine is None else self._engine.workload

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
        words = Words(_explain, _is_out_of_memory)
        self._engine = Engine(self._info.name, self._build, words, self._has_capacity)
        await asyncio.wrap_future(self._engine.ready)
        self.activity = ""

    def cost(self, request: GenerationRequest) -> Resources:
        """A slot, and the keys and values of the longest window and of the text.

        Raises `Unavailable` if MultiBand Diffusion is asked for and its weights are not here.
        """
        if request.multiband_diffusion:
            find_weights(self._options.models_dir)
        if self._runner is None:
            return Resources()
        cost = Resources(1, self._runner.num_bytes(self._wish(request)))
        if cost.memory_bytes > self.capacity.memory_bytes:
            raise TooLarge(
                "duration_seconds",
                f"of {request.num_seconds} and the prompt need {in_words(cost.memory_bytes)} of "
                f"memory; the model has {in_words(self.capacity.memory_bytes)} here. Ask for "
                "shorter music or say it in fewer words",
            )
        return cost

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        """The music; if it goes on from a recording, that comes first."""
        heard = await self._hear(request)
        if heard.warning is not None:
            yield heard.warning
        for samples in heard.seam.before(self.info.sample_rate):
            yield AudioChunk(samples)
        make = self._diffuse if request.multiband_diffusion else self._perform
        async with aclosing(make(heard.wish, self.cost(request))) as events:
            async for event in events:
                if not isinstance(event, AudioChunk):
                    yield event
                elif (samples := heard.seam.join(event.samples)).shape[1]:
                    yield AudioChunk(samples)

    def _diffuse(self, wish: Wish, cost: Resources) -> AsyncGenerator[ModelEvent, None]:
        """The engine's tokens, and their sound by MultiBand Diffusion."""
        assert self._diffusion is not None, "a model without the ability is not asked"
        return self._diffusion.perform(wish, partial(self._perform, cost=cost))

    async def _perform(self, wish: Wish, cost: Resources) -> AsyncGenerator[ModelEvent, None]:
        assert self._engine is not None, "load comes before generate"
        outbox = Outbox()
        generation = self._engine.submit(wish, cost, outbox)
        try:
            async for event in outbox.events():
                yield event
        finally:
            self._engine.cancel(generation)
            await outbox.closed()

    def needed_bytes(self) -> int:
        """With memory for one request at a time."""
        return self._judged_bytes(1)

    def wanted_bytes(self) -> int:
        """With memory for as many as it may work on at once."""
        on_cuda = may_have_gpu(self._options.device)
        return self._judged_bytes(default_slots(on_cuda, self._options.max_batch))

    async def close(self) -> None:
        self._runner = None  # it holds the weights
        if self._diffusion is not None:
            await self._diffusion.close()
            self._diffusion = None
        if self._engine is not None:
            await asyncio.to_thread(self._engine.close)
            self._engine = None
            await asyncio.to_thread(_give_back_memory)

    def _judged_bytes(self, num_requests: int) -> int:
        if self._footprint is None:
            self._footprint = self._judge()
        own = self._footprint.serving_bytes(widths_of(self._options), num_requests)
        return own + self._diffusion_bytes()

    def _diffusion_bytes(self) -> int:
        """What MultiBand Diffusion will hold once it is asked for."""
        return num_bytes(self._options.models_dir) if DIFFUSION in self._info.abilities else 0

    def _availability(self) -> Availability:
        needs_no_search = self._runner is not None or self._info.name in self._options.checkpoints
        if needs_no_search or not self._installed.available:
            return self._installed
        return _weights_at_hand(self._info.name, self._options)

    def _judge(self) -> Footprint:
        name = self._info.name
        folder = self._options.checkpoints.get(name)
        if folder is None and self._installed.available:
            from server.models.checkpoints.places import Places

            with suppress(Unavailable):
                folder = Places(self._options.models_dir, _say_nothing).local(name)
        return judge(name, folder)

    async def _hear(self, request: GenerationRequest) -> Heard:
        assert self._runner is not None, "load comes first"
        wish = self._wish(request)
        try:
            return await hear(request, wish, self._runner.listener, self._runner.config)
        except Exception as error:
            raise _explain(error, wish) from None

    def _wish(self, request: GenerationRequest) -> Wish:
        """What is known before its recordings are heard; it costs the same as then."""
        assert self._runner is not None, "load comes first"
        config = self._runner.config
        window = config.window_frames
        opening = unheard_opening(request.continuation, window - stride_of(window), config)
        return wish_of(request, config.codec.frame_rate, window, config.guidance, opening)

    def _build(self) -> Runner:
        """On the engine's thread."""
        self._report("importing torch")
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS if is_usable() else SPINS_ALONE)
        from server.models.musicgen.build import build

        diffusion_bytes = self._diffusion_bytes()
        granted = None if self.granted_bytes is None else self.granted_bytes - diffusion_bytes
        runner = build(self._info.name, self._options, granted, self._report)
        self._check_kind(runner.config)
        self.memory_bytes = runner.weights_bytes + runner.capacity.memory_bytes + diffusion_bytes
        if DIFFUSION in self._info.abilities:
            from server.models.musicgen.diffusion import Diffusion

            self._diffusion = Diffusion(self._info.name, self._options.models_dir, runner)
        self._runner = runner
        return runner

    def _has_capacity(self, capacity: Resources) -> None:
        """Also on the engine's thread."""
        self.capacity = capacity

    def _check_kind(self, config: MusicGenConfig) -> None:
        name, channels = self._info.name, config.channels
        if name in VARIANTS and channels != self._info.channels:
            raise Unavailable(
                f"the folder of {name} holds a model of {channels} channel(s), not of "
                f"{self._info.channels}",
                "Put the right files there",
            )
        able = abilities(config.language_model.melody_frames > 0)
        if name in VARIANTS and able != self._info.abilities:
            lacking = "does not hear" if "melody" in self._info.abilities else "hears"
            raise Unavailable(
                f"the folder of {name} holds a model that {lacking} melodies",
                "Put the right files there",
            )
        rate = config.codec.sample_rate
        self._info = replace(self._info, channels=channels, sample_rate=rate, abilities=able)

    def _report(self, activity: str) -> None:
        self.activity = activity
        logger.info("Model {}: {}", self._info.name, activity)


def _weights_at_hand(name: str, options: ModelOptions) -> Availability:
    """Whether there are weights, or may be after a download; asks no network."""
    from server.models.checkpoints.places import Places

    lacking = Places(options.models_dir, _say_nothing, options.may_download(name)).lacking(name)
    return Availability() if lacking is None else Availability(lacking.reason, lacking.remedy)


def _say_nothing(activity: str) -> None:
    """A look at the disk is no news."""


def _give_back_memory() -> None:
    from server.models.devices import give_back_memory

    give_back_memory()


def _explain(error: Exception, wish: Wish) -> ContinuoError:
    from server.models.musicgen.failures import explain

    return explain(error, wish)


def _is_out_of_memory(error: BaseException) -> bool:
    from server.models.failures import is_out_of_memory

    return is_out_of_memory(error)
