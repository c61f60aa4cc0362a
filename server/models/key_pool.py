"""The keys that a service of others is asked with: which is next, which rests, which is no good.

A key itself is shown to nobody: logs name its variable, statistics its index.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import ceil

from loguru import logger
from pydantic import SecretStr

from server import logs
from server.errors import QuotaExhausted, Unavailable

COOL_DOWN_SECONDS = 60.0
#: So often a cool-down is doubled when one follows the other: up to about an hour.
MAX_DOUBLINGS = 6


@dataclass(frozen=True)
class KeyUsage:
    """How keys are used, by their index."""

    total_keys: int
    num_usable: int
    current_key: int
    uses: dict[int, int]
    errors: dict[int, int]


class Key:
    """One key, and how it fares. `name` is the variable that holds it."""

    def __init__(self, index: int, name: str, secret: SecretStr) -> None:
        self.index = index
        self.name = name
        self.secret = secret
        self.num_uses = 0
        self.num_errors = 0
        self.disabled = False
        self.rests_until = 0.0
        self._num_rests = 0

    def rest(self, now: float) -> float:
        """Not to be used for a while, longer each time in a row; how many seconds."""
        seconds = COOL_DOWN_SECONDS * 2.0**self._num_rests
        self._num_rests = min(self._num_rests + 1, MAX_DOUBLINGS)
        self.rests_until = now + seconds
        return seconds

    def works(self) -> None:
        """It was just accepted."""
        self._num_rests = 0

    def hidden_in(self, text: str) -> str:
        """`text` without the key."""
        return text.replace(self.secret.get_secret_value(), "[key]")


class KeyPool:
    """Keys that take turns. All methods are quick and plain: nothing comes between."""

    #: Whose keys they are.
    owner = "Google's API"

    def __init__(
        self,
        secrets: Sequence[SecretStr] = (),
        variable: str = "GENAI_API_KEY",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`secrets` are the values of `variable`_1, _2 and so on; blank and repeated ones count
        as none."""
        self._clock = clock
        self._remedy = f"Set {variable}_1 to a valid one, then start the server again"
        self.keys: list[Key] = []
        self._latest = -1
        known: set[str] = set()
        for number, secret in enumerate(secrets, 1):
            value = secret.get_secret_value().strip()
            if value and value not in known:
                known.add(value)
                logs.hide(value)
                key = Key(len(self.keys), f"{variable}_{number}", SecretStr(value))
                self.keys.append(key)
                if not (value.isascii() and value.isprintable()) or " " in value:
                    self.disable(key, "it has characters that no key has")

    @property
    def lacking(self) -> Unavailable | None:
        """Why there is no key that may be good, if there is none."""
        if not self.keys:
            return Unavailable(f"no key of {self.owner} is set", self._remedy)
        if not self._enabled():
            num = len(self.keys)
            return Unavailable(f"{self.owner} accepts none of its {num} key(s)", self._remedy)
        return None

    def check(self) -> None:
        """Raise `QuotaExhausted` while every key rests, `Unavailable` where there is none."""
        if self._usable():
            return
        if lacking := self.lacking:
            raise lacking
        rest_seconds = min(key.rests_until for key in self._enabled()) - self._clock()
        seconds = max(1, ceil(rest_seconds))
        raise QuotaExhausted(
            f"the quota of every key of {self.owner} is used up for now; try again in {seconds} s",
            seconds,
        )

    def take(self, but: Collection[Key] = ()) -> Key | None:
        """The next key in turn, none of `but`; None if only those are left. Raises as `check`."""
        self.check()
        left = [key for key in self._usable() if key not in but]
        if not left:
            return None
        key = min(left, key=lambda key: (key.index <= self._latest, key.index))
        self._latest = key.index
        key.num_uses += 1
        return key

    def rest(self, key: Key, why: str) -> None:
        """Its quota is used up for now."""
        key.num_errors += 1
        now = self._clock()
        if key.rests_until > now:  # another request has found out already
            return
        seconds = key.rest(now)
        logger.warning("Key {} rests for {:g} s: {}", key.name, seconds, why)

    def disable(self, key: Key, why: str) -> None:
        """It is no good, and will not be tried again."""
        key.num_errors += 1
        key.disabled = True
        logger.error("Key {} is not used any more: {}", key.name, why)

    def note_error(self, key: Key) -> None:
        """Something went wrong with it that may not be its fault."""
        key.num_errors += 1

    @property
    def usage(self) -> KeyUsage:
        return KeyUsage(
            total_keys=len(self.keys),
            num_usable=len(self._usable()),
            current_key=max(0, self._latest),
            uses={key.index: key.num_uses for key in self.keys},
            errors={key.index: key.num_errors for key in self.keys},
        )

    def _enabled(self) -> list[Key]:
        return [key for key in self.keys if not key.disabled]

    def _usable(self) -> list[Key]:
        now = self._clock()
        return [key for key in self._enabled() if key.rests_until <= now]
