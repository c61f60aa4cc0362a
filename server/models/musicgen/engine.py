"""The engine: one thread that makes the music of all requests, step by step.

Each turn of its loop: evict, admit, prefill, decode step, emit. A request joins at the next turn,
and leaves at the one after it is done or its client is gone. Nothing here needs torch.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from loguru import logger

from server.errors import ContinuoError, Interrupted, ModelBroken
from server.events import AudioChunk, Progress
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.scheduler import Generation, Scheduler
from server.models.musicgen.wish import Wish

if TYPE_CHECKING:
    from server.models.musicgen.runner import Performance, Runner

#: A daemon thread: a download that hangs must not keep the process from ending.
CLOSE_SECONDS = 10.0
UNLOADED = "the model is being unloaded"
Explain = Callable[[Exception, Wish], ContinuoError]


class Engine:
    """`submit`, `cancel` and `close` are for any thread; `ready` tells how the start went."""

    def __init__(
        self,
        name: str,
        num_slots: int,
        build: Callable[[], Runner],
        explain: Explain,
    ) -> None:
        """`build` loads the model, on the engine's own thread; `explain` puts errors into words."""
        self.ready: Future[None] = Future()
        self.ready.set_running_or_notify_cancel()  # who stops waiting for it does not stop it
        self._scheduler = Scheduler(num_slots)
        self._build = build
        self._explain = explain
        self._news = threading.Condition()
        self._arrived: list[Generation] = []
        self._closing = False
        self._end_error: ContinuoError | None = None
        self._thread = threading.Thread(target=self._live, name=f"{name} engine", daemon=True)
        self._thread.start()

    @property
    def num_running(self) -> int:
        """Slots that are taken."""
        return len(self._scheduler.running)

    def submit(self, wish: Wish, outbox: Outbox) -> Generation:
        """Join at the next turn of the loop; events come to `outbox`."""
        generation = Generation(wish, outbox)
        with self._news:
            end = Interrupted(UNLOADED) if self._closing else self._end_error
            if end is None:
                self._arrived.append(generation)
                self._news.notify()
        if end is not None:
            outbox.close(end)
        return generation

    def cancel(self, generation: Generation) -> None:
        """Leave at the next turn of the loop; its outbox is closed then."""
        generation.cancelled = True
        with self._news:
            self._news.notify()

    def close(self) -> None:
        """End the thread, and with an error whatever still runs. Blocks until it is done."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join(CLOSE_SECONDS)

    # ── on the engine's thread ───────────────────────────────────────────────────────────────

    def _live(self) -> None:
        try:
            self._runner = self._build()
        except BaseException as error:
            self.ready.set_exception(error)
            return
        self.ready.set_result(None)
        end: ContinuoError = Interrupted(UNLOADED)
        try:
            while self._wait_for_work():
                self._turn()
        except Exception:
            logger.exception("The engine {} cannot go on", self._thread.name)
            end = ModelBroken("the engine failed; only a restart of the process can mend it")
        self._end(end)

    def _turn(self) -> None:
        self._evict()
        self._admit()
        self._prefill()
        self._decode_step()

    def _end(self, error: ContinuoError) -> None:
        with self._news:
            self._end_error = error
            waiting, self._arrived = self._arrived, []
        for generation in [*self._scheduler.everyone, *waiting]:
            generation.outbox.close(error)
        del self._runner

    def _wait_for_work(self) -> bool:
        """Take in what arrived; False when it is time to end."""
        with self._news:
            while not (self._closing or self._arrived) and self._scheduler.idle:
                self._news.wait()
            for generation in self._arrived:
                self._scheduler.add(generation)
            self._arrived.clear()
            return not self._closing

    def _evict(self) -> None:
        for generation in self._scheduler.leave_waiting():
            generation.outbox.close()
        for generation in [each for each in self._scheduler.running if each.done]:
            self._leave(generation)
            generation.outbox.close()

    def _admit(self) -> None:
        while (generation := self._scheduler.admit()) is not None:
            self._attempt([generation], partial(self._begin, generation))

    def _prefill(self) -> None:
        for generation in list(self._scheduler.running):
            if _performing(generation).begins_window and not generation.done:
                self._attempt([generation], partial(self._begin_window, generation))

    def _decode_step(self) -> None:
        """A step of everyone. Who has just begun takes part; who has just ended leaves first."""
        self._evict()
        running = list(self._scheduler.running)
        if not running or any(_performing(each).begins_window for each in running):
            return
        if self._attempt(running, partial(self._step, running)):
            for generation in running:
                self._attempt([generation], partial(self._emit, generation))

    def _begin(self, generation: Generation) -> None:
        generation.performance = self._runner.begin(generation.wish)

    def _begin_window(self, generation: Generation) -> None:
        slot = self._scheduler.running.index(generation)
        self._runner.prefill(_performing(generation).sequence, slot)
        self._emit(generation)

    def _step(self, running: list[Generation]) -> None:
        self._runner.decode_step([_performing(each).sequence for each in running])

    def _emit(self, generation: Generation) -> None:
        performance = _performing(generation)
        samples = self._runner.sound(performance)
        if samples is not None:
            generation.outbox.post(AudioChunk(samples))
        generation.outbox.post(Progress(performance.percent))

    def _attempt(self, generations: list[Generation], work: Callable[[], None]) -> bool:
        """Do `work`; if it fails, `generations` end with the error. Whether it went well.

        They are told last, and outside the handler: while it runs, the error's frames hold tensors.
        """
        try:
            work()
        except Exception as error:
            failures = [self._explain(error, generation.wish) for generation in generations]
        else:
            return True
        for generation in generations:
            self._leave(generation)
        try:
            gc.collect()
            self._runner.free_memory()
        finally:
            for generation, failure in zip(generations, failures, strict=True):
                generation.outbox.close(failure.with_traceback(None))
        return False

    def _leave(self, generation: Generation) -> None:
        vacancy = self._scheduler.leave(generation)
        generation.performance = None
        self._runner.forget()
        if vacancy.slot != vacancy.moved_from:
            self._runner.move(vacancy.moved_from, vacancy.slot)


def _performing(generation: Generation) -> Performance:
    assert generation.performance is not None, "a running generation has begun"
    return generation.performance
