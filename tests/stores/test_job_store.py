"""The same promises over SQLite and over PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.errors import StoreUnreachable
from server.events import State, Warning
from server.generation import GenerationRequest
from server.stores import tables
from server.stores.job_store import JobStore, database_url
from server.stores.lock import UnusableStore
from server.stores.stored_job import Ending, IdempotencyKey, NewJob, StoredJob

HOUR = 3600.0
ODD = 'ünï\x00code "quoted" 雨 \n'


def new(number: int, model: str = "ticking", prompt: str = "x") -> NewJob:
    request = GenerationRequest(prompt, model=model, duration_seconds=2, seed=number, bpm=99)
    return NewJob(f"{number:032x}", "test", request, "request-1", 8000, 2)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    return request.getfixturevalue("postgresql").database()


@pytest.fixture
async def store(url: str, tmp_path: Path) -> AsyncIterator[JobStore]:
    store = JobStore(database_url(url, tmp_path))
    await store.open()
    yield store
    await store.close()


async def get(store: JobStore, number: int) -> StoredJob:
    found = await store.get(f"{number:032x}")
    assert found is not None
    return found


def numbers(jobs: list[StoredJob]) -> list[int]:
    return [int(job.id, 16) for job in jobs]


async def test_what_is_stored_comes_back_as_it_was(store: JobStore) -> None:
    (stored,) = await store.add([new(7, prompt=ODD)])
    assert stored.request == new(7, prompt=ODD).request
    assert (stored.state, stored.attempt, stored.request_id) == (State.QUEUED, 0, "request-1")
    assert await get(store, 7) == stored
    assert await store.get("nobody") is None


async def test_a_job_lives_from_queue_to_end_once(store: JobStore) -> None:
    (stored,) = await store.add([new(1)])
    assert await store.start(stored.id, 1, 32_000, 1)
    assert not await store.start(stored.id, 2, 8000, 2)
    warned = (Warning("w", "careful"),)
    done = Ending(State.COMPLETED, 9, 100.0, ("take-0.wav",), warned)
    assert await store.finish(stored.id, done, HOUR)
    for late in (State.FAILED, State.CANCELLED, State.COMPLETED):
        assert not await store.finish(stored.id, Ending(late), HOUR)
    assert not await store.start(stored.id, 2, 8000, 2)
    assert not await store.requeue(stored.id)
    last = await get(store, 1)
    assert (last.state, last.outputs, last.warnings) == (State.COMPLETED, ("take-0.wav",), warned)
    assert (last.num_events, last.progress) == (9, 100.0)
    assert (last.sample_rate, last.channels) == (32_000, 1)
    assert last.ended_at is not None
    assert last.expires_at == last.ended_at + HOUR


async def test_rivals_for_an_ending_have_one_winner(store: JobStore) -> None:
    (stored,) = await store.add([new(1)])
    endings = [Ending(state) for state in (State.COMPLETED, State.FAILED, State.CANCELLED)] * 4
    won = await asyncio.gather(*(store.finish(stored.id, each, HOUR) for each in endings))
    assert won.count(True) == 1
    assert (await get(store, 1)).state is endings[won.index(True)].state


async def test_each_model_has_its_queue_in_the_order_of_submission(store: JobStore) -> None:
    await store.add([new(3), new(2), new(9, model="other"), new(1)])
    assert await store.waited_for() in (["ticking", "other"], ["other", "ticking"])
    assert await store.num_queued("ticking") == 3
    order = []
    while (head := await store.next_queued("ticking")) is not None:
        assert await store.num_queued("ticking", before=head.number) == 0
        order += numbers([head])
        await store.start(head.id, 1, 8000, 2)
    assert order == [3, 2, 1]
    assert await store.num_queued("other") == 1


async def test_running_ones_are_found_and_queued_again(store: JobStore) -> None:
    await store.add([new(n) for n in (1, 2, 3, 4)])
    for number in (3, 1, 2):
        await store.start(new(number).id, 1, 8000, 2)
    await store.finish(new(3).id, Ending(State.FAILED), HOUR)
    running = await store.running()
    assert numbers(running) == [1, 2]
    for job in running:
        assert await store.requeue(job.id)
    head = await store.next_queued("ticking")
    assert head is not None
    assert (numbers([head]), head.attempt) == ([1], 1)


async def test_a_list_is_stored_whole_or_not_at_all(store: JobStore) -> None:
    await store.add([new(2)])
    with pytest.raises(StoreUnreachable):
        await store.add([new(1), new(2)])  # an id twice
    assert numbers(await store.page(None, None, 10)) == [2]


async def test_an_idempotency_key_finds_its_jobs(store: JobStore) -> None:
    key = IdempotencyKey("mine", "digest")
    added = await store.add([new(2), new(1)], key)
    assert await store.of_key("mine") == ("digest", added)
    assert await store.of_key("other") is None
    with pytest.raises(StoreUnreachable):
        await store.add([new(3)], key)
    assert numbers(added) == [2, 1]


async def test_pages_have_every_job_once_though_some_come_and_go(store: JobStore) -> None:
    await store.add([new(n) for n in range(1, 8)])
    first = await store.page(None, None, 3)
    await store.delete(new(5).id)
    await store.delete(new(3).id)
    await store.add([new(99)])
    second = await store.page(None, first[-1].number, 3)
    third = await store.page(None, second[-1].number, 3)
    assert [numbers(page) for page in (first, second, third)] == [[7, 6, 5], [4, 2, 1], []]
    await store.finish(new(2).id, Ending(State.CANCELLED), HOUR)
    assert await store.cancelled() == [new(2).id]
    assert numbers(await store.page(State.CANCELLED, None, 3)) == [2]
    assert numbers(await store.page(State.QUEUED, None, 3)) == [99, 7, 6]


async def test_time_goes_from_due_to_expired_to_forgotten(store: JobStore) -> None:
    await store.add([new(1), new(2)])
    done = Ending(State.COMPLETED, outputs=("take-0.wav",))
    await store.finish(new(1).id, done, HOUR)
    end = (await get(store, 1)).ended_at or 0
    assert await store.due(end + HOUR - 1) == []
    assert numbers(await store.due(end + HOUR)) == [1]
    assert await store.with_files([new(1).id, new(2).id, "nobody"]) == {new(1).id, new(2).id}
    await store.expire(new(1).id)
    assert await store.due(end + HOUR) == []
    assert await store.with_files([new(1).id]) == set()
    expired = await get(store, 1)
    assert (expired.expired, expired.outputs) == (True, ())
    assert await store.page(State.COMPLETED, None, 9) == []
    await store.forget(end + 2 * HOUR - 1)
    assert await store.get(new(1).id)
    await store.forget(end + 2 * HOUR)
    assert await store.get(new(1).id) is None
    assert await store.get(new(2).id)


async def test_a_second_server_is_told_that_the_first_one_is_there(
    store: JobStore, url: str, tmp_path: Path
) -> None:
    second = JobStore(database_url(url, tmp_path))
    with pytest.raises(UnusableStore, match="another server uses it"):
        await second.open()
    await store.close()
    await second.open()
    await second.close()


async def test_what_was_stored_is_there_after_the_next_opening(url: str, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        store = JobStore(database_url(url, tmp_path))
        await store.open()
        await store.add([new(number)])
        assert numbers(await store.page(None, None, 9)) == [*range(number, 0, -1)]
        await store.close()


async def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    url = database_url("", tmp_path)
    store = JobStore(url)
    await store.open()
    await store.close()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(UnusableStore, match="version 99"):
        await JobStore(url).open()


async def test_an_older_database_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database_url("", tmp_path)
    store = JobStore(url)
    await store.open()
    await store.add([new(1)])
    await store.close()
    monkeypatch.setattr(tables, "VERSION", 3)
    add, fill = "ALTER TABLE jobs ADD COLUMN mood TEXT", "UPDATE jobs SET mood = 'sunny'"
    monkeypatch.setattr(tables, "UPGRADES", {2: [add], 3: [fill]})
    for _ in range(2):  # done once, seen the second time
        store = JobStore(url)
        await store.open()
        assert numbers(await store.page(None, None, 9)) == [1]
        await store.close()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        assert connection.execute("SELECT mood FROM jobs").fetchall() == [("sunny",)]
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(3,)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "must be such as"),
        ("postgresql://me:secret@127.0.0.1:1/none", "me:[*]{3}@127.0.0.1"),
        ("sqlite:////proc/nowhere/jobs.sqlite", "cannot be used"),
        ("mysql+nodriver://x/y", "cannot be used"),
    ],
)
async def test_a_database_that_cannot_be_used_is_said_in_words(
    tmp_path: Path, url: str, words: str
) -> None:
    with pytest.raises(UnusableStore, match=words) as wrong:
        await JobStore(database_url(url, tmp_path)).open()
    assert "secret" not in str(wrong.value)
    assert "\n" not in str(wrong.value)


async def test_a_database_that_goes_away_and_comes_back(tmp_path: Path, request) -> None:
    postgresql = request.getfixturevalue("postgresql")
    store = JobStore(database_url(postgresql.database(), tmp_path))
    await store.open()
    await store.add([new(1)])
    postgresql.stop()
    with pytest.raises(StoreUnreachable) as refused:
        await store.get(new(1).id)
    assert refused.value.retry_after_seconds
    postgresql.start()
    assert numbers([await get(store, 1)]) == [1]
    await store.close()
