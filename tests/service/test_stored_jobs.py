"""Stored jobs: run, refused, cancelled, deleted; their sound."""

from __future__ import annotations

import asyncio
import io
import resource
from pathlib import Path

import numpy as np
import pytest
import soundfile

from server.errors import (
    BadRequest,
    Gone,
    KeyReused,
    NotFound,
    NotReady,
    QueueFull,
    Unavailable,
)
from server.events import State
from server.generation import GenerationRequest
from server.stores.job_store import JobStore
from server.stores.stored_job import Ending, IdempotencyKey
from tests.fakes import Ticking
from tests.service.stored import Box, expected_pcm, opened


async def test_a_job_is_stored_run_and_kept(box: Box) -> None:
    stored = await box.submit("warn", 3, seed=5, format="midi", stems=True)
    assert (stored.state, stored.request.seed) == (State.QUEUED, 5)
    done = await box.ended(stored)
    assert (done.state, done.attempt, done.progress) == (State.COMPLETED, 1, 100)
    assert [warning.code for warning in done.warnings] == ["test"]
    names = ("take-0.high.wav", "take-0.low.wav", "take-0.midi", "take-0.wav")
    assert done.outputs == names
    frames, _ = soundfile.read(await box.jobs.audio(done), dtype="int16")
    assert frames.tobytes() == expected_pcm(5, 3)
    stems = [
        soundfile.read(await box.jobs.audio(done, stem=stem), dtype="int16")[0]
        for stem in ("low", "high")
    ]
    assert np.abs(sum(stem.astype(int) for stem in stems) - frames).max() <= 1
    assert (await box.jobs.audio(done, format="midi")).read_bytes() == b"MThd and so on"
    metadata = (box.folder / stored.id / "metadata.txt").read_text("utf-8")
    for line in ('prompt: "warn"', "seed: 5", 'model: "ticking"', "duration_seconds: 3"):
        assert line in metadata.splitlines()


async def test_jobs_of_a_model_run_in_the_order_of_submission(box: Box) -> None:
    requests = [GenerationRequest("step 0.02", duration_seconds=2) for _ in range(6)]
    listed = await box.jobs.submit(requests, "test")
    single = await box.submit("step 0.02")
    assert await box.jobs.position(single) in (6, 7)  # the first may have begun
    done = [await box.ended(job) for job in (*listed, single)]
    starts = [job.started_at for job in done]
    assert starts == sorted(starts)


async def test_every_slot_is_used(tmp_path: Path) -> None:
    async with opened(tmp_path, max_batch=3) as box:
        jobs = [await box.submit("step 0.1", 5) for _ in range(4)]
        running = [await box.when(job, lambda job: job.state is State.RUNNING) for job in jobs[:3]]
        assert all(job.state is State.RUNNING for job in running)
        assert (await box.jobs.get(jobs[3].id)).state is State.QUEUED
        for job in jobs:
            assert (await box.ended(job)).state is State.COMPLETED


async def test_streaming_requests_get_their_turn_between_stored_ones(box: Box) -> None:
    stored = [await box.submit("step 0.05", 4) for _ in range(5)]
    await box.when(stored[0], lambda job: job.state is State.RUNNING)
    stream = box.service.submit(GenerationRequest("x", duration_seconds=1), "stream", places=5)
    async for _ in stream.log.read():
        pass
    box.service.end(stream)
    assert not (await box.jobs.get(stored[4].id)).finished
    for job in stored:
        assert (await box.ended(job)).state is State.COMPLETED


async def test_a_failure_is_stored_with_its_words(box: Box) -> None:
    done = await box.ended(await box.submit("explode", 3))
    assert (done.state, done.error_code) == (State.FAILED, "generation_failed")
    assert done.error_message == "the model failed; the server's log says why"
    assert done.outputs == ("take-0.wav",)
    assert done.partial
    assert soundfile.info(await box.jobs.audio(done)).duration == 1


async def test_a_failure_before_any_sound_leaves_none(box: Box) -> None:
    done = await box.ended(await box.submit("x", model="broken-load"))
    assert (done.state, done.outputs, done.partial) == (State.FAILED, (), False)
    with pytest.raises(Gone, match="it was failed"):
        await box.jobs.audio(done)


async def test_takes_without_sound_are_no_files_of_a_failure(box: Box) -> None:
    done = await box.ended(await box.submit("explode", 3, num_takes=2))
    assert (done.state, done.outputs) == (State.FAILED, ("take-0.wav",))


async def test_a_request_that_can_never_be_met_is_refused_before_it_is_stored(box: Box) -> None:
    with pytest.raises(BadRequest):
        await box.submit(seconds=999)
    with pytest.raises(Unavailable, match="fetch-weights"):
        await box.submit(model="missing")
    with pytest.raises(BadRequest, match="needs 5 slots"):
        await box.submit(seconds=5, model="weighted")
    assert await box.jobs.page() == []


async def test_a_model_that_cannot_be_loaded_fails_its_jobs(box: Box) -> None:
    done = await box.ended(await box.submit(model="broken-load"))
    assert (done.state, done.error_code) == (State.FAILED, "unavailable")
    assert "secret" not in (done.error_message or "")


async def test_a_list_is_taken_whole_or_not_at_all(box: Box) -> None:
    good, bad = GenerationRequest("x"), GenerationRequest("x", duration_seconds=999)
    with pytest.raises(BadRequest):
        await box.jobs.submit([good, bad], "test")
    assert await box.jobs.page() == []


