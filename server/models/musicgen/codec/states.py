"""What a layer carries from one piece of a sound to the next, for several sounds at once.

A state is None at the start of a sound, or a tensor with a row for each channel in its first
dimension, or a flag, or a tuple of states. States that are alike can be joined, row after row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

State: TypeAlias = Any


def form(state: State) -> State:
    """What must be equal in states that are joined; it can be a key."""
    if isinstance(state, tuple):
        return tuple(form(part) for part in state)
    return tuple(state.shape[1:]) if isinstance(state, Tensor) else state


def joined(states: Sequence[State]) -> State:
    """The rows of all, in order."""
    first = states[0]
    if isinstance(first, tuple):
        return tuple(joined(parts) for parts in zip(*states, strict=True))
    return torch.cat(list(states)) if isinstance(first, Tensor) else first


def split(state: State, num_rows: int, num_states: int) -> list[State]:
    """What `joined` has joined: `num_states` states of `num_rows` rows each."""
    if isinstance(state, tuple):
        parts = [split(part, num_rows, num_states) for part in state]
        return list(zip(*parts, strict=True)) if parts else [()] * num_states
    return list(state.split(num_rows)) if isinstance(state, Tensor) else [state] * num_states
