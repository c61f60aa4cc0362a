"""What a finished job hands over, and how it goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from server.errors import Unsupported
from server.events import AudioChunk, Completed
from server.generation import GenerationRequest
from server.service.finished import FinishedTake, extend
from tests.fakes import SAMPLE_RATE, tone
from tests.service.test_jobs import make_job
from tests.service.test_service import loaded, make_service, outcome


def finished_job(num_seconds: int = 40):
    job = make_job(num_takes=2)
    job.start(job.info, {})
    for take in (0, 1):
        for second in range(num_seconds):
            job.record(AudioChunk(tone(take, second)), take)
    job.finish(Completed())
    return job


def test_a_take_goes_on_from_its_last_seconds() -> None:
    job = finished_job()
    request = extend(job, 1, 5)
    assert request.continuation is not None
    end = np.concatenate([tone(1, second) for second in range(10, 40)], axis=1)
    assert np.array_equal(request.continuation.samples, end)
    assert request.continuation.sample_rate == SAMPLE_RATE
    known = replace(request, continuation=None)
    assert known == replace(job.request, duration_seconds=5, seed=None, num_takes=1)


def test_levels_are_those_that_were_asked_for() -> None:
    job = finished_job(1)
    job.request = replace(job.request, normalize="peak")
    sound = np.concatenate(list(FinishedTake(job, 0).sound()), axis=1)
    assert np.abs(sound).max() == pytest.approx(10 ** (-1 / 20), rel=1e-5)


async def test_an_extension_is_a_request_like_any_other() -> None:
    service = await make_service()
    await loaded(service, "hearing")
    request = GenerationRequest("x", model="hearing", duration_seconds=2)
    job = service.submit(request, "test", places=0)
    assert isinstance(await outcome(job), Completed)
    service.end(job)
    longer = service.submit(extend(job, 0, 3), "test", places=1)
    assert isinstance(await outcome(longer), Completed)
    with pytest.raises(Unsupported, match=r"choose a model that has: .*hearing"):
        service.submit(replace(extend(job, 0, 3), model="ticking"), "test", places=0)
    await service.close()
