"""The user's clone of the published repository: files beside the weights. None of its code runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from server.errors import Unavailable
from server.models.diffrhythm.phonemes import polyphones
from server.models.diffrhythm.phonemes.chinese import Chinese
from server.models.diffrhythm.phonemes.polyphones import ModelPolyphones

VOCABULARY = Path("g2p/g2p/vocab.json")
NEGATIVE_STYLE = Path("infer/example/vocal.npy")
LEXICON = Path("g2p/sources/chinese_lexicon.txt")
POLYPHONES = Path("g2p/sources/g2p_chinese_model")
ALWAYS = (VOCABULARY, NEGATIVE_STYLE)
FOR_CHINESE = (LEXICON, *(POLYPHONES / name for name in polyphones.FILES))
STYLE_DIM = 512
REMEDY = (
    "Run `git submodule update --init vendor/DiffRhythm`, or set DIFFRHYTHM_HOME to a clone of "
    "https://github.com/ASLP-lab/DiffRhythm"
)
T = TypeVar("T")


class Clone:
    """The files in `folder`. What reads one raises `Unavailable` where it is missing or damaged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def missing(self, paths: Iterable[Path]) -> list[Path]:
        """Those of `paths` that are not there: a look at the disk."""
        return [path for path in paths if not (self._folder / path).is_file()]

    def vocabulary(self) -> dict[str, int]:
        """Phoneme → its index."""
        return _read(VOCABULARY, self._vocabulary)

    def negative_style(self) -> NDArray[np.float32]:
        """What a song should not sound like, [512]."""
        return _read(NEGATIVE_STYLE, self._negative_style)

    def chinese(self) -> Chinese:
        """Reads Chinese."""
        return _read(LEXICON, self._chinese)

    def _vocabulary(self) -> dict[str, int]:
        stored = json.loads((self._folder / VOCABULARY).read_text("utf-8"))["vocab"]
        return {str(phone): int(index) for phone, index in stored.items()}

    def _negative_style(self) -> NDArray[np.float32]:
        stored = np.load(self._folder / NEGATIVE_STYLE, allow_pickle=False)
        return np.asarray(stored, np.float32).reshape(STYLE_DIM)

    def _chinese(self) -> Chinese:
        lines = (self._folder / LEXICON).read_text("utf-8").splitlines()
        lexicon = dict(line.strip().split("\t") for line in lines if line.strip())
        return Chinese(lexicon, ModelPolyphones(self._folder / POLYPHONES))


def _read(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(
            f"{path} of DiffRhythm's repository cannot be read ({type(error).__name__})", REMEDY
        ) from error
