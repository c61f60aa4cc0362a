"""What a song should sound like, as a vector: from words, or from ten seconds of a recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from server.audio.resampling import resampled, with_channels
from server.events import Samples
from server.generation import Recording
from server.models.checkpoints.errors import WrongCheckpoint

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SAMPLE_RATE = 24_000
#: Of a recording so much is heard, out of its middle.
HEARD_SECONDS = 10
MODEL = "OpenMuQ/MuQ-MuLan-large"
AUDIO_MODEL = "OpenMuQ/MuQ-large-msd-iter"
TEXT_MODEL = "xlm-roberta-base"
NAMES = (MODEL, AUDIO_MODEL, TEXT_MODEL)
#: The text model has 512 places; a character takes one at the most.
MAX_PROMPT_CHARACTERS = 500


class StyleEncoder(Protocol):
    """Words and sounds in one space; blocking."""

    @property
    def device(self) -> torch.device: ...

    @property
    def num_bytes(self) -> int:
        """What it holds of its device's memory."""
        ...

    def of_text(self, prompt: str) -> Tensor:
        """[512] float32, on the CPU."""
        ...

    def of_sound(self, samples: Samples) -> Tensor:
        """Of `samples` [n] at SAMPLE_RATE: [512] float32, on the CPU."""
        ...


def heard(recording: Recording) -> Samples:
    """The part of `recording` that is heard, as it is: [channels, HEARD_SECONDS · its rate]."""
    middle_seconds = int(recording.duration_seconds // 2)
    start = (middle_seconds - HEARD_SECONDS // 2) * recording.sample_rate
    return recording.samples[:, start : start + HEARD_SECONDS * recording.sample_rate]


def of_recording(encoder: StyleEncoder, recording: Recording) -> Tensor:
    """The style of the middle of `recording`: [512]."""
    mono = with_channels(heard(recording), 1)
    return encoder.of_sound(resampled(mono, recording.sample_rate, SAMPLE_RATE)[0])


class MuQ:
    """MuQ-MuLan (Zhu et al., 2025), by the package `muq`."""

    def __init__(self, find: Callable[[str], Path], device: torch.device) -> None:
        """`find` gives the folder of each of `NAMES`. Raises `WrongCheckpoint`."""
        from server.models.devices import num_bytes

        self._model = _loaded(find).to(device).eval().requires_grad_(False)
        self.device = device
        self.num_bytes = num_bytes(self._model)

    def of_text(self, prompt: str) -> Tensor:
        return self._embed(texts=[prompt])

    def of_sound(self, samples: Samples) -> Tensor:
        import torch

        wave = torch.from_numpy(np.ascontiguousarray(samples)).to(self.device)
        return self._embed(wavs=wave[None])

    def _embed(self, **given: Any) -> Tensor:
        import torch

        with torch.inference_mode():
            embedded: Tensor = self._model(**given)[0].float().cpu()
        return embedded


def _loaded(find: Callable[[str], Path]) -> Any:
    from muq import MuQMuLan

    from server.models.checkpoints.tensors import read_json

    folder = find(MODEL)
    config = read_json(folder / "config.json")
    for part, name in (("audio_model", AUDIO_MODEL), ("text_model", TEXT_MODEL)):
        config[part] = {**_part(config, part), "name": str(find(name))}
    model = MuQMuLan(config)
    lacking = model.load_state_dict(_weights(folder), strict=False).missing_keys
    if lacking:
        raise WrongCheckpoint(f"the weights lack {lacking[0]}", MODEL)
    _mend_hidden_states(model)
    return model


def _part(config: dict[str, object], name: str) -> dict[str, object]:
    part = config.get(name)
    if not isinstance(part, dict):
        raise WrongCheckpoint(f"config.json has no {name}", MODEL)
    return part


def _weights(folder: Path) -> dict[str, Any]:
    from server.models.checkpoints.tensors import load_safetensors, read_pickle

    if (folder / "model.safetensors").exists():
        return load_safetensors(folder / "model.safetensors")
    return read_pickle(folder / "pytorch_model.bin")


def _mend_hidden_states(model: Any) -> None:
    """Of its conformer the package reads the hidden states, of which it uses the last. Newer
    versions of transformers give only that one, by another name."""
    from muq.muq.models.muq_model import MuQModel

    def mend(module: object, given: object, output: Any) -> Any:
        if output.hidden_states is None:
            output.hidden_states = (output.last_hidden_state,)
        return output

    for module in model.modules():
        if isinstance(module, MuQModel):
            module.conformer.register_forward_hook(mend)
