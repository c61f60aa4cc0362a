"""torch's global generator, for packages that draw from no other: one piece of work at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: How often one that waits for its turn asks whether it is still wanted.
ASK_SECONDS = 0.1

_turn = threading.Lock()


@contextmanager
def global_seed(seed: int, ask: Callable[[], None]) -> Iterator[None]:
    """Draw from torch's global generator, seeded with `seed`, as if alone in the process.

    Blocks until nobody else does; meanwhile calls `ask`, which may raise to give up.
    """
    import torch

    while not _turn.acquire(timeout=ASK_SECONDS):
        ask()
    try:
        torch.manual_seed(seed)
        yield
    finally:
        _turn.release()
