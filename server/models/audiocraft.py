"""MusicGen by the audiocraft package of its authors, one request at a time.

`ENGINE=audiocraft` serves the MusicGen models with it instead of the native engine: a reference to
compare with. What it uses is published with audiocraft 1.3.0: `MusicGen.get_pretrained`, its
generation parameters, and its progress callback, which is also where a generation is left that
nobody wants any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from server.errors import Unavailable, in_one_line
from server.events import AudioChunk, Samples
from server.generation import GenerationRequest
from server.models.base import Availability, ModelInfo, ModelOptions, Resources, installed
from server.models.global_seed import global_seed
from server.models.memory import may_have_gpu
from server.models.multiband_weights import find_weights, num_bytes
from server.models.musicgen.footprint import judge, widths_of
from server.models.musicgen.variants import (
    AUDIOCRAFT_PACKAGES,
    DIFFUSION,
    INSTALL_AUDIOCRAFT,
    VARIANTS,
    info_of,
)
from server.models.musicgen.wish import Wish, wish_of
from server.models.threaded import Emit, StepMeter, ThreadedModel

if TYPE_CHECKING:
    from torch import Tensor

    from server.models.multiband_diffusion import MultiBandDecoder

NEEDED = ("torch", "transformers", *AUDIOCRAFT_PACKAGES)
NATIVE = "set ENGINE=native"
INSTALLED = installed(NEEDED, f"Run: {INSTALL_AUDIOCRAFT}, or {NATIVE}")
MELODIES = Availability("ENGINE=audiocraft does not serve models that hear melodies", NATIVE)
FILES = ("state_dict.bin", "compression_state_dict.bin")
#: The package looks for it where the server is started, then in the Hugging Face cache.
TEXT_ENCODER = "t5-base"
CODE_LICENCE = "MIT (the audiocraft package)"
WARM_UP = GenerationRequest("music", duration_seconds=1, seed=0)


class Audiocraft(ThreadedModel):
    """A checkpoint behind audiocraft's `MusicGen`. Its sound comes at the end, all at once.

    The package chooses the number format itself: fp16 on a GPU, fp32 on a CPU.
    """

    def __init__(self, name: str, options: ModelOptions) -> None:
        known = info_of(name)
        info = replace(
            known,
            description=f"{known.description}, run by the audiocraft package",
            code_licence=CODE_LICENCE,
            abilities=known.abilities & {DIFFUSION},
            obtainable={**known.obtainable, "continuation": NATIVE},
        )
        super().__init__(info, replace(options, max_batch=1))
        self._options = options
        self._musicgen: Any = None
        self._decoder: MultiBandDecoder | None = None
        #: Once it is loaded, what refuses a prompt of too many tokens.
        self._check_prompt: Callable[[str], object] = _accept_all

    @property
    def info(self) -> ModelInfo:
        """What is known of it now: weights may come while the server runs."""
        return replace(self._info, availability=self._availability())

    @info.setter
    def info(self, info: ModelInfo) -> None:
        self._info = info

    def needed_bytes(self) -> int:
        footprint = judge(self._info.name, self._folder())
        # the package chooses the number format itself
        precision = "fp16" if may_have_gpu(self._options.device) else "fp32"
        own = footprint.serving_bytes(widths_of(replace(self._options, precision=precision)), 1)
        diffuses = DIFFUSION in self._info.abilities
        return own + (num_bytes(self._options.models_dir) if diffuses else 0)

    def prepare(self) -> None:
        availability = self._availability()
        if not availability.available:
            raise Unavailable(availability.reason, availability.remedy)
        self._report("reading the weights")
        self._musicgen = musicgen = self._pretrained()
        if "self_wav" in musicgen.lm.condition_provider.conditioners:
            raise Unavailable(MELODIES.reason, MELODIES.remedy)
        self.info = replace(
            self.info, channels=musicgen.audio_channels, sample_rate=musicgen.sample_rate
        )
        self._check_prompt = _prompt_check(musicgen)
        self._report("warming up")
        self.perform(WARM_UP, lambda event: None)
        self.memory_bytes = self.needed_bytes()
        self.activity = ""

    async def close(self) -> None:
        await super().close()
        if self._musicgen is not None:
            self._musicgen = self._decoder = None
            self._check_prompt = _accept_all
            await asyncio.to_thread(_give_back_memory)

    def cost(self, request: GenerationRequest) -> Resources:
        self._check_prompt(request.prompt)
        if request.multiband_diffusion:
            find_weights(self._options.models_dir)
        return Resources()

    def perform(self, request: GenerationRequest, emit: Emit) -> None:
        wish = self._wish(request)
        num_steps = wish.num_steps(max(self._musicgen.lm.pattern_provider.delays))
        decoder = self._multiband_decoder() if request.multiband_diffusion else None
        meter = StepMeter(num_steps + (decoder.num_steps if decoder else 1), emit)
        with global_seed(wish.seed, meter.tell):
            sound, codes = self._generate(wish, request.num_seconds, meter)
        if decoder:
            sound = decoder.decode(codes, wish.seed, meter)
        else:
            meter.step()
        for piece in _seconds(sound, self.info.sample_rate):
            emit(AudioChunk(piece))

    def _wish(self, request: GenerationRequest) -> Wish:
        musicgen = self._musicgen
        window_frames = int(musicgen.max_duration * musicgen.frame_rate)
        return wish_of(request, musicgen.frame_rate, window_frames, musicgen.lm.cfg_coef)

    def _generate(self, wish: Wish, num_seconds: int, meter: StepMeter) -> tuple[Samples, Tensor]:
        """Sound [channels, n] float32, tokens [K, T]; a step at each of the language model's."""
        from server.models.musicgen.sampling import LOWEST_TEMPERATURE

        musicgen, sampling = self._musicgen, wish.sampling
        musicgen.set_generation_params(
            use_sampling=sampling.temperature >= LOWEST_TEMPERATURE,
            temperature=sampling.temperature,
            top_k=min(sampling.top_k, musicgen.lm.card),
            top_p=sampling.top_p,
            cfg_coef=wish.guidance,
            duration=num_seconds,
            extend_stride=wish.stride_frames / musicgen.frame_rate,
        )
        musicgen.set_custom_progress_callback(lambda num_done, num_all: meter.step())
        sound, codes = musicgen.generate([wish.prompt], progress=True, return_tokens=True)
        return sound[0].float().cpu().numpy(), codes[0]

    def _multiband_decoder(self) -> MultiBandDecoder:
        """Loaded when it is first asked for; it decodes channel by channel."""
        if self._decoder is None:
            from server.models.multiband_diffusion import load_decoder

            codec = self._musicgen.compression_model
            one_channel = codec.model if codec.channels > 1 else codec
            self._decoder = load_decoder(self._options.models_dir, one_channel)
        return self._decoder

    def _pretrained(self) -> Any:
        """The package's model. Raises `Unavailable` with the remedy."""
        from server.models.devices import choose_device

        wanted = self._options.device
        device = None if wanted == "auto" else str(choose_device(wanted))
        try:
            from audiocraft.models import MusicGen

            return MusicGen.get_pretrained(self._source(), device)
        except Exception as error:  # of the package, torch, the hub: each has its own types
            logger.opt(exception=error).debug("audiocraft cannot load {}", self.info.name)
            raise Unavailable(
                f"the audiocraft package cannot load {self.info.name} ({in_one_line(error)})",
                self._remedy,
            ) from error

    def _source(self) -> str:
        """The folder that holds the checkpoint, or its name, under which the package downloads."""
        folder = self._folder()
        return self._info.name if folder is None else str(folder)

    def _folder(self) -> Path | None:
        name, options = self._info.name, self._options
        if name in options.checkpoints or not INSTALLED.available:
            return options.checkpoints.get(name)
        from server.models.checkpoints.places import folder_with

        return folder_with(FILES[0], name, options.models_dir)

    def _availability(self) -> Availability:
        name = self._info.name
        if name in VARIANTS and VARIANTS[name].hears_melodies:
            return MELODIES
        needs_no_search = self._musicgen is not None or name in self._options.checkpoints
        if needs_no_search or not INSTALLED.available or not (why := self._why_not_at_hand()):
            return INSTALLED
        return Availability(why, self._remedy)

    def _why_not_at_hand(self) -> str:
        """Why the package would not come by its files; empty if it would."""
        from server.models.checkpoints.places import folder_with, why_no_download

        name = self._info.name
        forbidden = why_no_download(self._options.may_download(name))
        here = self._folder() is not None and folder_with("config.json", TEXT_ENCODER, Path())
        if here or not forbidden:
            return ""
        return (
            f"the files {' and '.join(FILES)} of {name}, or those of {TEXT_ENCODER}, are not on "
            f"this machine, and they cannot be downloaded ({forbidden})"
        )

    @property
    def _remedy(self) -> str:
        fetch = f"`hf download {self._info.name} {' '.join(FILES)}`"
        return f"Run {fetch} and `hf download {TEXT_ENCODER}`, or {NATIVE}"

    def _report(self, activity: str) -> None:
        self.activity = activity
        logger.info("Model {}: {}", self.info.name, activity)


def _prompt_check(musicgen: Any) -> Callable[[str], object]:
    """Refuses a prompt that is too long for T5's memory, as the native engine does.

    With a tokenizer of its own: the model's own one is at work on another thread.
    """
    from server.models.musicgen.text_encoder import TextEncoder

    conditioner = musicgen.lm.condition_provider.conditioners["description"]
    if not hasattr(conditioner, "t5"):  # the package's debug model reads words
        return _accept_all
    return TextEncoder(conditioner.t5, deepcopy(conditioner.t5_tokenizer)).tokens


def _seconds(sound: Samples, sample_rate: int) -> Iterator[Samples]:
    """`sound` [channels, n] in pieces of a second, so that it can be sent and left."""
    for start in range(0, sound.shape[1], sample_rate):
        yield sound[:, start : start + sample_rate]


def _accept_all(prompt: str) -> None:
    """What a text encoder without a limit says."""


def _give_back_memory() -> None:
    from server.models.devices import give_back_memory

    give_back_memory()
