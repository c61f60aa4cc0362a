"""Google's client, one for each key."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from server.models.key_pool import Key, KeyPool

if TYPE_CHECKING:
    from google.genai import Client


#: Versions 2 of the client take 0 for 1, and 1 for one more.
NEVER_AGAIN = -1


class Clients:
    """Built once and kept: each holds connections."""

    def __init__(self, keys: KeyPool, api_version: str | None) -> None:
        self._keys = keys
        self._api_version = api_version
        self._clients: dict[Key, Client] = {}

    def build(self) -> None:
        """One for each key that may be good. Blocking."""
        for key in self._keys.keys:
            if not key.disabled:
                self._clients[key] = client_of(key, self._api_version)

    def of(self, key: Key) -> Client:
        """The client that sends that key."""
        return self._clients[key]

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aio.aclose()
            client.close()


def client_of(key: Key, api_version: str | None) -> Client:
    """A client of Google that never tries again by itself, for it would not know of other keys.

    No address is set, so that the environment can (`GOOGLE_GEMINI_BASE_URL`). `vertexai` is, or the
    environment could send it to a service that has no music. Blocking.
    """
    from google.genai import Client, types

    warnings.filterwarnings("ignore", message="Realtime music generation is experimental")
    once = types.HttpRetryOptions(attempts=NEVER_AGAIN)
    options = types.HttpOptions(api_version=api_version, retry_options=once)
    return Client(api_key=key.secret.get_secret_value(), vertexai=False, http_options=options)
