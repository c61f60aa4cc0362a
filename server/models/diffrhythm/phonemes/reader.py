"""Reads lines of lyrics: text to tokens of the transformer's vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from server.models.diffrhythm.phonemes.chinese import Chinese
from server.models.diffrhythm.phonemes.english import English
from server.models.diffrhythm.phonemes.scripts import runs


class Reader:
    """Reads by `vocabulary`, phoneme → its index; `chinese` is made at the first need of it."""

    def __init__(self, vocabulary: Mapping[str, int], chinese: Callable[[], Chinese]) -> None:
        self._vocabulary = vocabulary
        self._make_chinese = chinese
        self._english = English()

    @cached_property
    def _chinese(self) -> Chinese:
        return self._make_chinese()

    def phones(self, text: str) -> list[str]:
        """The phonemes of a line; none where nothing in it is sung."""
        parts = runs(text)
        said: list[str] = []
        for number, (language, part) in enumerate(parts, 1):
            if language == "zh":
                said += self._chinese.phones(part)
            else:
                said += self._english.phones(part, before_chinese=number < len(parts))
        return said

    def tokens(self, text: str) -> list[int]:
        """The same as tokens, which begin at 1; a phoneme that was never learned is left out."""
        indices = (self._vocabulary.get(phone) for phone in self.phones(text))
        return [index + 1 for index in indices if index is not None]
