"""Which key is tried next, after what, and when there is nothing left to try."""

from __future__ import annotations

import asyncio

from loguru import logger

from server.errors import UpstreamFailed
from server.models.key_pool import Key, KeyPool
from server.models.lyria.faults import Fault, Kind
from server.models.upstream import Upstream


class Attempts:
    """The attempts of one request: it keeps to a key while that is of use."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._keys: KeyPool = upstream.keys
        self._key: Key | None = None
        self._given_up: set[Key] = set()
        self._num_retries = 0
        self._heard = False

    def key(self) -> Key:
        """The key to use now. Raises `Refused` where there is none."""
        if self._key is None:
            self._key = self._keys.take()
            assert self._key is not None  # or it has raised
        return self._key

    def succeeded(self) -> None:
        """There was sound: whatever comes next is a new trouble."""
        self._heard, self._num_retries = True, 0
        self._given_up.clear()
        if self._key is not None:
            self._key.works()

    async def after(self, fault: Fault) -> None:
        """Do what the fault asks for, and return when it is time for the next attempt.

        Raises `UpstreamFailed`, or `Refused` as the pool of keys does, where nothing is left.
        """
        key = self.key()
        words = key.hidden_in(fault.words)
        logger.info("Lyria, key {}: {}: {}", key.name, fault.kind.value, words)
        heard, self._heard = self._heard, False
        match fault.kind:
            case Kind.ENDED if heard:
                return
            case Kind.ENDED | Kind.TROUBLE:
                self._keys.note_error(key)
                await self._again(key, words)
            case Kind.BARRED:
                self._keys.note_error(key)
                self._give_up(key, words)
            case Kind.QUOTA:
                self._keys.rest(key, words)
                self._change(words)
            case Kind.BAD_KEY:
                self._keys.disable(key, words)
                self._change(words)
            case Kind.REFUSED:
                raise UpstreamFailed(f"Google refuses the request: {words}")

    async def _again(self, key: Key, words: str) -> None:
        """With the same key, unless that has had its turns."""
        self._num_retries += 1
        if self._num_retries <= self._upstream.max_retries:
            await asyncio.sleep(self._upstream.retry_delay_seconds)
        else:
            self._give_up(key, words)

    def _give_up(self, key: Key, words: str) -> None:
        self._given_up.add(key)
        self._change(words)

    def _change(self, words: str) -> None:
        self._num_retries = 0
        self._key = self._keys.take(self._given_up)
        if self._key is None:
            raise UpstreamFailed(f"Google's service fails with every key: {words}")
