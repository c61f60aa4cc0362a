"""Adapts blocking code to the model protocol: a generator of steps, or a call that calls back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing, suppress
from contextvars import copy_context
from functools import partial
from typing import TypeAlias

from loguru import logger

from server.events import ModelEvent, Progress
from server.generation import GenerationRequest
from server.models.base import Model, ModelInfo, ModelOptions, Resources

#: How long a thread may take to end its last step.
CLOSE_SECONDS = 10.0


class Stopped(BaseException):
    """Raised into work that nobody wants any more: let it pass.

    No `Exception`, so that no library in between takes it for an error.
    """


#: Hands an event on, and so ends a step. Raises `Stopped`.
Emit: TypeAlias = Callable[[ModelEvent], None]


class ThreadedModel(Model):
    """A model written as plain blocking code, one thread a slot.

    A subclass writes `steps`, a generator whose every item ends a step; between two steps it may be
    told to stop, and then it is closed, so its `finally` blocks run on its own thread. Around code
    that calls back instead of yielding it writes `perform`.
    """

    def __init__(self, info: ModelInfo, options: ModelOptions, default_capacity: int = 1) -> None:
        self.info = info
        num_slots = options.max_batch or default_capacity
        self.capacity = Resources(num_slots)
        self._threads = ThreadPoolExecutor(num_slots, thread_name_prefix=info.name)

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        """Make the music, blocking; yield after every step."""
        raise NotImplementedError(f"{type(self).__name__} writes neither steps nor perform")

    def perform(self, request: GenerationRequest, emit: Emit) -> None:
        """Make the music, blocking; `emit` after every step."""
        with closing(self.steps(request)) as steps:
            for event in steps:
                emit(event)

    def prepare(self) -> None:
        """Load and warm up, blocking, on a thread of the model's own."""

    async def load(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self.prepare)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        return on_a_thread(self._threads, partial(self.perform, request))

    async def close(self) -> None:
        await end(self._threads, self.info.name)


class StepMeter:
    """Counts the steps of a piece of work, and emits how far it is; some may be done before."""

    def __init__(self, num_steps: int, emit: Emit, num_done: int = 0) -> None:
        self._num_steps = num_steps
        self._num_done = num_done
        self._emit = emit

    def step(self) -> None:
        """One more is done. Raises `Stopped`."""
        self._num_done += 1
        self.tell()

    def tell(self) -> None:
        """Say how far it is. Raises `Stopped`."""
        self._emit(Progress(100.0 * self._num_done / self._num_steps))


async def on_a_thread(
    threads: Executor, work: Callable[[Emit], None]
) -> AsyncGenerator[ModelEvent, None]:
    """Do `work` on one of `threads`, and yield what it emits; closing this stops the work."""
    run = _Run(work)
    running = threads.submit(copy_context().run, run)
    try:
        while (event := await run.outbox.get()) is not None:
            yield event
        await asyncio.wrap_future(running)  # raises what the work raised
    finally:
        run.stop.set()
        await _ended(running)


async def end(threads: Executor, name: str) -> None:
    """Wait for `threads` of the model `name` to end: they hold what they last worked on."""
    threads.shutdown(wait=False, cancel_futures=True)
    ending = asyncio.create_task(asyncio.to_thread(threads.shutdown))
    done, _ = await asyncio.wait([ending], timeout=CLOSE_SECONDS)
    if not done:
        logger.warning("A thread of model {} does not end", name)


class _Run:
    """Work on its thread, until it ends or `stop` is set."""

    def __init__(self, work: Callable[[Emit], None]) -> None:
        self.stop = threading.Event()
        self.outbox: asyncio.Queue[ModelEvent | None] = asyncio.Queue()
        self._work = work
        self._loop = asyncio.get_running_loop()

    def __call__(self) -> None:
        try:
            with suppress(Stopped):
                self._work(self._emit)
        finally:
            self._post(None)

    def _emit(self, event: ModelEvent) -> None:
        if self.stop.is_set():
            raise Stopped
        self._post(event)

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
