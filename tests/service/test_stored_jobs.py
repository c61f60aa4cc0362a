from __future__ import annotations

import asyncio
import io
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from server.audio.waveform import to_pcm16
from server.errors import (
    BadRequest,
    Draining,
    Gone,
    KeyReused,
    NotFound,
    NotReady,
    QueueFull,
    Unavailable,
)
from server.events import AudioChunk, Queued, Started, State
from server.generation import GenerationRequest
from server.service.stored_events import Ended, EventId, Numbered, Restarted
from server.service.stored_runs import MAX_BROKEN_ATTEMPTS, Run
from server.stores.job_store import JobStore
from server.stores.stored_job import Ending, IdempotencyKey, StoredJob
from tests.fakes import Ticking, tone
from tests.service.stored import Box, opened


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    async with opened(tmp_path) as box:
        yield box


async def heard(box: Box, stored: StoredJob, after: EventId | None = None) -> list[Numbered]:
    async def listen() -> list[Numbered]:
        return [numbered async for numbered in box.jobs.events(stored, after)]

    return await asyncio.wait_for(listen(), 20)


def pcm(events: list[Numbered]) -> bytes:
    chunks = [n.event for n in events if isinstance(n.event, AudioChunk)]
    return b"".join(to_pcm16(chunk.samples).tobytes() for chunk in chunks)


def expected_pcm(seed: int, seconds: int) -> bytes:
    return b"".join(to_pcm16(tone(seed, second)).tobytes() for second in range(seconds))


# ── one job ──────────────────────────────────────────────────────────────────────────────────


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


# ── idempotency ──────────────────────────────────────────────────────────────────────────────


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


# ── cancelling and deleting ──────────────────────────────────────────────────────────────────


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


# ── the sound ────────────────────────────────────────────────────────────────────────────────


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


# ── listening ────────────────────────────────────────────────────────────────────────────────


async def test_listeners_hear_the_same_before_during_and_after(box: Box) -> None:
    blocking = await box.submit("step 0.1", 2)
    stored = await box.submit("step 0.02 warn", 5, seed=3)
    early = asyncio.create_task(heard(box, stored))
    await box.when(stored, lambda job: job.state is State.RUNNING)
    during = asyncio.create_task(heard(box, stored))
    done = await box.ended(stored)
    told = await heard(box, done)
    for events in (await early, await during):
        assert [n.id for n in events if n.id] == [n.id for n in told]
    assert isinstance((await early)[0].event, Queued)
    assert [n.id for n in told] == sorted((n.id for n in told), key=lambda id: id.sequence)
    assert {n.id.attempt for n in told if n.id} == {1}
    assert isinstance(told[0].event, Started)
    assert isinstance(told[-1].event, Ended)
    assert told[-1].event.job.state is State.COMPLETED
    assert pcm(told) == pcm(await early) == expected_pcm(3, 5)
    await box.ended(blocking)


@pytest.mark.parametrize("live", [True, False])
async def test_a_listener_that_comes_back_misses_nothing(box: Box, live: bool) -> None:
    stored = await box.submit("step 0.03", 6, seed=3)
    whole = await heard(box, stored) if not live else []
    seen: list[Numbered] = []
    while not seen or not isinstance(seen[-1].event, Ended):
        after = next((n.id for n in reversed(seen) if n.id), None)
        position = 0
        async for numbered in box.jobs.events(await box.jobs.get(stored.id), after):
            if numbered.id or not seen:
                seen.append(numbered)
                position += 1
            if position == 2:  # and the connection is lost
                break
    ids = [n.id for n in seen if n.id]
    assert len(ids) == len(set(ids))
    assert live or ids == [n.id for n in whole if n.id]
    assert pcm(seen) == expected_pcm(3, 6)


