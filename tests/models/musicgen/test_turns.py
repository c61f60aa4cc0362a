"""Who waits longest is next."""

from __future__ import annotations

import threading

import pytest

from server.models.musicgen.turns import Turns
from tests.live import until


def test_who_waits_has_the_turn_before_whoever_had_it_last() -> None:
    turns, log = Turns(), []
    begun, asked = threading.Event(), threading.Event()

    def read_a_long_text() -> None:
        for piece in range(3):
            with turns:
                log.append(f"piece {piece}")
                begun.set()
                assert asked.wait(10)

    def step() -> None:
        with turns:
            log.append("step")

    reader, player = threading.Thread(target=read_a_long_text), threading.Thread(target=step)
    reader.start()
    assert begun.wait(10)
    player.start()
    until(lambda: turns._num_asked == 2)
    asked.set()
    for thread in (reader, player):
        thread.join(10)
    assert log == ["piece 0", "step", "piece 1", "piece 2"]


@pytest.mark.parametrize(
    ("most_seconds", "order"), [(0, "short, step, text"), (60, "short, text, step")]
)
def test_a_pause_lets_others_go_first_once_a_turn_has_been_long(
    most_seconds: float, order: str
) -> None:
    turns, log = Turns(), []

    def step() -> None:
        with turns:
            log.append("step")

    player = threading.Thread(target=step)
    with turns:
        log.append("short")
        player.start()
        until(lambda: turns._num_asked == 2)
        turns.pause(most_seconds)
        log.append("text")
    player.join(10)
    assert ", ".join(log) == order


def test_a_failure_gives_the_turn_away() -> None:
    turns = Turns()
    with pytest.raises(MemoryError), turns:
        raise MemoryError
    with turns:
        pass
