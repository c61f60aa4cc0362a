"""Adapts a blocking generator of steps to the model protocol."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context

from loguru import logger

from server.events import ModelEvent
from server.generation import GenerationRequest
from server.models.base import Model, ModelInfo, ModelOptions, Resources

#: How long a thread may take to end its last step.
CLOSE_SECONDS = 10.0


class ThreadedModel(Model):
    """A model written as plain blocking code, one thread a slot.

    A subclass writes `steps`, a generator whose every item ends a step; between two steps it may be
    told to stop, and then it is closed, so its `finally` blocks run on its own thread.
    """

    def __init__(self, info: ModelInfo, options: ModelOptions, default_capacity: int = 1) -> None:
        self.info = info
        num_slots = options.max_batch or default_capacity
        self.capacity = Resources(num_slots)
        self._threads = ThreadPoolExecutor(num_slots, thread_name_prefix=info.name)

    @abstractmethod
    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        """Make the music, blocking; yield after every step."""

    def prepare(self) -> None:
        """Load and warm up, blocking, on a thread of the model's own."""

    async def load(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self.prepare)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        run = _Run(self.steps(request))
        running = self._threads.submit(copy_context().run, run)
        try:
            while (event := await run.outbox.get()) is not None:
                yield event
            await asyncio.wrap_future(running)  # raises what the steps raised
        finally:
            run.stop.set()
            await _ended(running)

    async def close(self) -> None:
        """Its threads hold what they last worked on, so they must have ended, too."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        ending = asyncio.create_task(asyncio.to_thread(self._threads.shutdown))
        done, _ = await asyncio.wait([ending], timeout=CLOSE_SECONDS)
        if not done:
            logger.warning("A thread of model {} does not end", self.info.name)


class _Run:
    """One generation on its thread: takes steps until they end or `stop` is set."""

    def __init__(self, steps: Generator[ModelEvent, None, None]) -> None:
        self.stop = threading.Event()
        self.outbox: asyncio.Queue[ModelEvent | None] = asyncio.Queue()
        self._steps = steps
        self._loop = asyncio.get_running_loop()

    def __call__(self) -> None:
        try:
            with closing(self._steps):
                for event in self._steps:
                    if self.stop.is_set():
                        break
                    self._post(event)
        finally:
            self._post(None)

    def _post(self, event: ModelEvent | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self.outbox.put_nowait, event)
        except RuntimeError:  # the loop is closed: the process is ending
            self.stop.set()


async def _ended(running: Future[None]) -> None:
    """Return when the thread has let go, however often this task is cancelled meanwhile."""
    if running.cancel():  # it never began
        return
    thread = asyncio.wrap_future(running)
    cancelled = False
    while not thread.done():
        try:
            await asyncio.wait([thread])
        except asyncio.CancelledError:
            cancelled = True
    if not thread.cancelled():
        thread.exception()  # seen: it is no unhandled one
    if cancelled:
        raise asyncio.CancelledError
