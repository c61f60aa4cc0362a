"""From a name to a runner: finds the checkpoint, reads it, puts it onto the device."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from loguru import logger

from server.errors import Unavailable
from server.models.base import ModelOptions, Resources
from server.models.checkpoints.errors import WrongCheckpoint
from server.models.checkpoints.places import Places, Report, fetch_command, unreadable
from server.models.devices import choose_device
from server.models.failures import is_out_of_memory
from server.models.memory import in_words
from server.models.musicgen.backend import Backend
from server.models.musicgen.capacity import default_slots, measure
from server.models.musicgen.checkpoint.config import MusicGenConfig
from server.models.musicgen.checkpoint.loading import load
from server.models.musicgen.cpu.backend import CompiledModel
from server.models.musicgen.cpu.library import CannotRun, installed
from server.models.musicgen.cuda import int8
from server.models.musicgen.cuda.backend import RecordedModel
from server.models.musicgen.devices import (
    DTYPES,
    Precision,
    choose_precision,
    companion_dtype,
    computing_dtype,
)
from server.models.musicgen.quantized import quantize
from server.models.musicgen.runner import Runner
from server.models.musicgen.transformer import LanguageModel
from server.models.musicgen.wish import Sampling, Wish

WARM_UP_FRAMES = 10


def build(name: str, options: ModelOptions, granted_bytes: int | None, report: Report) -> Runner:
    """The model `name`, ready to run within `granted_bytes`. Blocking.

    Raises `Unavailable` with the remedy.
    """
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    places = Places(options.models_dir, report, options.may_download(name))
    folder = options.checkpoints.get(name) or places.find(name)
    report(f"reading the weights of {name}")
    try:
        checkpoint = load(folder, partial(places.find, beside=folder))
        backend = backend_for(checkpoint.language_model, device, precision)
        beside = companion_dtype(precision, device)
        runner = Runner(checkpoint, backend, device, beside, options.first_audio_seconds)
        report("warming up")
        runner.warm_up(_short_wish(runner.config))
        runner.make_room(_capacity(runner, device, options.max_batch, granted_bytes))
    except WrongCheckpoint as error:
        raise _unusable(error.name or name, error, own=name in options.checkpoints) from error
    except OSError as error:
        raise unreadable(name, error) from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise Unavailable(
            f"{name} does not fit into the memory of {device.type} in {precision}",
            "Set PRECISION=int8, bf16 or fp16, or choose a smaller model",
        ) from error
    logger.info(
        "Model {} runs on {} in {}; {} for requests",
        name, device, precision, in_words(runner.capacity.memory_bytes),
    )  # fmt: skip
    return runner


def _unusable(name: str, error: WrongCheckpoint, own: bool) -> Unavailable:
    """`own`: the operator gave the folder, so there is no published model to fetch instead."""
    remedy = f"To fetch all anew, delete the folder and run `{fetch_command(name)}`"
    if own and error.name is None:
        remedy = "Put whole files of a MusicGen into the folder"
    return Unavailable(f"the files of {name} cannot be used: {error}", remedy)


def backend_for(
    model: LanguageModel, device: torch.device, precision: Precision
) -> Backend[Any, Any]:
    """What computes the language model on `device`; it takes the weights of `model`."""
    if device.type == "cpu" and precision != "fp16":
        try:
            return CompiledModel(model, installed(), precision, torch.get_num_threads())
        except CannotRun as error:
            logger.info("The C++ decode step is not used: {}", error)
    if device.type == "cuda":
        return recorded(model, device, precision)
    if precision == "int8":
        quantize(model)
    else:
        model.place(device, DTYPES[precision])
    return model


def recorded(
    model: LanguageModel, device: torch.device, precision: Precision, **choices: Any
) -> RecordedModel:
    """`model` as a GPU runs it; in int8 are its weights and what it remembers."""
    if precision == "int8":
        int8.quantize(model, device, computing_dtype(precision))
    else:
        model.place(device, DTYPES[precision])
    return RecordedModel(model, remembers_in_int8=precision == "int8", **choices)


def _capacity(
    runner: Runner, device: torch.device, max_batch: int | None, granted_bytes: int | None
) -> Resources:
    num_slots = default_slots(device.type == "cuda", max_batch)
    most_bytes = runner.most_bytes(num_slots)
    if granted_bytes is not None:
        most_bytes = min(most_bytes, granted_bytes - runner.weights_bytes)
    return measure(device, num_slots, max(0, most_bytes))


def _short_wish(config: MusicGenConfig) -> Wish:
    window = config.window_frames
    return Wish("music", WARM_UP_FRAMES, window, window // 2, 0, Sampling(), config.guidance)
