"""What several works at once leave behind when one of them has ended."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from server.controllers.responses import race


async def at_once() -> None:
    """The work that ends first."""


async def failing_when_stopped() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ConnectionError("the client has gone") from None


async def test_who_fails_while_being_stopped_is_no_complaint() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    await race(at_once(), failing_when_stopped())
    await asyncio.sleep(0.01)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_who_fails_first_is_heard() -> None:
    async def fail() -> None:
        raise ConnectionError("at once")

    with pytest.raises(ConnectionError, match="at once"):
        await race(failing_when_stopped(), fail())
