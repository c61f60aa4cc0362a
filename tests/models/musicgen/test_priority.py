"""Threads whose work can wait give way to the others."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")

import torch

from server.models.musicgen.priority import NICE, NICEST, give_way


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities of their own here")
@pytest.mark.parametrize("niceness", [NICE, NICEST])
def test_a_thread_and_those_it_starts_give_way_and_no_other(niceness: int) -> None:
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    found = []

    def look() -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def look_here_and_beyond() -> None:
        look()
        other = threading.Thread(target=look)
        other.start()
        other.join()

    asked = (torch.device("cpu"), niceness)
    with ThreadPoolExecutor(1, initializer=give_way, initargs=asked) as pool:
        pool.submit(look_here_and_beyond).result(10)
    assert found == [niceness, niceness]
    assert os.getpriority(os.PRIO_PROCESS, 0) == usual
