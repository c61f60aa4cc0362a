"""A checkpoint of random weights in memory, made on the device that it is for.

Billions of random numbers take a GPU no time and a CPU minutes. See `random_musicgen` for files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import T5Config

from benchmarks.random_musicgen import SHAPES, TOKENIZER, config_of
from server.models.musicgen.checkpoint.config import LanguageModelConfig, MusicGenConfig
from server.models.musicgen.checkpoint.huggingface import read_config
from server.models.musicgen.checkpoint.loading import Checkpoint, complete
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.text_encoder import TextEncoder, empty_t5, read_tokenizer
from server.models.musicgen.transformer import LanguageModel

META = torch.device("meta")


def shape_of(name: str) -> Any:
    """The configuration, as transformers has it, of one of `SHAPES`, or of the checkpoint in a
    folder."""
    return config_of(name) if name in SHAPES else read_config(Path(name))


def random_checkpoint(
    config: MusicGenConfig, device: torch.device, dtype: torch.dtype
) -> Checkpoint:
    """The language model in `dtype`; the text encoder and the codec in float32."""
    model = random_language_model(config.language_model, device, dtype)
    with META:
        codec = Codec(config.codec)
    t5 = empty_t5(T5Config.from_dict(dict(config.t5)))
    for module in (codec, t5):
        fill(module.to_empty(device=device))
    encoder = TextEncoder(t5, read_tokenizer(TOKENIZER, t5.config.vocab_size))
    return complete(config, model, codec, encoder)


def random_language_model(
    config: LanguageModelConfig, device: torch.device, dtype: torch.dtype
) -> LanguageModel:
    """As `LanguageModel.place` has it for `dtype`."""
    with META:
        model = LanguageModel(config).requires_grad_(False)
    model.place(META, dtype)
    fill(model.to_empty(device=device))
    return model


@torch.no_grad()
def fill(module: nn.Module) -> None:
    """Give weights that keep what goes through them as large as it was, and biases of zero."""
    for name, tensor in module.state_dict().items():
        if tensor.dim() > 1:
            tensor.normal_(std=tensor[0].numel() ** -0.5)
        else:
            tensor.fill_(0.0 if "bias" in name else 1.0)
