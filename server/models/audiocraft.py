"""MusicGen by the audiocraft package of its authors, one request at a time.

`ENGINE=audiocraft` serves the MusicGen models with it instead of the native engine: a reference to
compare with. What it uses is published with audiocraft 1.3.0: `MusicGen.get_pretrained`, its
generation parameters, and its progress callback, which is also where a generation is left that
nobody wants any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loguru import logger

from server.errors import Unavailable, in_one_line
from server.events import AudioChunk, Samples
from server.generation import GenerationRequest
from server.models.base import ModelOptions, installed
from server.models.global_seed import global_seed
from server.models.musicgen.variants import AUDIOCRAFT_PACKAGES, INSTALL_AUDIOCRAFT, info_of
from server.models.musicgen.wish import Wish, wish_of
from server.models.threaded import Emit, StepMeter, ThreadedModel

if TYPE_CHECKING:
    from torch import Tensor

    from server.models.multiband_diffusion import MultiBandDecoder

NEEDED = ("torch", "transformers", *AUDIOCRAFT_PACKAGES)
REMEDY = f"Run: {INSTALL_AUDIOCRAFT}, or set ENGINE=native"
FILES = ("state_dict.bin", "compression_state_dict.bin")
CODE_LICENCE = "MIT (the audiocraft package)"
WARM_UP = GenerationRequest("music", duration_seconds=1, seed=0)


class Audiocraft(ThreadedModel):
    """A checkpoint behind audiocraft's `MusicGen`. Its sound comes at the end, all at once.

    The package chooses the number format itself: fp16 on a GPU, fp32 on a CPU.
    """

    def __init__(self, name: str, options: ModelOptions) -> None:
        info = replace(
            info_of(name),
            description=f"{info_of(name).description}, run by the audiocraft package",
            code_licence=CODE_LICENCE,
            availability=installed(NEEDED, REMEDY),
        )
        super().__init__(info, replace(options, max_batch=1))
        self._options = options
        self._musicgen: Any = None
        self._decoder: MultiBandDecoder | None = None
        #: Once it is loaded, what refuses a prompt of too many tokens.
        self._check_prompt: Callable[[str], object] = lambda prompt: None

    def prepare(self) -> None:
        availability = self.info.availability
        if not availability.available:
            raise Unavailable(availability.reason, availability.remedy)
        self._report("reading the weights")
        self._musicgen = musicgen = self._pretrained()
        self.info = replace(
            self.info, channels=musicgen.audio_channels, sample_rate=musicgen.sample_rate
        )
        self._check_prompt = _prompt_check(musicgen)
        self._report("warming up")
        self.perform(WARM_UP, lambda event: None)
        self.activity = ""

    def cost(self, request: GenerationRequest) -> int:
        self._check_prompt(request.prompt)
        if request.multiband_diffusion:
            from server.models.multiband_diffusion import find_weights

            find_weights(self._options.models_dir)
        return 1

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
        from server.models.musicgen.devices import choose_device

        wanted = self._options.device
        device = None if wanted == "auto" else str(choose_device(wanted))
        try:
            from audiocraft.models import MusicGen

            return MusicGen.get_pretrained(self._source(), device)
        except Exception as error:  # of the package, torch, the hub: each has its own types
            logger.opt(exception=error).debug("audiocraft cannot load {}", self.info.name)
            name = self.info.name
            raise Unavailable(
                f"the audiocraft package cannot load {name} ({in_one_line(error)})",
                f"Run `hf download {name} {' '.join(FILES)}` and `hf download t5-base`, or set "
                "ENGINE=native",
            ) from error

    def _source(self) -> str:
        """The folder that holds the checkpoint, or its name, under which the package finds it in
        the Hugging Face cache or downloads it."""
        name, options = self.info.name, self._options
        if name in options.checkpoints:
            return str(options.checkpoints[name])
        folders = (options.models_dir / name, options.models_dir / name.rsplit("/", 1)[-1])
        return next((str(each) for each in folders if (each / FILES[0]).is_file()), name)

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
        return lambda prompt: None
    return TextEncoder(conditioner.t5, deepcopy(conditioner.t5_tokenizer)).tokens


def _seconds(sound: Samples, sample_rate: int) -> Iterator[Samples]:
    """`sound` [channels, n] in pieces of a second, so that it can be sent and left."""
    for start in range(0, sound.shape[1], sample_rate):
        yield sound[:, start : start + sample_rate]
