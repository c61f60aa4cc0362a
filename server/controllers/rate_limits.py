"""How many requests for music a client may send."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from math import ceil
from urllib.parse import urlsplit

from fastapi import Request
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string
from loguru import logger
from starlette.requests import HTTPConnection

from server.errors import RateLimited

SCHEMES = ("memory", "redis", "rediss")
#: On every answer of a route that is limited; the reset is in seconds since 1970.
LIMIT, REMAINING, RESET = "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"
HEADERS = (LIMIT, REMAINING, RESET)


class UnusableRateLimitStore(Exception):
    """There is no such place to count requests in; the message is one line."""


class RequestCounts:
    """Where requests are counted: in this process, or in a Redis that several servers share.

    Windows move: at no moment are there more than the limit in the time before it.
    """

    def __init__(self, url: str) -> None:
        """Raises `UnusableRateLimitStore`, without the URL: it may hold a password."""
        options = {} if _scheme(url) == "memory" else {"implementation": "redispy"}
        try:
            storage = storage_from_string(f"async+{url}", wrap_exceptions=True, **options)
        except ConfigurationError:
            remedy = 'RATE_LIMIT_STORAGE_URL needs redis: pip install "continuo[redis]"'
            raise UnusableRateLimitStore(remedy) from None
        self.windows = MovingWindowRateLimiter(storage)


def _scheme(url: str) -> str:
    """Of a URL that can be used; its port is looked at too."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in SCHEMES and parts.port != 0:
            return parts.scheme
    allowed = "memory://, redis://HOST:PORT or rediss://HOST:PORT"
    raise UnusableRateLimitStore(f"RATE_LIMIT_STORAGE_URL must be {allowed}")


class RateLimiter:
    """The limits of one or more routes; a limit of 0 is none."""

    def __init__(
        self, counts: RequestCounts, name: str, per_minute: int = 0, per_hour: int = 0
    ) -> None:
        self._windows = counts.windows
        self._name = name
        self._limits: list[RateLimitItem] = []
        if per_minute:
            self._limits.append(RateLimitItemPerMinute(per_minute))
        if per_hour:
            self._limits.append(RateLimitItemPerHour(per_hour))

    async def watch(self, request: Request) -> None:
        """A dependency of a route: count the request, and tell how its client stands."""
        request.state.headers = {}
        await self.count(request, request.state.headers)

    async def count(self, client: HTTPConnection, headers: dict[str, str] | None = None) -> None:
        """Count a request of `client`, and put into `headers` how it stands.

        Raises `RateLimited`. While the store does not answer nobody is limited.
        """
        try:
            await self._count(client, {} if headers is None else headers)
        except StorageError as error:
            logger.error("Requests are not limited, their counts cannot be reached: {}", error)

    async def _count(self, client: HTTPConnection, headers: dict[str, str]) -> None:
        key = (self._name, client.client.host if client.client else "")
        for limit in self._limits:
            counted = await self._windows.hit(limit, *key)
            reset_at, remaining = await self._windows.get_window_stats(limit, *key)
            if not counted or not headers or remaining < int(headers[REMAINING]):
                headers |= _headers(limit, remaining, reset_at)
            if not counted:
                seconds = max(1, ceil(reset_at - time.time()))
                raise RateLimited(
                    f"too many requests: at most {limit} from one client; try again after the "
                    "time in Retry-After",
                    seconds,
                )


def _headers(limit: RateLimitItem, remaining: int, reset_at: float) -> Mapping[str, str]:
    return {
        LIMIT: str(limit.amount),
        REMAINING: str(max(0, remaining)),
        RESET: str(ceil(reset_at)),
    }
