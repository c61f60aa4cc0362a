from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Busy
from server.models.base import NO_RESOURCES, Resources
from server.service.admission import UNKNOWN_RETRY_SECONDS, Ticket, WaitingRoom

ONE = Resources(1)


class Slots:
    """A capacity that tests can change."""

    def __init__(self, num: int) -> None:
        self.num = num

    def __call__(self) -> Resources:
        return Resources(self.num)


async def test_first_come_first_served() -> None:
    room = WaitingRoom(Slots(1))
    first, second, third = (room.enter(ONE, 10, places=2) for _ in range(3))
    assert [t.admitted for t in (first, second, third)] == [True, False, False]
    assert [t.position for t in (first, second, third)] == [0, 1, 2]
    first.leave()
    assert second.admitted
    assert not third.admitted
    assert third.position == 1


async def test_no_place_is_busy_and_takes_nothing() -> None:
    room = WaitingRoom(Slots(1))
    room.enter(ONE, 10, places=0)
    with pytest.raises(Busy, match="1 running, 0 waiting") as refused:
        room.enter(ONE, 10, places=0)
    assert refused.value.retry_after_seconds == UNKNOWN_RETRY_SECONDS
    assert room.num_waiting == 0


async def test_a_large_request_is_not_overtaken() -> None:
    """Or a stream of small ones would starve it."""
    room = WaitingRoom(Slots(4))
    small = room.enter(ONE, 10, places=9)
    large = room.enter(Resources(4), 10, places=9)
    late = room.enter(ONE, 10, places=9)
    assert not large.admitted
    assert not late.admitted
    small.leave()
    assert large.admitted
    assert not late.admitted


async def test_memory_counts_as_slots_do() -> None:
    room = WaitingRoom(lambda: Resources(4, 100))
    first = room.enter(Resources(1, 60), 10, places=9)
    second = room.enter(Resources(1, 41), 10, places=9)
    small = room.enter(Resources(1, 1), 10, places=9)
    assert [t.admitted for t in (first, second, small)] == [True, False, False]
    first.leave()
    assert second.admitted
    assert small.admitted
    assert room.used == Resources(2, 42)
    room.enter(Resources(2, 0), 10, places=9)
    assert not room.enter(ONE, 10, places=9).admitted


async def test_leaving_twice_gives_back_once() -> None:
    room = WaitingRoom(Slots(1))
    first = room.enter(ONE, 10, places=0)
    first.leave()
    second = room.enter(ONE, 10, places=0)
    first.leave()
    assert second.admitted
    assert room.used == ONE


async def test_one_that_is_leaving_makes_a_place() -> None:
    """Who stops a song and at once asks for another is not refused by their own slot."""
    room = WaitingRoom(Slots(1))
    first = room.enter(ONE, 10, places=0)
    first.leaving = True
    second = room.enter(ONE, 10, places=0)
    with pytest.raises(Busy):
        room.enter(ONE, 10, places=0)
    first.leave()
    assert second.admitted


async def test_capacity_may_grow_while_some_wait() -> None:
    slots = Slots(0)
    room = WaitingRoom(slots)
    ticket = room.enter(ONE, 10, places=1)
    assert not await ticket.wait(0.01)
    slots.num = 1
    room.admit()
    assert await ticket.wait(0.01)


async def test_the_eta_follows_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("server.service.admission.time.monotonic", lambda: now[0])
    room = WaitingRoom(Slots(2))
    first = room.enter(ONE, 10, places=9)
    assert first.eta_seconds is None
    now[0] += 5  # half a second of work a second of music
    room.record_speed(first)
    first.leave()
    room.enter(ONE, 20, places=9)  # 10 s of work
    room.enter(ONE, 40, places=9)  # 20 s
    third = room.enter(ONE, 20, places=9)  # begins after the first
    fourth = room.enter(ONE, 20, places=9)  # begins after the third and the second
    assert third.eta_seconds == 10
    assert fourth.eta_seconds == 20
    now[0] += 4
    assert third.eta_seconds == 6
    with pytest.raises(Busy) as refused:
        room.enter(ONE, 20, places=2)
    assert refused.value.retry_after_seconds == 16


Step = st.tuples(st.sampled_from(["enter", "leave", "resize"]), st.integers(0, 5))


@given(st.lists(Step, max_size=60))
def test_slots_are_never_oversold_and_order_is_kept(steps: list[tuple[str, int]]) -> None:
    slots = Slots(3)
    room = WaitingRoom(slots)
    tickets: list[Ticket] = []
    for step, number in steps:
        if step == "enter":
            used_before, free = room.used, slots.num - room.used.slots
            try:
                ticket = room.enter(Resources(1 + number % 3), 10, places=3)
            except Busy:
                assert room.num_waiting >= 3
                assert room.used == used_before
                continue
            tickets.append(ticket)
            assert not ticket.admitted or ticket.cost.slots <= free
        elif step == "leave" and tickets:
            tickets.pop(number % len(tickets)).leave()
        elif step == "resize":
            slots.num = number
            room.admit()
        waiting = [ticket for ticket in tickets if not ticket.admitted]
        assert [ticket.position for ticket in waiting] == list(range(1, len(waiting) + 1))
        assert not waiting or not (waiting[0].cost + room.used).fit(slots())
    for ticket in tickets:
        ticket.leave()
    assert (room.num_waiting, room.used) == (0, NO_RESOURCES)


async def test_a_ticket_widens_and_narrows() -> None:
    room = WaitingRoom(lambda: Resources(5))
    ticket = room.enter(Resources(2), 1, places=0)
    assert ticket.widen()
    assert not ticket.widen()  # one slot is left, it would take two
    assert room.used.slots == 4
    ticket.narrow(to=1)
    assert room.used.slots == 2
    ticket.leave()
    assert room.used.slots == 0


async def test_a_ticket_does_not_widen_while_somebody_waits() -> None:
    """Slots that become free are kept for who waits, also while they are too few."""
    room = WaitingRoom(lambda: Resources(4))
    takes = room.enter(Resources(1), 1, places=0)
    while takes.widen():
        pass
    large = room.enter(Resources(3), 1, places=1)
    takes.narrow(to=3)
    assert not takes.widen()
    assert not large.admitted
    takes.narrow(to=1)
    assert large.admitted
