"""MultiBand Diffusion: another way from a codec's tokens to sound, by the audiocraft package.

San Roman et al., "From Discrete Tokens to High-Fidelity Audio Using Multi-Band Diffusion" (2023).
For each band of frequencies a network of its own draws the sound anew from noise, guided by the
codec's latents; then 32 bands are brought to the level that the codec's own decoder gives them. It
needs the whole piece at once.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from loguru import logger
from torch import Tensor

from server.errors import Unavailable, in_one_line
from server.events import Samples
from server.models.global_seed import global_seed
from server.models.multiband_weights import FILE, REPOSITORY, find_weights
from server.models.threaded import StepMeter

if TYPE_CHECKING:
    from audiocraft.models import MultiBandDiffusion

#: Evaluations of each band's network in the package's own schedule.
EVALUATIONS = 20


class OneChannelCodec(Protocol):
    """What the package asks of a codec; audiocraft's own are such."""

    sample_rate: int
    frame_rate: float
    channels: int
    num_codebooks: int

    def parameters(self) -> Iterator[Tensor]: ...

    def decode(self, codes: Tensor) -> Tensor:
        """Tokens [B, K, T] to sound [B, 1, n]."""

    def decode_latent(self, codes: Tensor) -> Tensor:
        """Tokens [B, K, T] to latents [B, dim, T]."""


class MultiBandDecoder:
    """For any thread; they take turns. A GPU draws other noise from a seed than a CPU does."""

    def __init__(self, diffusion: MultiBandDiffusion) -> None:
        self._diffusion = diffusion
        self._networks = [process.model for process in diffusion.DPs]

    @property
    def num_steps(self) -> int:
        return EVALUATIONS * len(self._networks)

    def decode(self, codes: Tensor, seed: int, meter: StepMeter) -> Samples:
        """Sound of `codes` [K, T], those of two channels alternating: [channels, n] float32.

        Counts `num_steps` at `meter`, which may stop the work.
        """
        num_codebooks = self._diffusion.codec_model.num_codebooks
        by_channel = codes.unflatten(0, (num_codebooks, -1)).transpose(0, 1)  # [channels, K, T]
        with torch.inference_mode(), global_seed(seed, meter.tell), self._counted(meter):
            sound = self._diffusion.tokens_to_wav(by_channel.to(self._diffusion.device))
        return sound[:, 0].float().cpu().numpy()  # type: ignore[no-any-return]

    @contextmanager
    def _counted(self, meter: StepMeter) -> Iterator[None]:
        """The package calls nobody back here: each call of a network is a step."""
        with ExitStack() as hooks:
            for network in self._networks:
                hooks.callback(network.register_forward_hook(lambda *_: meter.step()).remove)
            yield


def load_decoder(models_dir: Path, codec: OneChannelCodec) -> MultiBandDecoder:
    """The published decoder for the codec of MusicGen. Blocking. Raises `Unavailable`."""
    folder = find_weights(models_dir)
    try:
        return _decoder(folder, codec)
    except Exception as error:  # of the package, torch, pickle: each has its own types
        logger.opt(exception=error).debug("MultiBand Diffusion cannot be loaded")
        raise Unavailable(
            f"MultiBand Diffusion cannot be loaded ({in_one_line(error)})",
            f"See that requirements/audiocraft.txt is installed, and fetch {FILE} anew: "
            f"`hf download {REPOSITORY} {FILE} --force-download`",
        ) from error


def _decoder(folder: Path, codec: OneChannelCodec) -> MultiBandDecoder:
    from audiocraft.models import MultiBandDiffusion
    from audiocraft.models.loaders import load_diffusion_models
    from audiocraft.models.multibanddiffusion import DiffusionProcess
    from audiocraft.modules.diffusion_schedule import NoiseSchedule

    device = next(iter(codec.parameters())).device
    with torch.serialization.safe_globals(_configuration_types()):
        bands = load_diffusion_models(folder, filename=FILE, device=device)
    processes = [
        DiffusionProcess(
            network, NoiseSchedule(**config.schedule, sample_processor=processor, device=device)
        )
        for network, processor, config in zip(*bands, strict=True)
    ]
    return MultiBandDecoder(MultiBandDiffusion(processes, codec))


def _configuration_types() -> list[Any]:
    """All that the file may hold beside tensors: a configuration, which is an OmegaConf tree."""
    from omegaconf import DictConfig, ListConfig, nodes
    from omegaconf.base import ContainerMetadata, Metadata

    kinds = [DictConfig, ListConfig, ContainerMetadata, Metadata, nodes.AnyNode]
    return [*kinds, Any, dict, list, int, float, str, bool, defaultdict, OrderedDict]