async def test_nobody_is_told_of_an_attempt_that_is_not_stored_yet(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in between would make an id belong to two attempts."""
    start, may_start = JobStore.start, asyncio.Event()

    async def held_up(store: JobStore, id: str, *begun: int) -> bool:
        await may_start.wait()
        return await start(store, id, *begun)

    monkeypatch.setattr(JobStore, "start", held_up)
    stored = await box.submit("x", 3)
    told: list[Numbered] = []

    async def listen() -> None:
        async for numbered in box.jobs.events(stored):
            told.append(numbered)

    listening = asyncio.create_task(listen())
    run = await box.attempt_at(stored)
    await asyncio.wait_for(finished(run), 10)  # the model is done already
    assert not [n for n in told if n.id]
    may_start.set()
    await asyncio.wait_for(listening, 10)
    assert pcm(told) == expected_pcm(stored.request.drawn_seed, 3)


async def finished(run: Run) -> None:
    async for _ in run.job.log.read():
        pass


async def test_the_end_of_a_cancelled_and_of_a_failed_job_is_told_late_too(box: Box) -> None:
    failing = await box.ended(await box.submit("explode", 3))
    running = await box.submit("step 0.05", 60)
    listening = asyncio.create_task(heard(box, running))
    await box.when(running, lambda job: job.state is State.RUNNING)
    await box.jobs.cancel(running)
    live_end = (await listening)[-1]
    for stored, state in ((failing, State.FAILED), (running, State.CANCELLED)):
        told = await heard(box, await box.jobs.get(stored.id))
        end = told[-1]
        assert isinstance(end.event, Ended)
        assert end.event.job.state is state
        if state is State.FAILED:  # what was made before is heard
            assert pcm(told) == expected_pcm(stored.request.drawn_seed, 1)
    assert live_end.id == end.id


async def test_a_listener_of_a_queued_job_hears_of_its_deletion(box: Box) -> None:
    await box.submit("step 0.05", 60)
    queued = await box.submit()
    listening = asyncio.create_task(heard(box, queued))
    await asyncio.sleep(0)
    await box.jobs.delete(queued.id)
    *places, end = await listening
    assert all(isinstance(n.event, Queued) for n in places)
    assert isinstance(end.event, Queued | Ended)  # cancelled first, then gone


# ── one process after another ────────────────────────────────────────────────────────────────


async def test_what_did_not_finish_is_begun_anew_with_the_same_seed(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        running = await box.submit("step 0.05", 8)
        queued = await box.submit("x", 2)
        first = box.jobs.events(running)
        heard_before = [await anext(first) for _ in range(6)]
        await first.aclose()
    assert (await unfinished(tmp_path)) == {running.id, queued.id}
    async with opened(tmp_path) as box:
        last_id = heard_before[-1].id
        assert last_id is not None
        told = await heard(box, await box.jobs.get(running.id), last_id)
        restarts = [n for n in told if isinstance(n.event, Restarted)]
        assert [str(n.id) for n in restarts] == ["2-0"]
        assert {n.id.attempt for n in told if n.id} == {2}
        assert pcm(told) == expected_pcm(running.request.drawn_seed, 8)
        again = await box.ended(running)
        assert (again.state, again.attempt) == (State.COMPLETED, 2)
        assert again.request == running.request
        assert (await box.ended(queued)).attempt == 1
        late = await heard(box, again, last_id)  # from the file: told of the restart too
        assert isinstance(late[0].event, Restarted)
        assert pcm(late) == pcm(told)


async def unfinished(folder: Path) -> set[str]:
    box = Box(folder)
    await box.jobs.open()
    jobs = {job.id for job in await box.jobs.page() if not job.finished}
    await box.jobs.close()
    return jobs


async def test_a_finished_file_without_its_commit_is_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ended between the rename and the row."""
    async with opened(tmp_path) as box:
        written = asyncio.Event()

        async def never(*_: object) -> bool:
            written.set()
            await asyncio.Event().wait()
            return False

        monkeypatch.setattr(JobStore, "finish", never)
        stored = await box.submit("warn", 3, seed=4)
        whole = asyncio.create_task(heard(box, stored))
        await asyncio.wait_for(written.wait(), 10)
        whole.cancel()
    monkeypatch.undo()
    before = (tmp_path / stored.id / "output" / "take-0.wav").stat()
    async with opened(tmp_path) as box:
        adopted = await box.jobs.get(stored.id)
        assert (adopted.state, adopted.attempt) == (State.COMPLETED, 1)
        assert [warning.code for warning in adopted.warnings] == ["test"]
        path = await box.jobs.audio(adopted)
        assert path.stat() == before
        told = await heard(box, adopted)
        assert pcm(told) == expected_pcm(4, 3)
        assert told[-1].id == EventId(1, adopted.num_events)


async def test_what_failed_without_its_commit_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it made before it failed is on the disk, and is no finished piece."""
    async with opened(tmp_path) as box:
        written = asyncio.Event()

        async def never(*_: object) -> bool:
            written.set()
            await asyncio.Event().wait()
            return False

        monkeypatch.setattr(JobStore, "finish", never)
        stored = await box.submit("explode", 3)
        await asyncio.wait_for(written.wait(), 10)
    monkeypatch.undo()
    async with opened(tmp_path) as box:
        done = await box.ended(stored)
        assert (done.state, done.attempt, done.outputs) == (State.FAILED, 2, ("take-0.wav",))


async def test_draining_lets_running_jobs_finish_and_leaves_the_queue(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        running = await box.submit("step 0.05", 6)
        await box.submit("x")  # waits for the slot already, so it may have its turn
        queued = await box.submit("x")
        await box.when(running, lambda job: job.state is State.RUNNING)
        listening = asyncio.create_task(heard(box, queued))
        await box.service.drain(10)
        assert (await box.jobs.get(running.id)).state is State.COMPLETED
        assert (await box.jobs.get(queued.id)).state is State.QUEUED
        with pytest.raises(Draining):
            await box.submit()
        assert all(isinstance(n.event, Queued) for n in await listening)  # it ended
    async with opened(tmp_path) as box:
        assert (await box.ended(queued)).state is State.COMPLETED


async def test_the_drain_deadline_puts_a_job_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        running = await box.submit("step 0.1", 8, seed=9)
        await box.when(running, lambda job: job.state is State.RUNNING)
        listening = asyncio.create_task(heard(box, running))
        await box.service.drain(0.1)
        assert not any(isinstance(n.event, Ended) for n in await listening)
    async with opened(tmp_path) as box:
        done = await box.ended(running)
        assert (done.state, done.attempt) == (State.COMPLETED, 2)


async def test_a_job_that_breaks_every_process_is_given_up(tmp_path: Path) -> None:
    for attempt in range(1, MAX_BROKEN_ATTEMPTS + 1):
        async with opened(tmp_path) as box:
            if attempt == 1:
                stored = await box.submit("broken", 3)
            job = await box.when(stored, lambda job: job.finished or not _serving(box))
            await box.nothing_runs()
            job = await box.jobs.get(stored.id)
            assert job.attempt == attempt
            assert job.finished is (attempt == MAX_BROKEN_ATTEMPTS)
    assert (job.state, job.error_code) == (State.FAILED, "model_broken")


def _serving(box: Box) -> bool:
    return box.service.standing.value == "serving"


async def test_jobs_of_a_model_that_is_no_longer_served_fail_in_words(tmp_path: Path) -> None:
    async with opened(tmp_path) as box:
        await box.submit("step 1", 4, model="weighted")
        stored = await box.submit("x", 4, model="weighted")
    async with opened(tmp_path, extra_models="ticking=tests.fakes:Ticking") as box:
        done = await box.ended(stored)
        assert (done.state, done.error_code) == (State.FAILED, "unknown_model")
        assert "'weighted' is not served here" in (done.error_message or "")


async def test_nothing_of_a_finished_job_stays_in_memory(box: Box) -> None:
    for _ in range(5):
        await box.ended(await box.submit("x", 5))
    await box.nothing_runs()
    assert not box.service._jobs
    assert not box.service._pumps
