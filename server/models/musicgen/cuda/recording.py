"""Steps recorded as CUDA graphs, which are launched as one, and replayed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

import torch

from server.models.musicgen.cuda.lanes import Lane

Replay: TypeAlias = Callable[[], None]
#: From a step to what does it again. Only what tensors hold may differ then, not which they are.
Record: TypeAlias = Callable[[Callable[[], None]], Replay]

#: Before it is recorded: libraries choose their kernels then, and Triton compiles its own.
NUM_REHEARSALS = 2
#: torch records one graph at a time in a process.
ONE_AT_A_TIME = threading.Lock()


def as_it_is(step: Callable[[], None]) -> Replay:
    """Where there are no graphs a step is done again."""
    return step


def recorder(lane: Lane) -> Record:
    return as_it_is if lane.stream is None else Graphs(lane)


class Graphs:
    """Records in `lane`. All graphs share one memory, for no two run at once; what was recorded
    with the most rows finds room for the others."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, step: Callable[[], None]) -> Replay:
        with self._lane.entered():
            for _ in range(NUM_REHEARSALS):
                step()
        graph, lane = torch.cuda.CUDAGraph(), self._lane
        # Threads of other models may ask for memory meanwhile, but not record.
        recording = torch.cuda.graph(
            graph, self._memory, lane.stream, capture_error_mode="thread_local"
        )
        with ONE_AT_A_TIME, recording:
            step()
        return graph.replay  # type: ignore[no-any-return]


def batch_sizes(most: int) -> list[int]:
    """For which sizes of a batch steps are recorded, `most` included: close together where a row
    more costs much."""
    sizes = [size for size in (1, 2, 4, 8) if size < most]
    while sizes and sizes[-1] >= 8 and (larger := sizes[-1] + max(4, sizes[-1] // 16 * 4)) < most:
        sizes.append(larger)
    return [*sizes, most]
