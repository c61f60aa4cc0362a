"""Which reading of a character is meant: by the published model, a small BERT in ONNX."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

MODEL_FILE = "poly_bert_model.onnx"
CHARACTERS_FILE = "polychar.txt"
READINGS_FILE = "polydict.json"
TOKENS_FILE = "vocab.txt"
FILES = (MODEL_FILE, CHARACTERS_FILE, READINGS_FILE, TOKENS_FILE)
#: What stands for the beginning of a text, and for a character the model does not know.
BEGINNING, UNKNOWN = "[CLS]", "[UNK]"


class ModelPolyphones:
    """The files in `folder`; the model is loaded at the first question."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._characters = frozenset(self._lines(CHARACTERS_FILE))

    def __contains__(self, character: object) -> bool:
        return character in self._characters

    def reading(self, text: str, index: int) -> str:
        """The likeliest reading of the character at `index` of `text`, such as "chang2"."""
        tokens = [self._token(BEGINNING), *(self._token(character) for character in text)]
        fed = {"input_ids": np.array([tokens], np.int32)}
        scores = self._session.run(["outputs"], fed)[0]  # [1, characters, readings]
        best = int(scores[0, index].argmax())
        return self._readings[str(best + 1)]

    def _token(self, character: str) -> int:
        return self._tokens.get(character.lower(), self._tokens.get(character, self._unknown))

    @property
    def _unknown(self) -> int:
        return self._tokens[UNKNOWN]

    @cached_property
    def _tokens(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self._lines(TOKENS_FILE))}

    @cached_property
    def _readings(self) -> dict[str, str]:
        """Written as 长{chang2}."""
        stored = json.loads((self._folder / READINGS_FILE).read_text("utf-8"))
        return {number: reading[2:-1] for number, reading in stored.items()}

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        return onnxruntime.InferenceSession(
            self._folder / MODEL_FILE, providers=["CPUExecutionProvider"]
        )

    def _lines(self, name: str) -> list[str]:
        return (self._folder / name).read_text("utf-8").splitlines()
