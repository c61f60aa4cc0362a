"""Reads the published files: the transformer's tensors, strictly, and the autoencoder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from server.models.checkpoints.errors import WrongCheckpoint
from server.models.checkpoints.tensors import REFETCH, StoredTensors, read_json, read_pickle
from server.models.diffrhythm.frames import CHANNELS, FRAME_SAMPLES, LATENT_DIM
from server.models.diffrhythm.layers import CONDITION_DIM, NUM_HEADS
from server.models.diffrhythm.transformer import Transformer, TransformerConfig

TRANSFORMER_FILE = "cfm_model.pt"
VAE_FILE = "vae_model.pt"
STATE = "model_state_dict"
PREFIX = "transformer."
NONE_IGNORED = re.compile(r"(?!)")
#: Field of a published config.json → ours; the largest that is no mistake.
SIZES = {
    "dim": "dim",
    "depth": "depth",
    "ff_mult": "ff_mult",
    "conv_layers": "conv_layers",
    "text_num_embeds": "num_tokens",
}
MAX_SIZE = 2**16
#: Fields that say what the code behind the weights has fixed.
FIXED = {"text_dim": CONDITION_DIM, "mel_dim": LATENT_DIM}


def read_transformer(folder: Path, max_frames: int) -> Transformer:
    """The transformer in `folder`, float32 on the CPU; sizes by config.json, if there is one.

    Raises `WrongCheckpoint`, which names the tensor that is missing, extra or of another shape.
    """
    config = read_config(folder, max_frames)
    tensors = StoredTensors(TRANSFORMER_FILE, _state(folder / TRANSFORMER_FILE))
    with torch.device("meta"):
        transformer = Transformer(config)
    tensors.fill(transformer, lambda name: (PREFIX + name,))
    tensors.check_all_used(NONE_IGNORED)
    return transformer.requires_grad_(False).eval()


def read_config(folder: Path, max_frames: int) -> TransformerConfig:
    """The sizes in `folder`; where it says nothing, those of the published models."""
    file = folder / "config.json"
    fields = read_json(file).get("model") if file.exists() else {}
    if not isinstance(fields, dict):
        raise WrongCheckpoint('config.json has no object "model"')
    for name, value in FIXED.items():
        if fields.get(name, value) != value:
            raise WrongCheckpoint(f"config.json: {name} is {fields[name]!r}; must be {value}")
    sizes = {SIZES[name]: _size(name, value) for name, value in fields.items() if name in SIZES}
    config = TransformerConfig(max_frames=max_frames, **sizes)
    if config.dim % (2 * NUM_HEADS):
        raise WrongCheckpoint(
            f"config.json: dim is {config.dim}; must be a multiple of {2 * NUM_HEADS}"
        )
    return config


def read_vae(folder: Path) -> torch.jit.ScriptModule:
    """The autoencoder in `folder`, on the CPU: see `vae.VAE` for its methods.

    It comes as TorchScript, whose operations can reach neither files nor Python. Raises
    `WrongCheckpoint`.
    """
    file = folder / VAE_FILE
    if not file.is_file():
        raise WrongCheckpoint(f"{VAE_FILE} is missing; fetch it")
    try:
        vae = torch.jit.load(file, map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise WrongCheckpoint(f"{VAE_FILE} is incomplete or damaged; {REFETCH}") from error
    _check_vae(vae)
    return vae


@torch.inference_mode()
def _check_vae(vae: Any) -> None:
    latents = torch.zeros(1, LATENT_DIM, 2)
    samples = torch.zeros(1, CHANNELS, 2 * FRAME_SAMPLES)
    probes = (
        ("decode_export", latents, (1, CHANNELS, 2 * FRAME_SAMPLES)),
        ("encode_export", samples, (1, 2 * LATENT_DIM, 2)),
    )
    for name, given, wanted in probes:
        try:
            shape = tuple(getattr(vae, name)(given).shape)
        except (AttributeError, RuntimeError) as error:
            raise WrongCheckpoint(f"{VAE_FILE} has no {name} that works; {REFETCH}") from error
        if shape != wanted:
            raise WrongCheckpoint(
                f"{VAE_FILE}: {name} makes {list(shape)} of {list(given.shape)}; "
                f"must be {list(wanted)}"
            )


def _state(file: Path) -> Mapping[str, Tensor]:
    state = read_pickle(file).get(STATE)
    if not isinstance(state, dict):
        raise WrongCheckpoint(f"{file.name} has no {STATE}; {REFETCH}")
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise WrongCheckpoint(f"{file.name}: {name} is no tensor")
    return state


def _size(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_SIZE:
        raise WrongCheckpoint(
            f"config.json: {name} is {value!r}; must be an integer from 1 to {MAX_SIZE}"
        )
    return value
