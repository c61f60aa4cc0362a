"""What every model promises, whatever it is: one suite, run over each.

A subclass gives the model and a request it can meet; a model that cannot run where the tests run
skips in its own fixture, with the reason.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from server.events import AudioChunk, ModelEvent, Progress, Samples
from server.generation import GenerationRequest
from server.models.base import Model, ModelInfo

#: What a model may take to let go once its generation is closed.
STOP_SECONDS = 5.0


class Conformance:
    """Tests over `model`, an unloaded model with two slots, and `request`, resolved and short."""

    #: False for a model whose service is told no seed.
    seed_is_heard: ClassVar[bool] = True

    @pytest.fixture
    def model(self) -> Model:
        raise AssertionError("a subclass gives the model")

    @pytest.fixture
    def request_(self, model: Model) -> GenerationRequest:
        info = model.info
        seconds = max(2, info.min_duration_seconds)
        return GenerationRequest("a test", model=info.name, duration_seconds=seconds, seed=11)

    @pytest.fixture
    async def loaded(self, model: Model) -> AsyncIterator[Model]:
        await model.load()
        yield model
        await model.close()

    def test_its_description_is_whole(self, model: Model) -> None:
        info: ModelInfo = model.info
        assert info.name
        assert info.description
        assert info.code_licence
        assert info.weights_licence
        assert info.sample_rate >= 8000
        assert info.channels in (1, 2)
        low, high = info.min_duration_seconds, info.max_duration_seconds
        assert 1 <= low <= info.default_duration_seconds <= high
        for control in info.controls:
            assert control.name in GenerationRequest.__dataclass_fields__
            assert control.help
            if control.kind == "choice":
                assert control.choices
                assert control.default in (None, *control.choices)
            elif isinstance(control.default, int | float):
                assert control.minimum is None or control.minimum <= control.default
                assert control.maximum is None or control.default <= control.maximum

    def test_its_interpretation_can_be_sent(
        self, model: Model, request_: GenerationRequest
    ) -> None:
        json.dumps(dict(model.interpret(request_)))

    def test_what_it_writes_out_of_a_request_stays_so(
        self, model: Model, request_: GenerationRequest
    ) -> None:
        resolved = model.resolve(request_)
        assert model.resolve(resolved) == resolved

    def test_a_request_costs_something_it_has(
        self, model: Model, request_: GenerationRequest
    ) -> None:
        cost = model.cost(request_)
        assert cost.slots >= 1
        assert cost.fit(model.capacity)

    async def test_the_duration_is_exact(self, loaded: Model, request_: GenerationRequest) -> None:
        for seconds in {request_.num_seconds, request_.num_seconds + 1}:
            wanted = replace(request_, duration_seconds=seconds)
            sound = joined(await events_of(loaded, wanted))
            assert sound.shape == (loaded.info.channels, seconds * loaded.info.sample_rate)

    async def test_the_sound_is_sound(self, loaded: Model, request_: GenerationRequest) -> None:
        sound = joined(await events_of(loaded, request_))
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() > 1e-4

    async def test_the_same_seed_gives_the_same_sound(
        self, loaded: Model, request_: GenerationRequest
    ) -> None:
        first = joined(await events_of(loaded, request_))
        assert np.array_equal(first, joined(await events_of(loaded, request_)))

    async def test_another_seed_gives_another_where_it_is_heard(
        self, loaded: Model, request_: GenerationRequest
    ) -> None:
        first = joined(await events_of(loaded, request_))
        other = joined(await events_of(loaded, replace(request_, seed=12)))
        assert np.array_equal(first, other) is not self.seed_is_heard

    async def test_progress_rises_to_100(self, loaded: Model, request_: GenerationRequest) -> None:
        events = await events_of(loaded, request_)
        percents = [event.percent for event in events if isinstance(event, Progress)]
        assert percents == sorted(percents)
        assert percents[-1] == 100
        assert min(percents) >= 0

    async def test_it_streams(self, loaded: Model, request_: GenerationRequest) -> None:
        """Sound comes in pieces, take by take from 0, each not empty."""
        longer = max(12, request_.num_seconds)
        events = await events_of(loaded, replace(request_, duration_seconds=longer))
        chunks = [event for event in events if isinstance(event, AudioChunk)]
        assert len(chunks) > 1
        assert all(chunk.samples.shape[1] for chunk in chunks)
        assert {chunk.take for chunk in chunks} == {0}

    async def test_two_at_once_are_as_each_alone(
        self, loaded: Model, request_: GenerationRequest
    ) -> None:
        other = replace(request_, seed=12, prompt="another test")
        alone = [joined(await events_of(loaded, wanted)) for wanted in (request_, other)]
        together = await asyncio.gather(events_of(loaded, request_), events_of(loaded, other))
        for sound, events in zip(alone, together, strict=True):
            assert np.array_equal(sound, joined(events))

    @pytest.mark.parametrize("num_events", [0, 1, 2])
    async def test_it_can_be_stopped_at_any_moment(
        self, loaded: Model, request_: GenerationRequest, num_events: int
    ) -> None:
        longest = replace(request_, duration_seconds=loaded.info.max_duration_seconds)
        threads_before = threading.active_count()
        async with aclosing(loaded.generate(longest)) as events:
            for _ in range(num_events):
                await anext(events)
            closing = asyncio.create_task(events.aclose())
            await asyncio.wait_for(closing, STOP_SECONDS)
        assert threading.active_count() <= threads_before + loaded.capacity.slots
        assert joined(await events_of(loaded, request_)).size

    async def test_a_cancelled_task_stops_it(
        self, loaded: Model, request_: GenerationRequest
    ) -> None:
        longest = replace(request_, duration_seconds=loaded.info.max_duration_seconds)
        listening = asyncio.create_task(events_of(loaded, longest))
        await asyncio.sleep(0.05)
        listening.cancel()
        done, _ = await asyncio.wait([listening], timeout=STOP_SECONDS)
        assert done


async def events_of(model: Model, request: GenerationRequest) -> list[ModelEvent]:
    async with aclosing(model.generate(request)) as events:
        return [event async for event in events]


def joined(events: list[ModelEvent]) -> Samples:
    """The sound of take 0, [channels, n]."""
    chunks = [e.samples for e in events if isinstance(e, AudioChunk) and e.take == 0]
    return np.concatenate(chunks, axis=1)
