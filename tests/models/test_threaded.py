from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import suppress

import pytest

from server.events import ModelEvent, Progress
from server.generation import GenerationRequest
from server.logs import request_id
from server.models.base import ModelOptions
from server.models.threaded import Emit, StepMeter, ThreadedModel
from tests.fakes import info

REQUEST = GenerationRequest("x", duration_seconds=1, seed=1)


class Gated(ThreadedModel):
    """Each step waits at a gate that the test opens."""

    def __init__(self, slots: int = 1) -> None:
        super().__init__(info("gated"), ModelOptions(max_batch=slots))
        self.gate = threading.Semaphore(0)
        self.seen: list[tuple[str, str]] = []
        self.closed = 0

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        try:
            for step in range(100):
                self.gate.acquire()
                self.seen.append((threading.current_thread().name, request_id.get()))
                if request.prompt == f"fail at {step}":
                    raise RuntimeError("as asked")
                yield Progress(step)
        finally:
            self.closed += 1


@pytest.fixture
def model() -> Iterator[Gated]:
    """Whatever a test leaves waiting is let go at its end."""
    model = Gated()
    yield model
    model.gate.release(1000)


async def close(model: Gated, events: AsyncGenerator[ModelEvent, None]) -> None:
    """Close a generation, and then let its thread finish the step it is in."""
    closing = asyncio.create_task(events.aclose())
    await asyncio.sleep(0.05)
    model.gate.release()
    await asyncio.wait_for(closing, 2)


async def test_steps_run_on_a_named_thread_with_the_callers_context(model: Gated) -> None:
    token = request_id.set("abc")
    model.gate.release()
    events = model.generate(REQUEST)
    assert await anext(events) == Progress(0)
    await close(model, events)
    request_id.reset(token)
    assert set(model.seen) == {("gated_0", "abc")}
    assert model.closed == 1


async def test_closing_waits_for_the_step_and_then_makes_no_other(model: Gated) -> None:
    model.gate.release()
    events = model.generate(REQUEST)
    await anext(events)
    closing = asyncio.create_task(events.aclose())
    await asyncio.sleep(0.05)
    assert not closing.done()
    assert model.closed == 0
    model.gate.release()
    await asyncio.wait_for(closing, 2)
    assert (len(model.seen), model.closed) == (2, 1)


async def test_cancelling_twice_still_waits_for_the_thread(model: Gated) -> None:
    listening = asyncio.create_task(anext(model.generate(REQUEST)))
    await asyncio.sleep(0.05)
    for _ in range(3):
        listening.cancel()
        await asyncio.sleep(0.01)
    assert not listening.done()
    model.gate.release()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert model.closed == 1


async def test_an_error_of_a_step_reaches_the_caller_after_what_was_made(model: Gated) -> None:
    model.gate.release(2)
    events = model.generate(GenerationRequest("fail at 1", duration_seconds=1))
    assert await anext(events) == Progress(0)
    with pytest.raises(RuntimeError, match="as asked"):
        await anext(events)
    assert model.closed == 1


class Meeting(ThreadedModel):
    """Two generations that can only go on together."""

    def __init__(self) -> None:
        super().__init__(info("meeting"), ModelOptions(max_batch=2))
        self.both = threading.Barrier(2, timeout=5)

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        self.both.wait()
        yield Progress(100)


async def test_each_slot_has_a_thread() -> None:
    model = Meeting()
    streams = [model.generate(REQUEST) for _ in range(2)]
    events = await asyncio.wait_for(asyncio.gather(*(anext(stream) for stream in streams)), 10)
    assert events == [Progress(100)] * 2
    for stream in streams:
        await stream.aclose()


class Calling(ThreadedModel):
    """Work that calls back, in a library that takes every `Exception` for a reason to go on."""

    def __init__(self) -> None:
        super().__init__(info("calling"), ModelOptions())
        self.gate = threading.Semaphore(0)
        self.num_steps = 0

    def perform(self, request: GenerationRequest, emit: Emit) -> None:
        meter = StepMeter(4, emit)
        for _ in range(4):
            self.gate.acquire()
            self.num_steps += 1
            with suppress(Exception):
                meter.step()


async def test_work_that_calls_back_tells_its_steps() -> None:
    model = Calling()
    model.gate.release(4)
    events = [event async for event in model.generate(REQUEST)]
    assert events == [Progress(25), Progress(50), Progress(75), Progress(100)]


async def test_work_that_calls_back_stops_at_its_next_call() -> None:
    model = Calling()
    model.gate.release()
    events = model.generate(REQUEST)
    await anext(events)
    closing = asyncio.create_task(events.aclose())
    await asyncio.sleep(0)  # it has told the thread
    assert not closing.done()
    model.gate.release(3)
    await asyncio.wait_for(closing, 2)
    assert model.num_steps == 2


def test_steps_may_be_done_before_the_first() -> None:
    events: list[ModelEvent] = []
    meter = StepMeter(4, events.append, num_done=2)
    meter.tell()
    meter.step()
    assert events == [Progress(50), Progress(75)]


async def test_a_model_that_writes_nothing_says_so() -> None:
    model = ThreadedModel(info("empty"), ModelOptions())
    with pytest.raises(NotImplementedError, match="ThreadedModel writes neither"):
        await anext(model.generate(REQUEST))
