"""Tells whoever waits that something has changed."""

from __future__ import annotations

import asyncio


class Bell:
    """Ask for the `next` ring before looking, then look, then wait for it: none is missed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    def next(self) -> asyncio.Event:
        return self._rung
