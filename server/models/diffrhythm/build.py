"""From names to an engine: finds the published files, reads them, puts them onto the device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from loguru import logger

from server.errors import Unavailable
from server.models.base import ModelOptions
from server.models.checkpoints.errors import WrongCheckpoint
from server.models.checkpoints.places import Places, Report, fetch_command, unreadable
from server.models.devices import choose_device
from server.models.diffrhythm.checkpoint import read_transformer, read_vae
from server.models.diffrhythm.clone import Clone
from server.models.diffrhythm.engine import Engine, Transformers
from server.models.diffrhythm.phonemes.reader import Reader
from server.models.diffrhythm.pieces import TRANSFORMERS, VAE, StyleSource
from server.models.diffrhythm.transformer import Transformer
from server.models.failures import is_out_of_memory

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def build(
    options: ModelOptions,
    places: Places,
    style_source: StyleSource,
    most_frames: int,
    num_points: int,
    report: Report,
) -> Engine:
    """The engine, warm, with the transformer for songs of up to `most_frames`. Blocking.

    Raises `Unavailable` with the remedy.
    """
    device = choose_device(options.device)
    clone = Clone(options.diffrhythm_home)
    read = partial(_transformer, places, device, _dtype(options.precision, device), report)
    with _usable(VAE):
        autoencoder = read_vae(places.find(VAE)).to(device)
    report("reading the style encoder")
    with _usable("the style encoder"):
        style_device = torch.device("cpu") if options.style_device == "cpu" else device
        style = style_source.load(places.find, style_device)
    engine = Engine(
        Transformers(read),
        autoencoder,
        style,
        Reader(clone.vocabulary(), clone.chinese),
        torch.from_numpy(clone.negative_style()),
        device,
        num_points,
    )
    with _usable(TRANSFORMERS[most_frames]):
        report("warming up")
        engine.warm_up(most_frames)
    return engine


def _transformer(
    places: Places, device: torch.device, dtype: torch.dtype, report: Report, most_frames: int
) -> Transformer:
    name = TRANSFORMERS[most_frames]
    with _usable(name):
        folder = places.find(name)
        report(f"reading the weights of {name}")
        transformer = read_transformer(folder, most_frames).to(device, dtype)
        logger.info("{} runs on {} in {}", name, device, dtype)
        return transformer


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    """auto is fp16 on CUDA, as published; int8 is a wish to those models that have it."""
    usual = torch.float16 if device.type == "cuda" else torch.float32
    return DTYPES.get(precision, usual)


@contextmanager
def _usable(name: str) -> Iterator[None]:
    """What goes wrong inside is about the files of `name`: raised as `Unavailable`."""
    try:
        yield
    except WrongCheckpoint as error:
        name = error.name or name
        raise Unavailable(
            f"the files of {name} cannot be used: {error}",
            f"To fetch all anew, delete the folder and run `{fetch_command(name)}`",
        ) from error
    except OSError as error:
        raise unreadable(name, error) from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise Unavailable(
            f"{name} does not fit into the device's memory",
            "Set PRECISION=fp16 or bf16, or STYLE_DEVICE=cpu",
        ) from error
