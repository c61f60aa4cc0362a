"""One server at a time: a lock that ends with the process, however it ends."""

from __future__ import annotations

import fcntl
from pathlib import Path


class UnusableStore(Exception):
    """A store cannot be opened; the message says why and what to do."""


class InUse(Exception):
    """Another server holds it."""

    def __str__(self) -> str:
        return "another server uses it; stop that one, or give each its own"


class Lock:
    """Holds the file at `path` (made if need be) until `release`. Raises `InUse`, `OSError`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise InUse from None

    def release(self) -> None:
        self._file.close()