async def test_a_full_queue_says_when_to_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path, queue_places=3) as box:
        await box.ended(await box.submit("step 0.05"))  # so that its speed is known
        first = await box.submit("step 0.2", 10)
        await box.when(first, lambda job: job.state is State.RUNNING)
        for _ in range(3):
            await box.submit()
        with pytest.raises(QueueFull, match="3 jobs wait for ticking") as full:
            await box.submit()
        assert full.value.retry_after_seconds
        other = await box.submit(model="weighted")  # which has a queue of its own
        assert (await box.ended(other)).state is State.COMPLETED
        two = [GenerationRequest("x")] * 4
        with pytest.raises(BadRequest, match="QUEUE_PLACES"):
            await box.jobs.submit(two, "test")
        assert box.service.metrics.jobs_waiting.labels("ticking")._value.get() == 3


async def test_the_same_key_is_the_same_job_even_at_the_same_moment(box: Box) -> None:
    key = IdempotencyKey("mine", "d1")
    request = GenerationRequest("x")
    same = await asyncio.gather(*(box.jobs.submit([request], "test", key) for _ in range(9)))
    assert len({jobs[0].id for jobs in same}) == 1
    with pytest.raises(KeyReused, match="'mine'"):
        await box.jobs.submit([request], "test", IdempotencyKey("mine", "d2"))
    await box.jobs.delete(same[0][0].id)
    (anew,) = await box.jobs.submit([request], "test", IdempotencyKey("mine", "d2"))
    assert anew.id != same[0][0].id


async def test_cancelling_a_running_job_frees_its_slot_within_a_step(box: Box) -> None:
    stored = await box.submit("step 0.1", 60)
    await box.when(stored, lambda job: job.state is State.RUNNING)
    cancelled = await box.jobs.cancel(stored)
    assert (cancelled.state, cancelled.error_message) == (State.CANCELLED, "cancelled by a caller")
    assert (await box.ended(await box.submit())).state is State.COMPLETED
    assert Ticking.active == 0
    assert (await box.jobs.get(stored.id)).state is State.CANCELLED
    with pytest.raises(Gone, match="cancelled"):
        await box.jobs.audio(await box.jobs.get(stored.id))


async def test_cancelling_a_queued_job_means_that_it_never_runs(box: Box) -> None:
    first = await box.submit("step 0.1", 3)
    second, third = await box.submit("second"), await box.submit("third")
    assert (await box.jobs.cancel(second)).state is State.CANCELLED
    assert (await box.ended(third)).state is State.COMPLETED
    assert (await box.jobs.get(second.id)).attempt == 0
    assert (await box.ended(first)).state is State.COMPLETED


async def test_cancelling_what_has_ended_changes_nothing(box: Box) -> None:
    done = await box.ended(await box.submit())
    assert await box.jobs.cancel(done) == done
    assert (await box.jobs.audio(done)).exists()


async def test_a_job_that_is_cancelled_as_it_begins_does_not_run_on(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row has ended, but its run is not known yet to who cancels it."""
    start = JobStore.start

    async def cancelled_first(store: JobStore, id: str, *begun: int) -> bool:
        await store.finish(id, Ending(State.CANCELLED), 1000)
        return await start(store, id, *begun)

    monkeypatch.setattr(JobStore, "start", cancelled_first)
    stored = await box.submit("step 0.1", 60)
    assert (await box.ended(stored)).state is State.CANCELLED
    monkeypatch.undo()
    assert (await box.ended(await box.submit())).state is State.COMPLETED


async def test_deleting_forgets_the_job_and_its_files(box: Box) -> None:
    done = await box.ended(await box.submit())
    running = await box.submit("step 0.05", 60)
    await box.when(running, lambda job: job.state is State.RUNNING)
    for job in (done, running):
        await box.jobs.delete(job.id)
        with pytest.raises(NotFound):
            await box.jobs.get(job.id)
        with pytest.raises(NotFound):
            await box.jobs.delete(job.id)
    assert (await box.ended(await box.submit())).state is State.COMPLETED
    left = {path.name for path in box.folder.iterdir()}
    assert not left & {done.id, running.id}


async def test_other_formats_are_made_once_and_only_if_there_is_such(box: Box) -> None:
    stored = await box.submit("step 0.05", 3)
    with pytest.raises(NotReady, match="its sound is not ready"):
        await box.jobs.audio(stored)
    done = await box.ended(stored)
    paths = await asyncio.gather(*(box.jobs.audio(done, format="flac") for _ in range(5)))
    assert len({path.stat().st_ino for path in paths}) == 1
    assert soundfile.info(io.BytesIO(paths[0].read_bytes())).format == "FLAC"
    for wrong in ({"take": 1}, {"stem": "drums"}, {"format": "midi"}, {"format": "../x"}):
        with pytest.raises(BadRequest, match="job"):
            await box.jobs.audio(done, **wrong)


async def test_a_disk_that_is_full_fails_the_job_in_words(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("server.service.keeping.write_events", full)
    done = await box.ended(await box.submit())
    assert (done.state, done.error_code) == (State.FAILED, "not_kept")
    assert "No space left on device" in (done.error_message or "")
    monkeypatch.undo()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limit[1]))  # as libsndfile meets it
    try:
        done = await box.ended(await box.submit("x", 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (done.state, done.error_code) == (State.FAILED, "not_kept")
    assert box.jobs._outputs.names(done.id) == []
    assert (await box.ended(await box.submit())).state is State.COMPLETED
