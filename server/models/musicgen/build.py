"""From a name to a runner: finds the checkpoint, reads it, puts it onto the device."""

from __future__ import annotations

from functools import partial

from loguru import logger

from server.errors import Unavailable
from server.models.base import ModelOptions
from server.models.musicgen.checkpoint.config import WrongCheckpoint
from server.models.musicgen.checkpoint.loading import load
from server.models.musicgen.checkpoint.places import Places, Report, fetch_command, unreadable
from server.models.musicgen.devices import choose_device, choose_dtype
from server.models.musicgen.failures import is_out_of_memory
from server.models.musicgen.runner import Runner


def build(name: str, options: ModelOptions, num_slots: int, report: Report) -> Runner:
    """The model `name`, ready to run. Blocking. Raises `Unavailable` with the remedy."""
    device = choose_device(options.device)
    dtype = choose_dtype(options.precision, device)
    places = Places(options.models_dir, report, options.may_download(name))
    folder = options.checkpoints.get(name) or places.find(name)
    report(f"reading the weights of {name}")
    try:
        checkpoint = load(folder, partial(places.find, beside=folder))
        runner = Runner(checkpoint, num_slots, device, dtype, options.first_audio_seconds)
    except WrongCheckpoint as error:
        raise _unusable(error.name or name, error, own=name in options.checkpoints) from error
    except OSError as error:
        raise unreadable(name, error) from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise Unavailable(
            f"{name} does not fit into the memory of {device.type} with {num_slots} slot(s) in "
            f"{dtype}",
            "Lower MAX_BATCH, set PRECISION=fp16 or bf16, or choose a smaller model",
        ) from error
    logger.info("Model {} runs on {} in {}", name, device, dtype)
    return runner


def _unusable(name: str, error: WrongCheckpoint, own: bool) -> Unavailable:
    """`own`: the operator gave the folder, so there is no published model to fetch instead."""
    remedy = f"To fetch all anew, delete the folder and run `{fetch_command(name)}`"
    if own and error.name is None:
        remedy = "Put whole files of a MusicGen into the folder"
    return Unavailable(f"the files of {name} cannot be used: {error}", remedy)
