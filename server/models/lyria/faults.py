"""What went wrong at Google, told apart by what to do about it.

The client raises many kinds of exceptions, and a close of the connection says "quota" or "invalid
key" only in its text; docs/models.md has the table of faults.
"""

from __future__ import annotations

import json
import re
from enum import Enum

from server.errors import LONGEST_ECHO

#: Close codes of a WebSocket: RFC 6455, section 7.4.1.
NORMAL_CLOSE, GOING_AWAY, ABNORMAL_CLOSE = 1000, 1001, 1006
INVALID_ARGUMENT_CLOSE, POLICY_CLOSE = 1007, 1008
LONGEST_WORDS = 4 * LONGEST_ECHO

QUOTA = re.compile(r"quota|rate.?limit|resource.{0,3}exhausted|too many", re.I)
BAD_KEY = re.compile(r"api.?key|credential|unauthenticated|leaked", re.I)
BARRED = re.compile(r"permission.?denied|not allowed|forbidden", re.I)
SESSION_OVER = re.compile(
    r"session.{0,40}(limit|expired|over|end|time)|(max|limit).{0,40}session|go.?away", re.I
)


class Kind(Enum):
    """What is wrong, as a listener may be told; `Attempts` knows what to do about it."""

    BAD_KEY = "a key was not accepted"
    BARRED = "a key may not do this"
    QUOTA = "the quota of a key was used up"
    REFUSED = "the service refused the request"
    ENDED = "the session ended"
    TROUBLE = "the service failed"


class Fault(Exception):
    """Something went wrong at Google. `words` say what; they hold no key."""

    def __init__(self, kind: Kind, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words


def fault_of(error: BaseException) -> Fault:
    """Any exception of the client as a fault; its text may hold a key until it is hidden."""
    if isinstance(error, Fault):
        return error
    code, text = _code_and_text(error)
    words = _one_line(f"{text or type(error).__name__}" + (f" ({code})" if code else ""))
    return Fault(_kind(code, text), words)


def _kind(code: int | None, text: str) -> Kind:
    if code == 429 or QUOTA.search(text):
        return Kind.QUOTA
    if code == 401 or BAD_KEY.search(text):
        return Kind.BAD_KEY
    if code == 403 or BARRED.search(text):
        return Kind.BARRED
    if code in (NORMAL_CLOSE, GOING_AWAY) or SESSION_OVER.search(text):
        return Kind.ENDED
    if code in (INVALID_ARGUMENT_CLOSE, POLICY_CLOSE) or (code is not None and 400 <= code < 500):
        return Kind.REFUSED
    return Kind.TROUBLE


def _code_and_text(error: BaseException) -> tuple[int | None, str]:
    """The HTTP status or close code, and what Google said."""
    from google.genai import errors
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    match error:
        case errors.APIError():
            return error.code, str(error.message or error.details or "")
        case ConnectionClosed():
            closed = error.rcvd
            return (closed.code, closed.reason) if closed else (ABNORMAL_CLOSE, "connection lost")
        case InvalidStatus():
            return error.response.status_code, _message(error.response.body or b"")
    # the client's errors about whole songs have no public class
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status, _said(getattr(error, "body", None)) or str(error)
    return None, f"it cannot be reached or understood: {type(error).__name__}"


def _message(body: bytes | bytearray) -> str:
    """What the body of an answer says."""
    try:
        return _said(json.loads(body)) or body.decode("utf-8", "replace")
    except ValueError:
        return body.decode("utf-8", "replace")


def _said(body: object) -> str:
    """The text in {"error": {"message": …}}, the form of Google's errors; empty if it is none."""
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return str(message or "")


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_WORDS else f"{text[:LONGEST_WORDS]}…"
