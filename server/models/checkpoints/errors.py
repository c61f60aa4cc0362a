"""What is wrong with a checkpoint."""

from __future__ import annotations


class WrongCheckpoint(Exception):
    """The files are no checkpoint that can be run: the message says which file or field, and why.

    It may be shown to callers, so it names files but no folders. `name` is the published model that
    the files are of, where it is another than was asked for.
    """

    def __init__(self, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.name = name
