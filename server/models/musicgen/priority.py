"""Lets decode steps go before what can wait."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

#: Beside a thread as nice as 0, this one gets about a third as much of a core.
NICENESS = 5


def give_way() -> None:
    """Make the calling thread, and those that it starts, wait for others more often.

    On a CPU, reading a text or a recording wants the cores that the steps of who is playing need.
    Only Linux has priorities of single threads.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # not allowed here
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
