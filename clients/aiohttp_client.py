"""The asynchronous client, over aiohttp.

    async with AsyncMusicGenClient("http://127.0.0.1:5555") as client:
        music = await client.generate_music("lofi with rain", duration=20)
        print(music.path, music.seed)

Needs aiohttp; clients/README.md has more examples.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import aiohttp

from clients.answers import check_stream, read_event, refusal
from clients.errors import (
    Busy,
    ClientError,
    ConnectionLost,
    NotReachable,
    ended_early,
    fell_silent,
    system_reason,
)
from clients.events import Completed, Event
from clients.music import Music, Recording
from clients.output_file import prepare_output
from clients.progress_bar import ProgressBar
from clients.request import DEFAULT_SERVER_URL, Fields, encode, generate_url, headers
from clients.retrying import Retries
from clients.sse import MessageParser
from clients.timeouts import Timeouts

if TYPE_CHECKING:  # new in Python 3.11, and nothing needs it at run time
    from typing_extensions import Unpack

#: A message longer than this is decoded on a thread: a whole song would hold the event loop up.
LARGE_MESSAGE_CHARACTERS = 2**18


class AsyncMusicGenClient:
    """A client of one server, used as a context. `retries`: how often to ask again when it is busy;
    `api_key`: one of the server's, if it asks for keys.

    `session` takes one of your own, for a proxy, a certificate or a header; it stays open.
    """

    def __init__(
        self,
        server_url: str = DEFAULT_SERVER_URL,
        *,
        api_key: str | None = None,
        retries: int = 0,
        timeouts: Timeouts | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self._server_url = server_url
        self._generate_url = generate_url(server_url)  # raises NotReachable if that is no URL
        self._headers = headers(api_key)
        self._num_retries = retries
        self._timeouts = timeouts or Timeouts()
        self._session = session
        self._owns_session = session is None

    async def __aenter__(self) -> AsyncMusicGenClient:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=True)  # as requests does
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._owns_session and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def generate_music(
        self,
        description: str,
        *,
        out: str | Path | None = None,
        on_event: Callable[[Event], None] | None = None,
        show_progress: bool | None = None,
        **fields: Unpack[Fields],
    ) -> Music:
        """Make music and save it.

        `out` is a file, a directory, or None for a new name in `output/`. `on_event` is called
        with each event. `show_progress` draws a bar on stderr; None: if that is a terminal. Only
        fields that are set are sent. Raises the errors of `clients.errors`, and OSError if the
        file cannot be written.
        """
        fields, output = prepare_output(description, out, fields)
        recording = Recording()
        with ProgressBar(show_progress) as bar:
            async with aclosing(self.stream(description, **fields)) as events:
                async for event in events:
                    recording.add(event)
                    bar.show(event)
                    if on_event is not None:
                        on_event(event)
        return await asyncio.to_thread(recording.save, output)

    async def stream(
        self, description: str, **fields: Unpack[Fields]
    ) -> AsyncGenerator[Event, None]:
        """The events, each as soon as it arrives; `Completed` is the last.

        Closing the generator or cancelling its task closes the connection, and the server then
        stops the work; use `contextlib.aclosing` where the loop may be left early. Raises the
        errors of `clients.errors`.
        """
        body = encode(description, **fields)
        retries = Retries(self._num_retries)
        while True:
            try:
                async with aclosing(self._attempt(body)) as events:
                    async for event in events:
                        yield event
                return
            except Busy as busy:
                retrying = retries.after(busy)
            yield retrying
            await asyncio.sleep(retrying.wait_seconds)

    async def _attempt(self, body: bytes) -> AsyncGenerator[Event, None]:
        try:
            response = await self._post(body)
            try:
                async with aclosing(_events(response)) as events:
                    async for event in events:
                        yield event
            finally:
                response.close()  # never back into the pool with the stream half read
        except (aiohttp.ClientError, ConnectionError) as error:
            raise self._translated(error) from error

    async def _post(self, body: bytes) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("use the client as a context: async with AsyncMusicGenClient(...)")
        return await self._session.post(
            self._generate_url,
            data=body,
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=self._timeouts.connect_seconds,
                sock_read=self._timeouts.read_seconds,
            ),
            allow_redirects=False,  # a redirected POST would become a GET
        )

    def _translated(self, error: aiohttp.ClientError | ConnectionError) -> ClientError:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            patience = f"no connection within {self._timeouts.connect_seconds:g} s"
            return NotReachable(self._server_url, patience)
        if isinstance(error, aiohttp.ServerTimeoutError):
            return fell_silent(self._timeouts.read_seconds)
        if isinstance(error, aiohttp.ClientConnectorError):
            return NotReachable(self._server_url, system_reason(error))
        return ConnectionLost(f"the connection broke: {system_reason(error)}")


#: The name that callers who choose a client by its module expect.
MusicGenClient = AsyncMusicGenClient


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[Event, None]:
    if response.status != HTTPStatus.OK:
        raise refusal(response.status, response.headers, await response.read())
    check_stream(response.headers)
    parser = MessageParser()
    async for chunk in response.content.iter_any():
        for message in parser.feed(chunk):
            event = await _read(message)
            yield event
            if isinstance(event, Completed):
                return
    raise ended_early()


async def _read(message: str) -> Event:
    if len(message) > LARGE_MESSAGE_CHARACTERS:
        return await asyncio.to_thread(read_event, message)
    return read_event(message)
