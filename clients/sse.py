"""Server-Sent Events, read as the bytes arrive.

A message may be megabytes on one line (a whole song in base64), so nothing here reads lines:
bytes come in as the network cuts them, and each is looked at once.
"""

from __future__ import annotations

from clients.errors import UnexpectedAnswer

#: Far above any song (300 s of stereo 48 kHz are 77 MB); a server gone mad cannot fill the memory.
MAX_MESSAGE_BYTES = 512 * 2**20

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class MessageParser:
    """An incremental parser of one event stream.

    Follows the event-stream format of the WHATWG HTML standard: lines end in `\\n`, `\\r\\n` or
    `\\r`, a blank line ends a message, several `data` lines are joined by `\\n`, lines that begin
    with a colon are comments. The fields `event`, `id` and `retry` are ignored, because the dialect
    puts all it says into `data`. A message that the end of the stream cuts off is dropped.
    """

    def __init__(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._line: list[bytes] = []  # pieces of a line that has not ended
        self._values: list[str] = []  # the data lines of a message that has not ended
        self._num_bytes = 0  # of that message so far
        self._after_cr = False  # a \n that comes now belongs to the \r before it
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """The `data` of each message that `chunk` (any bytes, cut anywhere) completes, in order.

        Raises UnexpectedAnswer when a message grows beyond `max_message_bytes`.
        """
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        messages = []
        for piece in chunk.splitlines(keepends=True):
            self._count(len(piece))
            self._line.append(piece)
            if piece.endswith((b"\n", b"\r")) and (message := self._end_line()) is not None:
                messages.append(message)
        self._after_cr = chunk.endswith(b"\r")
        return messages

    def _count(self, num_bytes: int) -> None:
        self._num_bytes += num_bytes
        if self._num_bytes > self._max_message_bytes:
            raise UnexpectedAnswer(
                f"the server sent more than {self._max_message_bytes} bytes without ending a "
                "message; is it a Continuo server?"
            )

    def _end_line(self) -> str | None:
        """Take the line that just ended; the message, if it was the blank line that ends one."""
        line = b"".join(self._line).rstrip(b"\r\n")
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(BYTE_ORDER_MARK)
        if not line:
            return self._end_message()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._values.append(value.removeprefix(b" ").decode("utf-8", errors="replace"))
        return None

    def _end_message(self) -> str | None:
        message = "\n".join(self._values)
        self._values.clear()
        self._num_bytes = 0
        return message or None  # comments alone, such as a ping, make no message
