"""Models come and go: on demand, one load at a time each, within the memory there is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Literal, TypeAlias

from loguru import logger

from server.errors import ContinuoError, MemoryShort, ModelBusy, Unavailable, Unloading
from server.metrics import Metrics
from server.models.memory import DeviceMemory, in_words
from server.models.registry import Entry, Phase, Registry
from server.service.admission import WaitingRoom

#: What a client is told to wait for a model to come or go.
RETRY_SECONDS = 5
#: A load that failed is not tried again sooner: whoever asks meanwhile is told why it failed.
FAILURE_STANDS_SECONDS = 10.0

Reason: TypeAlias = Literal["asked", "evicted"]


class Loader:
    """Decides which models are loaded. Its plain methods never await, so nothing comes between.

    Memory is set aside before a load begins and given back when a model is gone. `room` is a
    model's waiting room: while somebody is in it, the model is not unloaded. `on_failure` is told
    of loads that failed, so that who waits for the model learns why.
    """

    def __init__(
        self,
        registry: Registry,
        memory: DeviceMemory,
        metrics: Metrics,
        room: Callable[[Entry], WaitingRoom],
        on_failure: Callable[[Entry, ContinuoError], None],
    ) -> None:
        self._registry = registry
        self._memory = memory
        self._metrics = metrics
        self._room = room
        self._on_failure = on_failure
        self._tasks: dict[Entry, asyncio.Task[None]] = {}
        self._somebody_left = asyncio.Event()
        for entry in registry.entries:
            metrics.model_memory.labels(entry.name).set_function(partial(_held_bytes, [entry]))

    @property
    def limit_bytes(self) -> int | None:
        """What models may hold together now; None until that is known."""
        return self._limit_bytes() if self._memory.known else None

    # ── from outside ─────────────────────────────────────────────────────────────────────────

    def want(self, entry: Entry) -> None:
        """See to it that the model gets ready. Raises `Refused` where that is in vain now."""
        if entry.phase in (Phase.READY, Phase.LOADING):
            return
        self.check_available(entry)
        self._check_fresh(entry)
        victims = self._claim_for_load(entry) if self._memory.known else []
        entry.phase, entry.failure = Phase.LOADING, None
        self._begin(entry, self._load(entry, victims))

    def check(self, entry: Entry) -> None:
        """Raise `Refused` where a load of the model would be in vain now."""
        self.check_available(entry)
        self._check_fresh(entry)
        if self._memory.known and entry.needed_bytes:
            self._victims(entry, entry.needed_bytes)

    def check_available(self, entry: Entry) -> None:
        """Raise `Unavailable` where the model says that it cannot run here."""
        known = entry.model.info.availability
        if not known.available:
            reason = f"{entry.name} is not available: {known.reason}"
            raise Unavailable(reason, known.remedy)

    def unload(self, entry: Entry, drain: bool) -> None:
        """Begin to unload it: at once, or with `drain` once those whom it accepted are served.

        Raises `ModelBusy` while it is being loaded, or works and is not to drain.
        """
        room = self._room(entry)
        if entry.phase is Phase.LOADING:
            raise ModelBusy(
                f"{entry.name} is not ready yet ({entry.activity}); unload it once it is"
            )
        if entry.loaded and not drain and not self._is_empty(entry):
            raise ModelBusy(
                f"{entry.name} is busy: {room.num_running} running, {room.num_waiting} waiting. "
                "Wait, or add ?drain=true to unload it when they are done"
            )
        if entry.phase is Phase.READY:
            self._begin_unload(entry, "asked")
        elif entry.phase is Phase.FAILED:
            entry.phase, entry.failure = Phase.UNLOADED, None

    def left(self, entry: Entry) -> None:
        """Somebody has left the model's waiting room."""
        entry.last_used_at = time.monotonic()
        self._somebody_left.set()
        self._somebody_left = asyncio.Event()

    async def settled(self, entry: Entry) -> None:
        """Return when nothing is on its way with the model any more."""
        if entry in self._tasks:
            await asyncio.wait([self._tasks[entry]])

    async def close(self) -> None:
        """Stop waiting for loads, and let all models go."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._registry.close()

    # ── a load ───────────────────────────────────────────────────────────────────────────────

    async def _load(self, entry: Entry, victims: list[Entry]) -> None:
        try:
            await self._bring_in(entry, victims)
        except ContinuoError as error:
            logger.error("Model {} cannot be served: {}", entry.name, error)
            await self._give_up(entry, error)
        except Exception:
            logger.exception("Model {} failed to load", entry.name)
            said = Unavailable(f"model {entry.name} failed to load", "The server's log says why")
            await self._give_up(entry, said)

    async def _bring_in(self, entry: Entry, victims: list[Entry]) -> None:
        if not self._memory.known and entry.needed_bytes:
            await asyncio.to_thread(self._memory.learn)
            victims = self._claim_for_load(entry)
        if victims:
            entry.model.activity = "waiting for memory"
        await self._gone(victims)
        entry.model.activity = ""
        logger.info("Loading model {}", entry.name)
        begun = time.monotonic()
        await entry.load()
        held_bytes = entry.memory_bytes  # more, perhaps, than was set aside
        await self._gone(self._claim(entry, held_bytes, held_bytes))
        self._metrics.load_seconds.labels(entry.name).observe(time.monotonic() - begun)
        self._metrics.loads.labels(entry.name, "ready").inc()
        entry.phase, entry.last_used_at = Phase.READY, time.monotonic()
        room = self._room(entry)
        logger.info("Model {} is ready, {} slot(s)", entry.name, entry.capacity.slots)
        room.admit()

    async def _give_up(self, entry: Entry, error: ContinuoError) -> None:
        _forget_frames(error)
        await entry.renew()
        self._metrics.loads.labels(entry.name, "failed").inc()
        if isinstance(error, MemoryShort):  # may be over at any moment, and looking costs nothing
            entry.phase = Phase.UNLOADED
        else:
            entry.phase, entry.failure, entry.failed_at = Phase.FAILED, error, time.monotonic()
        self._on_failure(entry, error)

    def _check_fresh(self, entry: Entry) -> None:
        if entry.phase is Phase.UNLOADING:
            raise Unloading(f"{entry.name} is being unloaded; try again", RETRY_SECONDS)
        fresh = time.monotonic() < entry.failed_at + FAILURE_STANDS_SECONDS
        if entry.failure is not None and fresh:
            raise entry.failure.with_traceback(None)  # or each raise would make it longer

    # ── memory ───────────────────────────────────────────────────────────────────────────────

    def _claim_for_load(self, entry: Entry) -> list[Entry]:
        return self._claim(entry, entry.needed_bytes, entry.wanted_bytes)

    def _claim(self, entry: Entry, num_bytes: int, wanted_bytes: int) -> list[Entry]:
        """Set memory aside: `num_bytes`, and of what is left besides as much as is wanted.

        Gives the models that go for it; the memory is free when they are gone. Raises `MemoryShort`
        with what holds it.
        """
        victims, left_bytes = self._victims(entry, num_bytes) if num_bytes else ([], 0)
        entry.memory_bytes = num_bytes + min(left_bytes, wanted_bytes - num_bytes)
        for victim in victims:
            if victim.phase is Phase.READY:
                self._begin_unload(victim, "evicted")
        return victims

    def _victims(self, entry: Entry, num_bytes: int) -> tuple[list[Entry], int]:
        """Those that go anyway, then those that were not used for longest; no more than needed.

        Also what is left of the memory then.
        """
        others = [other for other in self._registry.entries if other is not entry]
        limit_bytes = self._limit_bytes()
        left_bytes = limit_bytes - _held_bytes(others) - num_bytes
        can_go = [other for other in others if other.memory_bytes and self._can_go(other)]
        can_go.sort(key=lambda other: (other.phase is Phase.READY, other.last_used_at))
        victims: list[Entry] = []
        while can_go and left_bytes < 0:
            victims.append(can_go.pop(0))
            left_bytes += victims[-1].memory_bytes
        if left_bytes < 0:
            raise self._memory_short(entry, num_bytes, limit_bytes)
        return victims, left_bytes

    def _limit_bytes(self) -> int:
        there = (entry for entry in self._registry.entries if entry.in_memory)
        return self._memory.limit_bytes(_held_bytes(there))

    def _can_go(self, entry: Entry) -> bool:
        if entry.phase is Phase.UNLOADING:
            return True
        return entry.phase is Phase.READY and self._is_empty(entry)

    def _memory_short(self, entry: Entry, num_bytes: int, limit_bytes: int) -> MemoryShort:
        more = "raise MODEL_MEMORY_BUDGET"
        if self._memory.budget_bytes is None:
            more = "free some on this machine"
        said = (
            f"{entry.name} needs {in_words(num_bytes)} of memory, "
            f"and models may hold {in_words(limit_bytes)} together"
        )
        if num_bytes > limit_bytes:
            return MemoryShort(f"{said}: {more}, or choose a smaller model")
        others = [e for e in self._registry.entries if e is not entry and e.memory_bytes]
        holders = ", ".join(self._holder_in_words(other) for other in others)
        return MemoryShort(
            f"{said}; held by: {holders}. Try again when they are idle, or {more}", RETRY_SECONDS
        )

    def _holder_in_words(self, entry: Entry) -> str:
        room = self._room(entry)
        doing = "loading" if entry.phase is Phase.LOADING else "idle"
        if room.num_running:
            doing = f"busy: {room.num_running} running, {room.num_waiting} waiting"
        return f"{entry.name} ({in_words(entry.memory_bytes)}, {doing})"

    # ── an unload ────────────────────────────────────────────────────────────────────────────

    def _begin_unload(self, entry: Entry, reason: Reason) -> None:
        entry.phase = Phase.UNLOADING
        self._begin(entry, self._unload(entry, reason))

    async def _unload(self, entry: Entry, reason: Reason) -> None:
        while not self._is_empty(entry):
            await self._somebody_left.wait()
        held = in_words(entry.memory_bytes)
        await entry.renew()
        entry.phase = Phase.UNLOADED
        self._metrics.unloads.labels(entry.name, reason).inc()
        logger.info("Model {} is unloaded ({}), which frees {}", entry.name, reason, held)

    async def _gone(self, victims: list[Entry]) -> None:
        if victims:
            await asyncio.wait([self._tasks[victim] for victim in victims])

    def _is_empty(self, entry: Entry) -> bool:
        room = self._room(entry)
        return not room.num_running and not room.num_waiting

    def _begin(self, entry: Entry, work: Coroutine[None, None, None]) -> None:
        """One thing at a time happens to a model."""
        self._tasks[entry] = asyncio.create_task(self._finish(entry, work))

    async def _finish(self, entry: Entry, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        finally:  # at once, so that the next thing can begin
            del self._tasks[entry]


def _forget_frames(error: BaseException | None) -> None:
    """An error that is kept would keep what its frames hold: the model, tensors."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _held_bytes(entries: Iterable[Entry]) -> int:
    return sum(entry.memory_bytes for entry in entries)
