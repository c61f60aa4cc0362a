"""The weights of MultiBand Diffusion on this machine. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from server.errors import Unavailable

REPOSITORY = "facebook/multiband-diffusion"
FILE = "mbd_musicgen_32khz.th"


def find_weights(models_dir: Path) -> Path:
    """The folder that holds FILE, under MODELS_DIR or in the Hugging Face cache.

    Nothing is downloaded for a request. Raises `Unavailable` with the command that does.
    """
    folder = _folder(models_dir)
    if folder is None:
        raise Unavailable(
            "the weights of MultiBand Diffusion are neither under MODELS_DIR nor in the Hugging "
            "Face cache",
            f"Run `hf download {REPOSITORY} {FILE}`, or leave multiband diffusion out",
        )
    return folder


def num_bytes(models_dir: Path) -> int:
    """The memory they take once they are read; 0 where there are none."""
    folder = _folder(models_dir)
    return 0 if folder is None else (folder / FILE).stat().st_size


def _folder(models_dir: Path) -> Path | None:
    from server.models.checkpoints.places import folder_with

    return folder_with(FILE, REPOSITORY, models_dir)
