from __future__ import annotations

import threading

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from server.models.global_seed import global_seed
from tests.live import until


def test_whoever_waits_is_asked_and_draws_afterwards_as_if_alone() -> None:
    drawn, asked = [], threading.Event()

    def wait_and_draw() -> None:
        with global_seed(7, asked.set):
            drawn.append(torch.rand(3))

    other = threading.Thread(target=wait_and_draw)
    with global_seed(7, lambda: None):
        other.start()
        until(asked.is_set)
        alone = torch.rand(3)
        assert not drawn
    other.join(10)
    assert torch.equal(drawn[0], alone)


def test_whoever_gives_up_takes_no_turn() -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    with global_seed(1, lambda: None), pytest.raises(KeyboardInterrupt), global_seed(1, give_up):
        pass
    with global_seed(1, give_up):
        pass
