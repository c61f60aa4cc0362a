"""Listeners of an engine, in an event loop as the server has them, and what each notes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from server.events import AudioChunk, Progress
from server.models.base import Resources
from server.models.failures import is_out_of_memory
from server.models.musicgen.engine import Engine, Words
from server.models.musicgen.failures import explain
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.runner import Runner
from server.models.musicgen.wish import Wish


@dataclass
class Diary:
    """Moments of one request, by one clock: when it was asked, and when its events came."""

    asked: float
    steps: list[float] = field(default_factory=list)
    sounds: list[float] = field(default_factory=list)


@contextmanager
def engine_of(runner: Runner) -> Iterator[Engine]:
    """Closes the runner too."""
    engine = Engine("benchmark", lambda: runner, Words(explain, is_out_of_memory))
    engine.ready.result()
    try:
        yield engine
    finally:
        engine.close()


def play(
    engine: Engine,
    wishes: Sequence[tuple[Wish, Resources]],
    joining_seconds: float,
    most_seconds: float,
) -> list[Diary]:
    """All of them, one joining after the other within `joining_seconds`.

    Raises what kept one from being made, `TimeoutError`, or `MemoryError` where one had to begin
    again because there was no room for all.
    """

    async def all_of_them() -> list[Diary]:
        between = joining_seconds / len(wishes)
        listeners = [
            _listen(engine, wish, cost, index * between)
            for index, (wish, cost) in enumerate(wishes)
        ]
        tasks = [asyncio.ensure_future(each) for each in listeners]
        when = asyncio.FIRST_EXCEPTION
        _, pending = await asyncio.wait(tasks, timeout=most_seconds, return_when=when)
        diaries = [task.result() for task in tasks if task.done()]
        if pending:
            raise TimeoutError
        return diaries

    return asyncio.run(all_of_them())


async def _listen(engine: Engine, wish: Wish, cost: Resources, after_seconds: float) -> Diary:
    await asyncio.sleep(after_seconds)
    diary, outbox = Diary(time.perf_counter()), Outbox()
    generation = engine.submit(wish, cost, outbox)
    try:
        async for event in outbox.events():
            _note(diary, event)
    finally:
        engine.cancel(generation)
        await outbox.closed()
    return diary


def _note(diary: Diary, event: object) -> None:
    now = time.perf_counter()
    if isinstance(event, AudioChunk):
        diary.sounds.append(now)
    elif isinstance(event, Progress):
        diary.steps.append(now)
    else:
        raise MemoryError(f"not all at once: {event}")
