"""Tries the keys of Google's API for real, for the operator: `python -m server doctor --lyria`."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass

from server.generation import GenerationRequest
from server.models.key_pool import Key
from server.models.lyria.clients import client_of
from server.models.lyria.faults import Fault
from server.models.lyria.session import Filtered, listen
from server.models.lyria.wish import Wish
from server.models.upstream import Upstream

WISH = Wish(GenerationRequest("a soft piano chord", duration_seconds=1, seed=1))


@dataclass(frozen=True)
class Trial:
    """What came of a key, by the name of its variable."""

    key: str
    works: bool
    words: str


async def try_keys(upstream: Upstream) -> list[Trial]:
    """Open a session of Lyria RealTime with each key, and wait for its first sound.

    Takes a few seconds of each key's quota; a key that does not answer takes as long as `upstream`
    is patient.
    """
    return list(await asyncio.gather(*(_try(key, upstream) for key in upstream.keys.keys)))


async def _try(key: Key, upstream: Upstream) -> Trial:
    if key.disabled:
        return Trial(key.name, False, "it has characters that no key has")
    client = await asyncio.to_thread(client_of, key, upstream.api_version)
    begun = time.monotonic()
    try:
        async with aclosing(listen(client, WISH, upstream)) as messages:
            async for message in messages:
                if not isinstance(message, Filtered):
                    return Trial(key.name, True, f"sound after {time.monotonic() - begun:.1f} s")
    except Fault as fault:
        return Trial(key.name, False, f"{fault.kind.value}: {key.hidden_in(fault.words)}")
    finally:
        await client.aio.aclose()
        client.close()
    raise AssertionError("a session ends with a fault")
