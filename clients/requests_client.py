"""The blocking client, over requests.

    client = MusicGenClient("http://127.0.0.1:5555")
    music = client.generate_music("lofi with rain", duration=20)
    print(music.path, music.seed)

Needs requests; clients/README.md has more examples.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

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

READ_BYTES = 2**16


class MusicGenClient:
    """A client of one server. `retries`: how often to ask again when it is busy; `api_key`: one of
    the server's, if it asks for keys.

    `session` takes one of your own, for a proxy, a certificate or a header.
    """

    def __init__(
        self,
        server_url: str = DEFAULT_SERVER_URL,
        *,
        api_key: str | None = None,
        retries: int = 0,
        timeouts: Timeouts | None = None,
        session: requests.Session | None = None,
    ) -> None:
        self._server_url = server_url
        self._generate_url = generate_url(server_url)  # raises NotReachable if that is no URL
        self._headers = headers(api_key)
        self._num_retries = retries
        self._timeouts = timeouts or Timeouts()
        self._session = session or requests.Session()

    def generate_music(
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
        with (
            closing(self.stream(description, **fields)) as events,
            ProgressBar(show_progress) as bar,
        ):
            for event in events:
                recording.add(event)
                bar.show(event)
                if on_event is not None:
                    on_event(event)
        return recording.save(output)

    def stream(self, description: str, **fields: Unpack[Fields]) -> Generator[Event, None, None]:
        """The events, each as soon as it arrives; `Completed` is the last.

        Closing the generator (or leaving it by an exception) closes the connection, and the server
        then stops the work. Raises the errors of `clients.errors`.
        """
        body = encode(description, **fields)
        retries = Retries(self._num_retries)
        while True:
            try:
                yield from self._attempt(body)
                return
            except Busy as busy:
                retrying = retries.after(busy)
            yield retrying
            time.sleep(retrying.wait_seconds)

    def _attempt(self, body: bytes) -> Generator[Event, None, None]:
        try:
            with closing(self._post(body)) as response:
                yield from _events(response)
        except (requests.RequestException, HTTPError) as error:
            raise self._translated(error) from error

    def _post(self, body: bytes) -> requests.Response:
        return self._session.post(
            self._generate_url,
            data=body,
            headers=self._headers,
            stream=True,
            timeout=(self._timeouts.connect_seconds, self._timeouts.read_seconds),
            allow_redirects=False,  # a redirected POST would become a GET
        )

    def _translated(self, error: requests.RequestException | HTTPError) -> ClientError:
        if _is_silence(error):
            return fell_silent(self._timeouts.read_seconds)
        if isinstance(error, requests.ConnectTimeout):
            patience = f"no connection within {self._timeouts.connect_seconds:g} s"
            return NotReachable(self._server_url, patience)
        if isinstance(error, requests.ConnectionError) and not _was_connected(error):
            return NotReachable(self._server_url, system_reason(error))
        return ConnectionLost(f"the connection broke: {system_reason(error)}")


def _events(response: requests.Response) -> Generator[Event, None, None]:
    if response.status_code != HTTPStatus.OK:
        raise refusal(response.status_code, response.headers, response.content)
    check_stream(response.headers)
    parser = MessageParser()
    for chunk in _chunks(response):
        for message in parser.feed(chunk):
            event = read_event(message)
            yield event
            if isinstance(event, Completed):
                return
    raise ended_early()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The bytes as they arrive. requests' own iterators wait for a full buffer, or for the end,
    when the body is not chunked; read1 returns what one read of the socket gives.
    """
    while chunk := response.raw.read1(READ_BYTES, decode_content=True):
        yield chunk


def _is_silence(error: Exception) -> bool:
    """While it reads a body, requests wraps urllib3's timeout in a general error."""
    timeouts = (requests.ReadTimeout, ReadTimeoutError)
    return any(isinstance(layer, timeouts) for layer in (error, *error.args[:1]))


def _was_connected(error: requests.ConnectionError) -> bool:
    """requests has one error for a connection refused and for one that broke before the answer."""
    return bool(error.args) and isinstance(error.args[0], ProtocolError)
