"""A lock that is had in the order in which it was asked for."""

from __future__ import annotations

import threading
import time


class Turns:
    """A lock that goes to whoever has waited longest.

    `threading.Lock` may go to the same thread again and again while another waits.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_asked = self._num_served = 0
        self._begun = 0.0

    def __enter__(self) -> None:
        with self._changed:
            own = self._num_asked
            self._num_asked += 1
            while self._num_served != own:
                self._changed.wait()
        self._begun = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._num_served += 1
            self._changed.notify_all()

    def pause(self, most_seconds: float) -> None:
        """Whoever has it, and has had it for so long, lets those go first who wait."""
        if time.perf_counter() - self._begun >= most_seconds:
            self.__exit__()
            self.__enter__()
