"""Choices that come out the same on every machine.

Only `random.Random(int).random()` is used: Python promises its stream for a given seed, while the
streams of `choice`, `shuffle` or of NumPy's `Generator` may change from version to version.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

Choice = TypeVar("Choice")


class Chance:
    """A stream of choices that belongs to one question, named by `labels`.

    Every question has a stream of its own (`chance.of("bass")`), so that a choice more in one part
    of the music does not change any other part.
    """

    def __init__(self, *labels: object) -> None:
        self._labels = labels
        digest = hashlib.sha256(repr(labels).encode()).digest()
        self._random = random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311

    def of(self, *labels: object) -> Chance:
        """The stream of another question, the same however often this one was asked."""
        return Chance(*self._labels, *labels)

    def number(self) -> float:
        """Evenly spread over 0 to 1, 1 excluded."""
        return self._random.random()

    def between(self, low: float, high: float) -> float:
        """Evenly spread over `low` to `high`."""
        return low + (high - low) * self._random.random()

    def near_zero(self, spread: float) -> float:
        """Within ±`spread`, the middle likeliest (a triangle)."""
        return spread * (self._random.random() + self._random.random() - 1.0)

    def whether(self, probability: float) -> bool:
        """True with `probability`."""
        return self._random.random() < probability

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return int(self._random.random() * limit)

    def pick(self, options: Sequence[Choice]) -> Choice:
        """One of `options`, all equally likely."""
        return options[self.below(len(options))]

    def pick_early(self, options: Sequence[Choice], temperature: float) -> Choice:
        """One of `options`, which stand in the order of how usual they are.

        Each is half as likely as the one before it at temperature 1; at 0 the first is taken, and
        the higher the temperature, the more even the odds.
        """
        if temperature <= 0.0:
            return options[0]
        ratio = 0.5 ** (1.0 / temperature)
        return self.pick_weighted(options, [ratio**place for place in range(len(options))])

    def pick_weighted(self, options: Sequence[Choice], weights: Sequence[float]) -> Choice:
        """One of `options`, as likely as its weight; weights need not sum to 1."""
        left = self._random.random() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0.0:
                return option
        return options[-1]
