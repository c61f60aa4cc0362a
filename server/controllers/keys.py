"""Who may ask: whoever sends one of the operator's keys; everybody, where there are none."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from fastapi import Depends
from fastapi.params import Depends as Dependency
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import SecretStr
from starlette.requests import HTTPConnection

from server.controllers.answer_descriptions import Responses, errors
from server.errors import Forbidden, Unauthorized

HEADER = "X-API-Key"
ASKED = f"this server asks for a key: send it as `Authorization: Bearer KEY`, or as `{HEADER}: KEY`"
WRONG = "the key that was sent is none of this server's; its operator has them"
NOT_ADMIN = "this needs a key of ADMIN_KEYS; the one that was sent is for music"
#: Only for the interface description, which then offers to enter a key.
DESCRIBED = (
    Depends(HTTPBearer(auto_error=False, description="a key of API_KEYS or ADMIN_KEYS")),
    Depends(APIKeyHeader(name=HEADER, auto_error=False, description="the same in another header")),
)
REFUSALS = errors({}, 401)


class Keys:
    """The keys of a server: those of users, and those of admins, which are good for everything."""

    def __init__(self, users: Sequence[SecretStr], admins: Sequence[SecretStr]) -> None:
        self._users = [_digest(key.get_secret_value()) for key in users]
        self._admins = [_digest(key.get_secret_value()) for key in admins]

    @property
    def for_users(self) -> list[Dependency]:
        """The dependencies of routes that only users may call."""
        return [Depends(self.user), *DESCRIBED] if self._users else []

    @property
    def refusals(self) -> Responses:
        """What the interface description says of routes that only users may call."""
        return REFUSALS if self._users else {}

    @property
    def for_admins(self) -> list[Dependency]:
        """The dependencies of routes that only admins may call."""
        return [Depends(self.admin), *DESCRIBED] if self._users or self._admins else []

    async def user(self, connection: HTTPConnection) -> None:
        """Raise `Unauthorized` unless a key came, or nobody needs one."""
        if self._users:
            sent = _sent(connection)
            if not _matches(sent, [*self._users, *self._admins]):
                raise _unauthorized(sent)

    async def admin(self, connection: HTTPConnection) -> None:
        """Raise `Unauthorized`, or `Forbidden` for a user's key. Where no key is an admin's, those
        of users are."""
        if not self._admins:
            await self.user(connection)
        elif not _matches(sent := _sent(connection), self._admins):
            raise Forbidden(NOT_ADMIN) if _matches(sent, self._users) else _unauthorized(sent)


def _unauthorized(sent: str) -> Unauthorized:
    return Unauthorized(WRONG if sent else ASKED)


def _sent(connection: HTTPConnection) -> str:
    """The key in either header, the empty text if there is none."""
    scheme, bearer = get_authorization_scheme_param(connection.headers.get("authorization"))
    return bearer if scheme.lower() == "bearer" else connection.headers.get(HEADER, "")


def _matches(sent: str, digests: Sequence[bytes]) -> bool:
    """Whether one of them is its digest; the time it takes does not tell how near it came."""
    digest = _digest(sent)
    return sum(hmac.compare_digest(digest, known) for known in digests) > 0


def _digest(key: str) -> bytes:
    """All keys have digests of one length, so that none is told by it."""
    return sha256(key.encode()).digest()
