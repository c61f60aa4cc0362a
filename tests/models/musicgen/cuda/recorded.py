"""The recorded step on a CPU: with nothing recorded, or recorded on a tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from server.models.base import Resources
from server.models.musicgen.cuda import int8
from server.models.musicgen.cuda.backend import RecordedModel
from server.models.musicgen.runner import Runner
from server.models.musicgen.transformer import LanguageModel
from tests.models.musicgen.references import CPU, checkpoint, loaded

MOST_POSITIONS = 320
MEMORY = 2**22
#: What would ask the device for a value while a step is recorded, and fail there.
ASKING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "unique")


class Tape(TorchDispatchMode):
    """Takes down a step's operations, each with the very tensors it had, as a CUDA graph does.

    Played, it knows nothing of the code that it was made from.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert not any(asking in str(function) for asking in ASKING), f"{function} asks for a value"
        made = function(*args, **(kwargs or {}))
        self.operations.append((function, args, kwargs or {}, _tensors(made)))
        return made

    def play(self) -> None:
        remade: dict[int, Tensor] = {}

        def now(value: object) -> object:
            return remade.get(id(value), value)

        for function, args, kwargs, made in self.operations:
            again = _tensors(function(*tree_map(now, args), **tree_map(now, kwargs)))
            remade.update((id(old), new) for old, new in zip(made, again, strict=True))


class Recorder:
    """Records as a graph would, and counts."""

    def __init__(self) -> None:
        self.tapes: list[Tape] = []
        self.sizes: list[int] = []
        self.played: list[int] = []

    def __call__(self, step: Callable[[], None]) -> Callable[[], None]:
        tape, size = Tape(), len(step.inputs.positions)  # type: ignore[attr-defined]
        with tape:
            step()
        self.tapes.append(tape)
        self.sizes.append(size)

        def play() -> None:
            self.played.append(size)
            tape.play()

        return play


def recorded_model(
    model: LanguageModel,
    num_slots: int = 6,
    memory_bytes: int = MEMORY,
    most_positions: int = MOST_POSITIONS,
    **choices: Any,
) -> RecordedModel:
    backend = RecordedModel(model, **choices)
    backend.set_aside(Resources(num_slots, memory_bytes), most_positions)
    return backend


def recorded_runner(variant: str, in_int8: bool = False, **choices: Any) -> Runner:
    made = loaded(variant) if in_int8 else checkpoint(variant)
    if in_int8:
        int8.quantize(made.language_model, CPU, torch.float16)
    backend = recorded_model(made.language_model, remembers_in_int8=in_int8, **choices)
    return Runner(made, backend, CPU, torch.float32, 0.16)


def num_pages(backend: RecordedModel) -> tuple[int, int]:
    """Free ones, and all."""
    pool = backend._steps.pool
    return pool.num_free, pool.keys.numbers.shape[1] - 1


def _tensors(made: object) -> list[Tensor]:
    every = made if isinstance(made, tuple | list) else [made]
    return [each for each in every if isinstance(each, Tensor)]
