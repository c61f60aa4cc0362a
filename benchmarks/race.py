"""Contenders who make steps in turn, A B A B, so that whatever else the machine does meets all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

#: Makes the step of that number.
Step = Callable[[int], object]


@dataclass
class Contender:
    """Somebody who makes steps, for `num_requests` at once."""

    name: str
    num_requests: int
    step: Step
    bytes_per_step: int = 0
    #: A step, in each round.
    seconds: list[float] = field(default_factory=list)

    @property
    def steps_per_second(self) -> float:
        return 1 / median(self.seconds)


def race(
    contenders: Sequence[Contender],
    num_rounds: int,
    steps_a_round: int,
    synchronize: Callable[[], object] = lambda: None,
) -> None:
    """Fill in everybody's seconds; a round before the first is not counted.

    `synchronize` waits for what a step has left to a device.
    """
    for index in range(num_rounds + 1):
        for contender in contenders:
            synchronize()
            begun = time.perf_counter()
            for step in range(steps_a_round):
                contender.step(index * steps_a_round + step)
            synchronize()
            contender.seconds.append((time.perf_counter() - begun) / steps_a_round)
    for contender in contenders:
        del contender.seconds[0]


def times_as_fast(contender: Contender, other: Contender) -> float:
    """As much for its requests as `other` makes for its own, by the median of the rounds."""
    more = contender.num_requests / other.num_requests
    return median(more * theirs / own for own, theirs in _rounds(contender, other))


def _rounds(*contenders: Contender) -> Iterator[tuple[float, ...]]:
    return zip(*(each.seconds for each in contenders), strict=True)
