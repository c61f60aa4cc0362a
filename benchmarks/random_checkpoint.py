"""A checkpoint of random weights in memory, made on the device that it is for.

Billions of random numbers take a GPU no time and a CPU minutes. See `random_musicgen` for files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.random_musicgen import SHAPES, TOKENIZER, config_of
from server.models.musicgen.checkpoint.huggingface import read_config
from server.models.musicgen.checkpoint.loading import Checkpoint, complete, empty, sizes_of
from server.models.musicgen.text_encoder import TextEncoder, empty_t5, read_tokenizer

META = torch.device("meta")


def shape_of(name: str) -> Any:
    """The configuration, as transformers has it, of one of `SHAPES`, or of the checkpoint in a
    folder."""
    return config_of(name) if name in SHAPES else read_config(Path(name))


def random_checkpoint(shape: Any, device: torch.device, dtype: torch.dtype) -> Checkpoint:
    """Weights as wide as `LanguageModel.place` has them for `dtype`; those of the text encoder and
    the codec are float32."""
    config = sizes_of(shape)
    model, codec = empty(config)
    model.place(META, dtype)
    t5 = empty_t5(shape.text_encoder)
    for module in (model, codec, t5):
        fill(module.to_empty(device=device))
    encoder = TextEncoder(t5, read_tokenizer(TOKENIZER, t5.config.vocab_size))
    return complete(config, model, codec, encoder)


@torch.no_grad()
def fill(module: nn.Module) -> None:
    """Give weights that keep what goes through them as large as it was, and biases of zero."""
    for name, tensor in module.state_dict().items():
        if tensor.dim() > 1:
            tensor.normal_(std=tensor[0].numel() ** -0.5)
        else:
            tensor.fill_(0.0 if "bias" in name else 1.0)
