"""When a client asks a busy server again."""

from __future__ import annotations

from clients.errors import Busy
from clients.events import Retrying

#: A server that asks for more patience than this is not waited for.
MAX_WAIT_SECONDS = 60.0


class Retries:
    """At most `num_retries` more attempts of one request."""

    def __init__(self, num_retries: int) -> None:
        self._num_left = num_retries
        self._default_wait_seconds = 1.0  # doubled with each attempt

    def after(self, busy: Busy) -> Retrying:
        """How long to wait before the next attempt: what the server asked for, if it did.

        Raises `busy` itself when no attempt is left, when the wait would be longer than
        MAX_WAIT_SECONDS, or when waiting cannot help.
        """
        wait_seconds = busy.retry_after_seconds
        if wait_seconds is None:
            wait_seconds = self._default_wait_seconds
            self._default_wait_seconds = min(2 * wait_seconds, MAX_WAIT_SECONDS)
        if self._num_left <= 0 or wait_seconds > MAX_WAIT_SECONDS or busy.code == "unavailable":
            raise busy
        self._num_left -= 1
        wire = {"event": "retrying", "wait_seconds": wait_seconds, "message": busy.message}
        return Retrying(wait_seconds, busy.message, wire=wire)
