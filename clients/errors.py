"""Everything that can go wrong for a client, as one tree.

ClientError
├── BadRequest        the request cannot be met as it stands; names the field
├── KeyRefused        the server asks for a key: none was sent, or a wrong one
├── Busy              not now: no slot is free, or the model cannot run there
├── NotReachable      nobody answers at that URL
├── ConnectionLost    the stream broke, ended early or fell silent
├── GenerationFailed  the server began and could not finish
└── UnexpectedAnswer  what answers does not speak the dialect
"""

from __future__ import annotations

import os

MAX_CAUSES = 10


class ClientError(Exception):
    """The root. `message` is one line for people."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(ClientError):
    """`field` is the one to change; None where the request as a whole is at fault."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class KeyRefused(ClientError):
    """The server wants a key (`api_key`), or one that may do more than this one."""


class Busy(ClientError):
    """The server takes no new work now; None where it does not say for how long.

    `code` is the server's own word for why: busy, loading, draining or unavailable.
    """

    def __init__(
        self, message: str, retry_after_seconds: float | None = None, code: str = "busy"
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.code = code


class NotReachable(ClientError):
    """There is no connection to `server_url`: refused, unknown host, no route, bad certificate."""

    def __init__(self, server_url: str, reason: str) -> None:
        super().__init__(
            f"no server answers at {server_url} ({reason}); "
            "start one with `make run`, or name the URL of another"
        )
        self.server_url = server_url


class ConnectionLost(ClientError):
    """The stream ended before the music was complete; the server has dropped the work."""


class GenerationFailed(ClientError):
    """The server sent an error event. `code` is its own word for why, where it has one."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class UnexpectedAnswer(ClientError):
    """Another status, another content type or another message than the dialect has."""


def ended_early() -> ConnectionLost:
    """The stream ended in good order, but before its last event."""
    return ConnectionLost("the server closed the stream before the music was complete")


def fell_silent(read_seconds: float) -> ConnectionLost:
    """Nothing came for `read_seconds`."""
    return ConnectionLost(
        f"the server said nothing for {read_seconds:g} s; the connection is closed"
    )


def system_reason(error: BaseException) -> str:
    """What the operating system said, from under the layers of an HTTP library."""
    reason = ""
    cause: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if cause is None:
            break
        if isinstance(cause, ConnectionError) and cause.errno:
            return os.strerror(cause.errno).lower()  # asyncio puts other words into strerror
        if isinstance(cause, OSError):
            reason = reason or cause.strerror or ""
        cause = cause.__cause__ or cause.__context__
    return reason or str(error) or type(error).__name__
