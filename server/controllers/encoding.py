"""Whole files, encoded off the event loop for a connection that may go meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from server import tracing

#: Whole files encoded at once; more would only take turns on the cores.
NUM_ENCODERS = 2

T = TypeVar("T")


async def stoppable(work: Callable[[Callable[[], bool]], T], encoders: CapacityLimiter) -> T:
    """`work(stopped)` on a thread. A client that leaves meanwhile stops it."""
    left = threading.Event()
    try:
        with tracing.span("encode"):
            return await to_thread.run_sync(
                partial(work, left.is_set), abandon_on_cancel=True, limiter=encoders
            )
    finally:
        left.set()
