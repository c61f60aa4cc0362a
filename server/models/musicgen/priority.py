"""Lets decode steps go before what can wait."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

import torch

from server.models.musicgen.cuda.lanes import take_a_stream

#: For what somebody waits for and is soon done: about a third as much of a core as a thread has
#: that is as nice as 0.
NICE = 5
#: For what takes seconds: it gets what others leave, and they hardly notice.
NICEST = 19


def give_way(device: torch.device, niceness: int) -> None:
    """Let what the calling thread does on `device` keep nobody's steps from going on.

    On a GPU it goes beside them. On a CPU, reading a text or a recording wants the cores that they
    need, so this thread, and those that it starts, wait for others more often; only Linux has
    priorities of single threads.
    """
    take_a_stream(device)
    if device.type == "cpu" and sys.platform == "linux":
        with suppress(OSError):  # not allowed here
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
