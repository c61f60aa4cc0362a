"""The engine: one thread that makes the music of all requests, step by step.

Each turn of its loop: evict, admit, join, decode step, read ahead, emit. A request joins as soon as
there is room for it and its text is read, and leaves at the turn after it is done or its client is
gone; nobody waits for anybody. Nothing here needs torch.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from loguru import logger

from server.errors import ContinuoError, Interrupted, ModelBroken
from server.models.base import NO_RESOURCES, Resources, Workload
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.reading_pace import ReadingPace
from server.models.musicgen.scheduler import Generation, Scheduler
from server.models.musicgen.wish import Wish

if TYPE_CHECKING:
    from server.models.musicgen.runner import Performance, Runner
    from server.models.musicgen.studio import Take

#: A daemon thread: a download that hangs must not keep the process from ending.
CLOSE_SECONDS = 10.0
UNLOADED = "the model is being unloaded"


@dataclass(frozen=True)
class Words:
    """What an exception means: the error for whoever asked, and whether memory ran out."""

    explain: Callable[[Exception, Wish], ContinuoError]
    is_out_of_memory: Callable[[BaseException], bool]


class Engine:
    """`submit`, `cancel` and `close` are for any thread; `ready` tells how the start went."""

    def __init__(
        self,
        name: str,
        build: Callable[[], Runner],
        words: Words,
        on_capacity: Callable[[Resources], None] = lambda capacity: None,
    ) -> None:
        """`build` loads the model, on the engine's own thread. `on_capacity` is told, there too,
        what there is for requests whenever that has changed."""
        self.ready: Future[None] = Future()
        self.ready.set_running_or_notify_cancel()  # who stops waiting for it does not stop it
        self.workload = Workload()
        self._scheduler = Scheduler(NO_RESOURCES)
        self._build = build
        self._words = words
        self._on_capacity = on_capacity
        self._reading_pace = ReadingPace()
        self._has_read = False
        self._news = threading.Condition()
        self._woken = False
        self._arrived: list[Generation] = []
        self._closing = False
        self._end_error: ContinuoError | None = None
        self._thread = threading.Thread(target=self._live, name=f"{name} engine", daemon=True)
        self._thread.start()

    @property
    def num_running(self) -> int:
        """Slots that are taken."""
        return len(self._scheduler.running)

    def submit(self, wish: Wish, cost: Resources, outbox: Outbox) -> Generation:
        """Join as soon as there is room for what it costs; events come to `outbox`."""
        generation = Generation(wish, cost, outbox)
        with self._news:
            end = Interrupted(UNLOADED) if self._closing else self._end_error
            if end is None:
                self._arrived.append(generation)
                self._wake()
        if end is not None:
            outbox.close(end)
        return generation

    def cancel(self, generation: Generation) -> None:
        """Leave at the next turn of the loop; its outbox is closed then."""
        generation.cancelled = True
        self._wake()

    def close(self) -> None:
        """End the thread, and with an error whatever still runs. Blocks until it is done."""
        with self._news:
            self._closing = True
            self._wake()
        self._thread.join(CLOSE_SECONDS)

    def _wake(self) -> None:
        """There is something new to do."""
        with self._news:
            self._woken = True
            self._news.notify()

    # ── on the engine's thread ───────────────────────────────────────────────────────────────

    def _live(self) -> None:
        try:
            self._runner = self._build()
            self._reading_pace = ReadingPace(self._runner.least_columns)
            self._runner.news.tell = self._wake
            self._scheduler = Scheduler(self._runner.capacity)
            self._on_capacity(self._scheduler.capacity)
        except BaseException as error:
            self.ready.set_exception(error)
            return
        self.ready.set_result(None)
        end: ContinuoError = Interrupted(UNLOADED)
        try:
            worked = False
            while self._take_news(wait=not worked):
                worked = self._turn()
        except Exception:
            logger.exception("The engine {} cannot go on", self._thread.name)
            end = ModelBroken("the engine failed; only a restart of the process can mend it")
        self._end(end)

    def _turn(self) -> bool:
        """Whether there was anything to do; if not, only news can change that."""
        self._evict()
        self._admit()
        self._join()
        stepping = self._decode_step()
        has_read = self._read_ahead()
        has_sound = self._emit()
        for generation in (*stepping, *self._scheduler.waiting):
            generation.post_progress()
        return has_read or has_sound or bool(stepping)

    def _end(self, error: ContinuoError) -> None:
        with self._news:
            self._end_error = error
            waiting, self._arrived = self._arrived, []
        for generation in [*self._scheduler.everyone, *waiting]:
            generation.outbox.close(error)
        self._runner.close()
        del self._runner

    def _take_news(self, wait: bool) -> bool:
        """Take in what arrived, after waiting for it if asked to; False when it is time to end."""
        with self._news:
            while wait and not self._woken:
                self._news.wait()
            self._woken = False
            for generation in self._arrived:
                self._scheduler.add(generation)
            self._arrived.clear()
            return not self._closing

    def _evict(self) -> None:
        for generation in self._scheduler.everyone:
            if generation.done:
                self._leave(generation)
                generation.outbox.close()

    def _admit(self) -> None:
        while (generation := self._scheduler.admit()) is not None:
            self._attempt([generation], partial(self._begin, generation))

    def _begin(self, generation: Generation) -> None:
        generation.performance = self._runner.begin(generation.wish)

    def _join(self) -> None:
        """Those whose text has been read meanwhile take part from now on."""
        for generation in list(self._scheduler.running):
            if _performing(generation).can_join:
                self._attempt([generation], partial(self._take_part, generation))

    def _take_part(self, generation: Generation) -> None:
        _performing(generation).join()

    def _read_ahead(self) -> bool:
        """One piece for whoever came first; the others' music goes on in between.

        Where the codec takes turns with the steps, pieces take turns with the codec: who is playing
        waits for one of them, not for both.
        """
        reading = [each for each in self._scheduler.running if _performing(each).num_unread]
        takes_turns = self._runner.studio.takes_turns
        self._has_read = bool(reading) and not (self._has_read and takes_turns)
        if self._has_read:
            self._attempt(reading[:1], partial(self._read_piece, reading[0]))
        return bool(reading)

    def _read_piece(self, generation: Generation) -> None:
        begun = time.perf_counter()
        most_columns = self._reading_pace.num_columns
        num_columns = self._runner.read_ahead(_performing(generation), most_columns)
        self._reading_pace.read(num_columns, time.perf_counter() - begun)
        generation.post_progress()

    def _decode_step(self) -> list[Generation]:
        """A step of everyone who can; returns them, also if it failed."""
        running = self._scheduler.running
        stepping = [each for each in running if not each.done and _performing(each).can_step]
        if stepping:
            self._attempt(stepping, partial(self._step, stepping))
        return stepping

    def _step(self, stepping: list[Generation]) -> None:
        begun = time.perf_counter()
        num_tokens = self._runner.decode_step([_performing(each) for each in stepping])
        self._reading_pace.stepped(time.perf_counter() - begun)
        before = self.workload
        self.workload = Workload(
            len(stepping), before.num_steps + 1, before.num_tokens + num_tokens
        )

    def _emit(self) -> bool:
        """Hand what is due to the codec, and send what it has made."""
        studio, running = self._runner.studio, self._scheduler.running
        if not (self._has_read and studio.takes_turns):
            studio.take([_performing(each).sound for each in running])
        made = studio.made()
        for take in made:
            listeners = [each for each in running if _performing(each).sound in take.sounds]
            if listeners:
                self._attempt(listeners, partial(self._deliver, take, listeners))
        return bool(made)

    def _deliver(self, take: Take, listeners: list[Generation]) -> None:
        samples = take.hand_out()
        for generation in listeners:
            sound = _performing(generation).sound
            generation.post_sound(samples[sound])
            if sound.complete:
                generation.post_progress()

    def _attempt(self, generations: list[Generation], work: Callable[[], None]) -> bool:
        """Do `work`; whether it went well.

        If memory ran out, the youngest of `generations` is put back while others run on. Any other
        failure ends them all. They are told last, and outside the handler: while it runs, the
        error's frames hold tensors.
        """
        try:
            work()
        except Exception as error:
            memory_short = self._words.is_out_of_memory(error)
            failures = [self._words.explain(error, each.wish) for each in generations]
        else:
            return True
        if memory_short and self.num_running > 1:
            self._put_back(generations[-1])
        else:
            self._fail(generations, failures)
        return False

    def _put_back(self, generation: Generation) -> None:
        self._scheduler.put_back(generation)
        generation.start_over()
        self._free_memory()
        self._on_capacity(self._scheduler.capacity)
        logger.warning("Out of memory: {} run on, the youngest begins again", self.num_running)

    def _fail(self, generations: list[Generation], failures: list[ContinuoError]) -> None:
        for generation in generations:
            self._leave(generation)
        try:
            self._free_memory()
        finally:
            for generation, failure in zip(generations, failures, strict=True):
                generation.outbox.close(failure.with_traceback(None))

    def _leave(self, generation: Generation) -> None:
        self._scheduler.leave(generation)
        generation.performance = None
        self._runner.forget()
        self._on_capacity(self._scheduler.capacity)

    def _free_memory(self) -> None:
        gc.collect()
        self._runner.free_memory()


def _performing(generation: Generation) -> Performance:
    assert generation.performance is not None, "a running generation has begun"
    return generation.performance
