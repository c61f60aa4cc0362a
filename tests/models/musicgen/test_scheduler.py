from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.events import AudioChunk, Progress
from server.models.base import NO_RESOURCES, Resources
from server.models.musicgen.scheduler import RESTARTED, Generation, Scheduler
from server.models.musicgen.wish import Sampling, Wish
from tests.models.musicgen.diary import Diary

WISH = Wish("", 100, 1500, 900, 1, Sampling(), 3.0)


def generation(slots: int = 1, memory_bytes: int = 0) -> Generation:
    diary = Diary()
    return Generation(WISH, Resources(slots, memory_bytes), diary)  # type: ignore[arg-type]


def test_first_come_first_served_within_slots_and_memory() -> None:
    scheduler = Scheduler(Resources(2, 100))
    first, second, third = generation(1, 60), generation(1, 50), generation(1, 10)
    for each in (first, second, third):
        scheduler.add(each)
    assert scheduler.admit() is first
    assert scheduler.admit() is None  # not enough memory, and nobody overtakes
    scheduler.leave(first)
    assert (scheduler.admit(), scheduler.admit()) == (second, third)
    scheduler.add(first)
    assert scheduler.admit() is None  # no slot
    assert scheduler.used == Resources(2, 60)


def test_who_is_put_back_is_next_and_there_is_room_for_fewer() -> None:
    scheduler = Scheduler(Resources(4))
    running = [generation() for _ in range(3)]
    late = generation()
    for each in (*running, late):
        scheduler.add(each)
    for each in running:
        assert scheduler.admit() is each
    scheduler.put_back(running[2])
    scheduler.put_back(running[1])
    assert scheduler.capacity == Resources(1)
    assert scheduler.admit() is None
    running[0].cancelled = True
    scheduler.leave(running[0])
    assert scheduler.capacity == Resources(1)  # only what was made shows that there is room
    assert scheduler.admit() is running[1]
    assert scheduler.waiting == [running[2], late]


@given(st.lists(st.integers(0, 7), max_size=40))
def test_what_was_heard_is_not_sent_again(sizes: list[int]) -> None:
    """However the sound is cut the second time."""
    sound = np.arange(100, dtype=np.float32)[None]
    one = generation()
    perform(one, sound, sizes[:3])
    one.start_over()
    perform(one, sound, [*sizes[3:], 100])
    events = one.outbox.events  # type: ignore[attr-defined]
    heard = np.concatenate([e.samples for e in events if isinstance(e, AudioChunk)], axis=1)
    assert np.array_equal(heard, sound)
    assert all(e.samples.shape[1] for e in events if isinstance(e, AudioChunk))
    assert RESTARTED in events


def perform(one: Generation, sound: np.ndarray, sizes: list[int]) -> None:
    done = 0
    for size in sizes:
        one.post_sound(sound[:, done : done + size])
        done += size


def test_progress_never_falls_and_goes_on_while_it_waits_again() -> None:
    one = generation()
    one.post_progress()
    one._percent = 40.0
    one.start_over()
    one.post_progress()
    events = one.outbox.events  # type: ignore[attr-defined]
    assert events == [Progress(0.0), RESTARTED, Progress(40.0)]


def test_nothing_is_taken_at_first() -> None:
    assert Scheduler(Resources(2)).used == NO_RESOURCES
