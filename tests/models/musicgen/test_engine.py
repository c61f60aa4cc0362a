"""The engine over a tiny checkpoint: many at once, leaving, and what goes wrong."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import numpy as np
import torch

from server.errors import ContinuoError, GenerationError, Interrupted, ModelBroken
from server.events import AudioChunk, ModelEvent, Progress
from server.models.musicgen.engine import Engine
from server.models.musicgen.failures import explain
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.runner import Performance, Runner
from server.models.musicgen.scheduler import Generation
from server.models.musicgen.wish import Sampling, Wish
from tests.models.musicgen.references import perform, runner

SLOTS = 3
WISH = Wish("slow", 30, 1500, 900, 1, Sampling(top_k=20), 3.0)
OTHERS = [
    replace(WISH, prompt="rock music with bright arpeggio", num_frames=22, seed=2),
    replace(WISH, prompt="", num_frames=41, seed=3, guidance=1.5),
    replace(WISH, prompt="slow warm jazz", sampling=Sampling(1.2, 0, 0.8), seed=4),
    replace(WISH, num_frames=75, window_frames=40, stride_frames=25, seed=5),
]
ENDLESS = replace(WISH, num_frames=1500)


class Watched(Runner):
    """Counts its steps, and fails when told to."""

    def __init__(self, runner: Runner) -> None:
        self.__dict__.update(runner.__dict__)
        self.num_steps = 0
        self.failures: dict[str, Callable[[], Exception]] = {}
        self.performances: weakref.WeakSet[Performance] = weakref.WeakSet()
        self.at_step: Callable[[int], None] = lambda number: None

    def begin(self, wish: Wish) -> Performance:
        self.fail("begin")
        performance = super().begin(wish)
        self.performances.add(performance)
        return performance

    def prefill(self, sequence, slot: int) -> None:
        self.fail("prefill")
        super().prefill(sequence, slot)

    def decode_step(self, sequences) -> None:
        self.num_steps += 1
        self.at_step(self.num_steps)
        if self.num_steps > 5:
            self.fail("decode_step")
        super().decode_step(sequences)

    def sound(self, performance: Performance):
        if performance.percent > 50:
            self.fail("sound")
        return super().sound(performance)

    def fail(self, where: str) -> None:
        if where in self.failures:
            raise self.failures.pop(where)()


@pytest.fixture
def watched() -> Watched:
    return Watched(runner("mono", num_slots=SLOTS))


@pytest.fixture
async def engine(watched: Watched) -> AsyncIterator[Engine]:
    engine = Engine("tiny", SLOTS, lambda: watched, explain)
    await asyncio.wrap_future(engine.ready)
    yield engine
    engine.close()


async def listen(engine: Engine, wish: Wish) -> list[ModelEvent]:
    outbox = Outbox()
    engine.submit(wish, outbox)
    return [event async for event in outbox.events()]


def sound_of(events: list[ModelEvent]) -> np.ndarray:
    return np.concatenate([e.samples for e in events if isinstance(e, AudioChunk)], axis=1)


def sound_alone(wish: Wish) -> np.ndarray:
    """Drawn one by one and decoded whole: no engine, no batch, no stream."""
    alone = runner("mono")
    return alone._codec.decode(perform(alone, wish), 1).numpy()


async def test_streamed_by_the_engine_is_decoded_whole(engine: Engine) -> None:
    for wish in (WISH, *OTHERS):
        events = await listen(engine, wish)
        assert np.abs(sound_of(events) - sound_alone(wish)).max() <= 1e-6
        assert events[-1] == Progress(100)


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
    generations = [engine.submit(w, o) for w, o in zip(wishes, outboxes, strict=True)]
    late = asyncio.create_task(listen(engine, WISH))
    await asyncio.sleep(0.05)
    engine.cancel(generations[0])
    await asyncio.wait_for(outboxes[0].closed(), 5)
    for wish, outbox in zip(wishes[1:], outboxes[1:], strict=True):
        events = [event async for event in outbox.events()]
        assert np.abs(sound_of(events) - sound_alone(wish)).max() <= 1e-5
    assert np.abs(sound_of(await late) - sound_alone(WISH)).max() <= 1e-5


async def test_a_cancelled_one_leaves_within_one_step(engine: Engine, watched: Watched) -> None:
    outbox = Outbox()
    generations: list[Generation] = []
    cancelled_at: list[int] = []

    def cancel(number: int) -> None:
        if number >= 12 and generations:
            engine.cancel(generations.pop())
            cancelled_at.append(number)

    watched.at_step = cancel
    generations.append(engine.submit(ENDLESS, outbox))
    await asyncio.wait_for(outbox.closed(), 5)
    assert cancelled_at == [watched.num_steps]
    until(lambda: engine.num_running == 0)
    gc.collect()
    assert not watched.performances


async def test_one_that_waits_can_leave_too(engine: Engine) -> None:
    running = [engine.submit(ENDLESS, Outbox()) for _ in range(SLOTS)]
    outbox = Outbox()
    waiting = engine.submit(WISH, outbox)
    await asyncio.sleep(0.05)
    engine.cancel(waiting)
    await asyncio.wait_for(outbox.closed(), 5)
    assert engine.num_running == SLOTS
    for generation in running:
        engine.cancel(generation)


OUT_OF_MEMORY = [
    lambda: torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 4 bytes"),
    MemoryError,
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
@pytest.mark.parametrize("where", ["begin", "prefill", "decode_step", "sound"])
async def test_out_of_memory_says_what_to_lower_and_frees_all(
    engine: Engine, watched: Watched, where: str, error: Callable[[], Exception]
) -> None:
    watched.failures[where] = error
    with pytest.raises(GenerationError, match=r"shorter duration .* lower MAX_BATCH"):
        await listen(engine, WISH)
    until(lambda: engine.num_running == 0)
    gc.collect()
    assert not watched.performances
    assert watched._texts is None
    assert np.abs(sound_of(await listen(engine, WISH)) - sound_alone(WISH)).max() <= 1e-6


@pytest.mark.parametrize("where", ["begin", "prefill"])
async def test_who_cannot_begin_disturbs_nobody(
    engine: Engine, watched: Watched, where: str
) -> None:
    first = asyncio.create_task(listen(engine, OTHERS[0]))
    await asyncio.to_thread(until, lambda: watched.num_steps >= 3)
    watched.failures[where] = MemoryError
    with pytest.raises(GenerationError):
        await listen(engine, WISH)
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

    engine = Engine("tiny", 1, fail, explain)
    with pytest.raises(OSError, match="no such device"):
        await asyncio.wrap_future(engine.ready)


async def test_a_start_nobody_waits_for_any_more_still_ends_well() -> None:
    begin, built = threading.Event(), runner("mono")

    def build() -> Runner:
        begin.wait(5)
        return built

    engine = Engine("tiny", 1, build, explain)
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


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)
