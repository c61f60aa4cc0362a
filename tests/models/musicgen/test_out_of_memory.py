"""Memory that runs out in the middle: the batch shrinks, and nobody hears anything twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import cycle

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import numpy as np
import torch

from server.errors import GenerationError
from server.events import ModelEvent, Progress
from server.models.musicgen.engine import Engine
from server.models.musicgen.scheduler import RESTARTED
from tests.models.musicgen.diary import sound_of
from tests.models.musicgen.engines import (
    OTHERS,
    SLOTS,
    WINDOWED,
    WISH,
    Watched,
    listen,
    sound_alone,
    start,
    until,
)
from tests.models.musicgen.references import runner

ERRORS = [
    lambda: torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 4 bytes"),
    MemoryError,
]
PLACES = ["begin", "text", "read_ahead", "decode_step", "codec"]


@pytest.fixture
def watched() -> Watched:
    return Watched(runner("mono"))


@pytest.fixture
async def engine(watched: Watched) -> AsyncIterator[Engine]:
    engine = start(lambda: watched)
    await asyncio.wrap_future(engine.ready)
    yield engine
    engine.close()


@pytest.mark.parametrize(("where", "error"), [*zip(PLACES, cycle(ERRORS))])
async def test_alone_it_says_what_to_lower_and_frees_all(
    engine: Engine, watched: Watched, where: str, error: Callable[[], Exception]
) -> None:
    watched.failures[where] = error
    with pytest.raises(GenerationError, match=r"shorter duration .* lower MAX_BATCH"):
        await listen(engine, WINDOWED)
    until(lambda: engine.num_running == 0 and watched.all_gone)
    assert watched._batch == []
    assert np.abs(sound_of(await listen(engine, WISH)) - sound_alone(WISH)).max() <= 1e-6


@pytest.mark.parametrize("where", PLACES)
async def test_among_others_the_batch_shrinks_and_all_are_made(
    engine: Engine, watched: Watched, where: str
) -> None:
    wishes = [OTHERS[0], replace(OTHERS[1], num_frames=60), WINDOWED]
    watched.at_step = fail_once(watched, where, when=lambda number: number == 12)
    listening = [asyncio.create_task(listen(engine, wish)) for wish in wishes]
    late = []
    if where in ("begin", "text"):
        await asyncio.to_thread(until, lambda: watched.num_steps >= 12)
        late = [OTHERS[2]]
        listening.append(asyncio.create_task(listen(engine, late[0])))
    for wish, events in zip([*wishes, *late], await asyncio.gather(*listening), strict=True):
        assert np.abs(sound_of(events) - sound_alone(wish)).max() <= 1e-5
        assert rises_to_100(events)
    assert not watched.failures
    until(lambda: engine.num_running == 0 and watched.all_gone)


def fail_once(watched: Watched, where: str, when: Callable[[int], bool]) -> Callable[[int], None]:
    def fail(number: int) -> None:
        if when(number):
            watched.failures[where] = MemoryError

    return fail


def rises_to_100(events: list[ModelEvent]) -> bool:
    percents = [event.percent for event in events if isinstance(event, Progress)]
    return percents == sorted(percents) and percents[-1] == 100


async def test_the_youngest_begins_again_and_is_not_heard_twice(
    engine: Engine, watched: Watched
) -> None:
    wish = replace(OTHERS[1], num_frames=60)
    text = watched._texts.remember(WISH.prompt)  # held, so that who wants it has it at once
    await asyncio.to_thread(text.result, 20)
    first = asyncio.create_task(listen(engine, wish))
    await asyncio.to_thread(until, lambda: watched.num_steps >= 3)
    watched.at_step = fail_once(watched, "decode_step", when=lambda _: have_played(14, watched.log))
    second = await listen(engine, WISH)
    assert RESTARTED in second
    assert second.index(RESTARTED) > 10  # it was heard before
    assert RESTARTED not in await first
    assert np.abs(sound_of(second) - sound_alone(WISH)).max() <= 1e-5
    assert np.abs(sound_of(await first) - sound_alone(wish)).max() <= 1e-5


def have_played(num_steps: int, log: list[int]) -> bool:
    """Whether this is the step with which two have played so many together."""
    return log[-1] == 2 and log.count(2) == num_steps


async def test_what_shrank_grows_again(engine: Engine, watched: Watched) -> None:
    capacities: list[int] = []
    engine._on_capacity = lambda capacity: capacities.append(capacity.slots)
    watched.at_step = fail_once(watched, "decode_step", when=lambda number: number == 10)
    await asyncio.gather(*(listen(engine, wish) for wish in OTHERS[:SLOTS]))
    assert min(capacities) == SLOTS - 1
    for _ in range(SLOTS):
        await listen(engine, WISH)
    assert capacities[-1] == SLOTS


async def test_again_and_again_it_comes_down_to_one_at_a_time(
    engine: Engine, watched: Watched
) -> None:
    """Memory for one only: whenever there are two, it runs out."""

    def fail(number: int) -> None:
        if watched.log[-1] > 1 and number > 5:
            watched.failures["decode_step"] = MemoryError

    watched.at_step = fail
    wishes = [WISH, *OTHERS[:SLOTS]]
    for wish, events in zip(
        wishes, await asyncio.gather(*(listen(engine, wish) for wish in wishes)), strict=True
    ):
        assert np.abs(sound_of(events) - sound_alone(wish)).max() <= 1e-5
