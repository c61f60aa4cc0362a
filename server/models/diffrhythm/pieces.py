"""What a song needs on this machine: packages, weights, the clone, espeak-ng. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from server.models.base import Availability, ModelOptions
from server.models.diffrhythm.clone import ALWAYS, FOR_CHINESE, Clone
from server.models.diffrhythm.frames import LONG_FRAMES, SHORT_FRAMES
from server.models.diffrhythm.phonemes import english
from server.models.diffrhythm.style import NAMES, MuQ, StyleEncoder

if TYPE_CHECKING:
    import torch

    from server.models.checkpoints.places import Places, Report

#: Most frames of a song → the transformer that makes it.
TRANSFORMERS = {
    SHORT_FRAMES: "ASLP-lab/DiffRhythm-1_2",
    LONG_FRAMES: "ASLP-lab/DiffRhythm-1_2-full",
}
VAE = "ASLP-lab/DiffRhythm-vae"
INSTALL = 'pip install -e ".[diffrhythm]"'
CLONE = "git submodule update --init vendor/DiffRhythm"
PACKAGES = (
    "torch",
    "safetensors",
    "huggingface_hub",
    "phonemizer",
    "inflect",
    "jieba",
    "cn2an",
    "pypinyin",
    "onnxruntime",
)
Find = Callable[[str], Path]


@dataclass(frozen=True)
class StyleSource:
    """Where style vectors come from: the packages and weights that `load` needs."""

    packages: tuple[str, ...]
    weights: tuple[str, ...]
    load: Callable[[Find, torch.device], StyleEncoder]


MUQ = StyleSource(("transformers", "torchaudio", "torchvision", "muq"), NAMES, MuQ)


@dataclass(frozen=True)
class Lack:
    """Something that is not here, and the commands that bring it."""

    reason: str
    commands: tuple[str, ...]


class Pieces:
    """What there is of the model `name`, and what is lacking; looks at the disk, never the net."""

    def __init__(self, name: str, options: ModelOptions, source: StyleSource) -> None:
        self._models_dir = options.models_dir
        self._may_download = options.may_download(name)
        self._source = source
        self._missing_packages = _missing((*PACKAGES, *source.packages))
        self._clone = Clone(options.diffrhythm_home)

    def availability(self) -> Availability:
        """Whether songs of some length can be made; else all that is lacking."""
        return _together(self._lacks())

    def availability_of(self, most_frames: int) -> Availability:
        """Of the transformer for songs of up to so many frames."""
        return _together(self._lacking_weights([TRANSFORMERS[most_frames]]))

    def availability_of_chinese(self) -> Availability:
        """Of the files by which Chinese is read."""
        return _together(self._lacking_files(FOR_CHINESE))

    def at_hand(self) -> list[int]:
        """The most frames of each transformer that is there, or may be downloaded."""
        return [most for most in TRANSFORMERS if self.availability_of(most).available]

    def places(self, report: Report) -> Places:
        """Finds the weights."""
        from server.models.checkpoints.places import Places

        return Places(self._models_dir, report, self._may_download)

    def _lacks(self) -> Iterator[Lack]:
        yield from self._lacking_files(ALWAYS)
        if self._missing_packages:
            names = ", ".join(self._missing_packages)
            yield Lack(f"the Python packages {names} are not installed", (INSTALL,))
            return  # what is below cannot be looked for without them
        if not english.is_installed():
            yield Lack("espeak-ng is not installed", ("apt-get install espeak-ng",))
        transformers = () if self.at_hand() else tuple(TRANSFORMERS.values())
        yield from self._lacking_weights((*transformers, VAE, *self._source.weights))

    def _lacking_files(self, paths: Iterable[Path]) -> Iterator[Lack]:
        missing = self._clone.missing(paths)
        if missing:
            yield Lack(f"{missing[0]} of DiffRhythm's repository is missing", (CLONE,))

    def _lacking_weights(self, names: Iterable[str]) -> Iterator[Lack]:
        from server.models.checkpoints.places import fetch_command

        places = self.places(_say_nothing)
        missing = [name for name in names if places.lacking(name) is not None]
        if missing:
            commands = tuple(fetch_command(name) for name in missing)
            yield Lack(f"the weights {', '.join(missing)} are missing", commands)


def _together(lacks: Iterable[Lack]) -> Availability:
    found = list(lacks)
    if not found:
        return Availability()
    commands = [f"`{command}`" for lack in found for command in lack.commands]
    return Availability("; ".join(lack.reason for lack in found), f"Run {', '.join(commands)}")


def _missing(packages: Iterable[str]) -> list[str]:
    return [name for name in packages if find_spec(name) is None]


def _say_nothing(activity: str) -> None:
    """A look at the disk is no news."""
