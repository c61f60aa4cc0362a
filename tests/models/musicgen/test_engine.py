"""The engine over a tiny checkpoint: many at once, leaving, and what goes wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from dataclasses import replace
from itertools import pairwise

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import numpy as np
import torch

from server.errors import ContinuoError, GenerationError, Interrupted, ModelBroken
from server.events import AudioChunk, Progress
from server.models.musicgen.engine import Engine
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.runner import Runner
from server.models.musicgen.scheduler import Generation
from server.models.musicgen.texts import Text
from tests.models.musicgen.diary import sound_of
from tests.models.musicgen.engines import (
    DECODED,
    ENDLESS,
    OTHERS,
    READ,
    SLOTS,
    WINDOWED,
    WISH,
    Watched,
    listen,
    sound_alone,
    start,
    submit,
    until,
)
from tests.models.musicgen.references import runner

LONG_OPENING = torch.randint(64, (4, 130), generator=torch.Generator().manual_seed(8)).numpy()


@pytest.fixture
def watched(request: pytest.FixtureRequest) -> Watched:
    return Watched(runner("mono"), own_thread=getattr(request, "param", False))


on_both = pytest.mark.parametrize(
    "watched", [False, True], ids=["in turn", "own thread"], indirect=True
)


@pytest.fixture
async def engine(watched: Watched) -> AsyncIterator[Engine]:
    engine = start(lambda: watched)
    await asyncio.wrap_future(engine.ready)
    yield engine
    engine.close()


@on_both
async def test_streamed_by_the_engine_is_decoded_whole(engine: Engine) -> None:
    for wish in (WISH, *OTHERS):
        events = await listen(engine, wish)
        assert np.abs(sound_of(events) - sound_alone(wish)).max() <= 1e-6
        assert events[-1] == Progress(100)


@on_both
async def test_many_at_once_are_each_as_alone(engine: Engine) -> None:
    """More than there are slots, of different lengths, joining at different steps."""
    listening = []
    for wish in (WISH, *OTHERS, WISH):
        listening.append(asyncio.create_task(listen(engine, wish)))
        await asyncio.sleep(0.02)
    for wish, events in zip((WISH, *OTHERS, WISH), await asyncio.gather(*listening), strict=True):
        assert np.abs(sound_of(events) - sound_alone(wish)).max() <= 1e-5
    assert engine.num_running == 0


async def test_who_leaves_makes_room_and_disturbs_nobody(engine: Engine) -> None:
    outboxes = [Outbox() for _ in range(SLOTS)]
    wishes = [ENDLESS, OTHERS[0], OTHERS[1]]
    generations = [submit(engine, w, o) for w, o in zip(wishes, outboxes, strict=True)]
    late = asyncio.create_task(listen(engine, WISH))
    await asyncio.sleep(0.05)
    engine.cancel(generations[0])
    await asyncio.wait_for(outboxes[0].closed(), 5)
    for wish, outbox in zip(wishes[1:], outboxes[1:], strict=True):
        events = [event async for event in outbox.events()]
        assert np.abs(sound_of(events) - sound_alone(wish)).max() <= 1e-5
    assert np.abs(sound_of(await late) - sound_alone(WISH)).max() <= 1e-5


@on_both
async def test_a_cancelled_one_leaves_within_one_step(engine: Engine, watched: Watched) -> None:
    outbox = Outbox()
    generations: list[Generation] = []
    cancelled_at: list[int] = []

    def cancel(number: int) -> None:
        if number >= 12 and generations:
            engine.cancel(generations.pop())
            cancelled_at.append(number)

    watched.at_step = cancel
    generations.append(submit(engine, ENDLESS, outbox))
    await asyncio.wait_for(outbox.closed(), 5)
    assert cancelled_at == [watched.num_steps]
    until(lambda: engine.num_running == 0 and watched.all_gone)


async def test_while_a_text_is_read_the_others_go_on(engine: Engine, watched: Watched) -> None:
    coming: Text = Future()
    watched.slow_texts["a long text"] = coming
    playing = submit(engine, ENDLESS, Outbox())
    newcomer = asyncio.create_task(listen(engine, replace(WISH, prompt="a long text")))
    await asyncio.to_thread(until, lambda: engine.num_running == 2 and watched.num_steps > 20)
    assert set(watched.batches) == {1}
    coming.set_result(watched._texts.remember("slow").result())  # type: ignore[attr-defined]
    assert np.abs(sound_of(await newcomer) - sound_alone(WISH)).max() <= 1e-5
    assert max(watched.batches) == 2
    engine.cancel(playing)


async def test_one_whose_text_is_still_being_read_can_leave(
    engine: Engine, watched: Watched
) -> None:
    watched.slow_texts["never read"] = Future()
    outbox = Outbox()
    newcomer = submit(engine, replace(WISH, prompt="never read"), outbox)
    await asyncio.to_thread(until, lambda: engine.num_running == 1)
    engine.cancel(newcomer)
    await asyncio.wait_for(outbox.closed(), 5)
    watched.slow_texts.clear()
    until(lambda: engine.num_running == 0 and watched.all_gone)


async def test_reading_ahead_takes_turns_with_the_others_steps(
    engine: Engine, watched: Watched
) -> None:
    """Between two steps of who plays, a piece is read or sound is decoded, whoever comes."""
    playing = submit(engine, ENDLESS, Outbox())
    await asyncio.to_thread(until, lambda: watched.num_steps >= 3)
    engine._reading_pace.num_columns = 4
    wishes = [replace(WISH, opening=LONG_OPENING, num_frames=140), WINDOWED]
    await asyncio.gather(*(listen(engine, wish) for wish in wishes))
    assert watched.log.count(READ) >= 4
    assert watched.log.count(DECODED) >= 4
    never = [(READ, READ), (READ, DECODED), (DECODED, READ)]
    assert all(pair not in never for pair in pairwise(watched.log))
    engine.cancel(playing)


async def test_a_long_opening_is_decoded_in_pieces(engine: Engine, watched: Watched) -> None:
    """Or the others would wait for all of it."""
    wish = replace(WISH, opening=LONG_OPENING, num_frames=140, seed=21)
    events = await listen(engine, wish)
    sizes = [event.samples.shape[1] for event in events if isinstance(event, AudioChunk)]
    assert len(sizes) >= 4
    assert max(sizes) <= 32_000
    assert np.abs(sound_of(events) - sound_alone(wish)).max() <= 1e-5


async def test_sounds_that_have_grown_to_a_second_are_decoded_together(
    engine: Engine, watched: Watched
) -> None:
    """Although they did not begin together."""
    long = replace(WISH, num_frames=450)
    first = asyncio.create_task(listen(engine, long))
    await asyncio.to_thread(until, lambda: watched.num_steps >= 7)
    second = asyncio.create_task(listen(engine, replace(long, seed=2)))
    sounds = [sound_of(await first), sound_of(await second)]
    assert watched.num_decoded_together.count(2) >= 2
    assert np.abs(sounds[0] - sound_alone(long)).max() <= 1e-5
    assert np.abs(sounds[1] - sound_alone(replace(long, seed=2))).max() <= 1e-5


async def test_one_that_waits_can_leave_too(engine: Engine) -> None:
    running = [submit(engine, ENDLESS, Outbox()) for _ in range(SLOTS)]
    outbox = Outbox()
    waiting = submit(engine, WISH, outbox)
    await asyncio.sleep(0.05)
    engine.cancel(waiting)
    await asyncio.wait_for(outbox.closed(), 5)
    assert engine.num_running == SLOTS
    for generation in running:
        engine.cancel(generation)


@pytest.mark.parametrize("where", ["begin", "read_ahead"])
async def test_who_fails_disturbs_nobody(engine: Engine, watched: Watched, where: str) -> None:
    first = asyncio.create_task(listen(engine, OTHERS[0]))
    await asyncio.to_thread(until, lambda: watched.num_steps >= 3)
    watched.failures[where] = ValueError
    with pytest.raises(GenerationError):
        await listen(engine, WINDOWED)
    assert np.abs(sound_of(await first) - sound_alone(OTHERS[0])).max() <= 1e-5


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (lambda: RuntimeError("CUDA error: an illegal memory access"), ModelBroken),
        (lambda: ValueError("a mistake of ours"), GenerationError),
        (lambda: ModelBroken("as it is"), ModelBroken),
    ],
)
async def test_other_errors_are_typed(
    engine: Engine, watched: Watched, error: Callable[[], Exception], kind: type[ContinuoError]
) -> None:
    watched.failures["decode_step"] = error
    with pytest.raises(kind) as raised:
        await listen(engine, WISH)
    assert type(raised.value) is kind
    assert "mistake" not in raised.value.message


async def test_closing_ends_what_runs(engine: Engine) -> None:
    listening = asyncio.create_task(listen(engine, ENDLESS))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(engine.close)
    with pytest.raises(Interrupted):
        await asyncio.wait_for(listening, 5)
    with pytest.raises(Interrupted):
        await asyncio.wait_for(listen(engine, WISH), 5)


async def test_an_engine_that_cannot_go_on_leaves_nobody_waiting(
    engine: Engine, watched: Watched
) -> None:
    def fail() -> None:
        raise RuntimeError("not even freeing works")

    watched.failures["decode_step"] = MemoryError
    watched.free_memory = fail  # type: ignore[method-assign]
    others = [asyncio.create_task(listen(engine, ENDLESS)) for _ in range(SLOTS + 1)]
    for other in others:
        with pytest.raises((ModelBroken, GenerationError)):
            await asyncio.wait_for(other, 5)
    with pytest.raises(ModelBroken):
        await asyncio.wait_for(listen(engine, WISH), 5)


async def test_a_failed_start_is_told() -> None:
    def fail() -> Runner:
        raise OSError("no such device")

    engine = start(fail)
    with pytest.raises(OSError, match="no such device"):
        await asyncio.wrap_future(engine.ready)


async def test_a_start_nobody_waits_for_any_more_still_ends_well() -> None:
    begin, built = threading.Event(), runner("mono")

    def build() -> Runner:
        begin.wait(5)
        return built

    engine = start(build)
    waiting = asyncio.create_task(asyncio.wait_for(asyncio.wrap_future(engine.ready), 0.05))
    with pytest.raises(asyncio.TimeoutError):
        await waiting
    begin.set()
    await asyncio.to_thread(engine.close)
    assert engine.ready.done()
    assert engine.ready.exception() is None


async def test_closing_the_outbox_waits_however_often_it_is_cancelled() -> None:
    outbox = Outbox()
    closing = asyncio.create_task(outbox.closed())
    for _ in range(3):
        await asyncio.sleep(0)
        closing.cancel()
    await asyncio.sleep(0.01)
    assert not closing.done()
    outbox.close()
    with pytest.raises(asyncio.CancelledError):
        await closing
