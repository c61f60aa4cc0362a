"""What a client is answered: a stream of messages, or a status that refuses."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeAlias

from clients import events
from clients.errors import (
    BadRequest,
    Busy,
    ClientError,
    GenerationFailed,
    KeyRefused,
    UnexpectedAnswer,
)

EVENT_STREAM = "text/event-stream"
LONGEST_QUOTE = 200

Fields: TypeAlias = Mapping[str, object]


def read_event(text: str) -> events.Event:
    """The event of one message. Keys that nobody knows are left alone in `wire`.

    Raises GenerationFailed for an error event, UnexpectedAnswer for what is no event.
    """
    fields = _parse_object(text)
    if fields is None or not isinstance(name := fields.get("event"), str):
        raise UnexpectedAnswer(f"the server sent what is no event: {_quote(text)}")
    return _READERS.get(name, _unknown)(fields)


def check_stream(headers: Mapping[str, str]) -> None:
    """Raises UnexpectedAnswer if an answer with status 200 is no event stream."""
    content_type = headers.get("Content-Type", "")
    if not content_type.startswith(EVENT_STREAM):
        raise UnexpectedAnswer(
            f"the server answered with {content_type or 'no content type'} instead of "
            f"{EVENT_STREAM}; is it a Continuo server?"
        )


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> ClientError:
    """The error that a status other than 200 means; `body` may be anything."""
    text = body.decode("utf-8", errors="replace")
    fields = _parse_object(text) or {}
    message = _text(fields, "message") or _text(fields, "detail") or _quote(text)
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 422):
        return BadRequest(message or f"the server answered {status}", _text(fields, "field"))
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        code = _text(fields, "error") or "busy"
        return Busy(message or "the server is busy", retry_after_seconds(headers), code)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return KeyRefused(message or "the server asks for a key")
    where = f" and points to {headers['Location']}" if "Location" in headers else ""
    return UnexpectedAnswer(f"the server answered {status}{where}: {message or 'nothing more'}")


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After (RFC 9110, section 10.2.3), which is a number of seconds or a date."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


# --- one reader for each event of the dialect ---


def _queued(fields: Fields) -> events.Queued:
    return events.Queued(_whole(fields, "position"), _number(fields, "eta_seconds"), wire=fields)


def _started(fields: Fields) -> events.Started:
    return events.Started(
        job_id=_text(fields, "job_id"),
        model=_text(fields, "model"),
        seed=_whole(fields, "seed"),
        sample_rate=_whole(fields, "sample_rate"),
        channels=_whole(fields, "channels"),
        duration_seconds=_number(fields, "duration"),
        wire=fields,
    )


def _progress(fields: Fields) -> events.Progress:
    percent = _number(fields, "progress")
    if percent is None:
        raise _lacking("progress", "a number")
    return events.Progress(
        min(100.0, max(0.0, percent)),
        realtime_factor=_number(fields, "realtime_factor"),
        buffer_seconds=_number(fields, "buffer_seconds"),
        wire=fields,
    )


def _audio(fields: Fields) -> events.Audio:
    sample_rate, channels = _whole(fields, "sample_rate"), _whole(fields, "channels")
    if sample_rate is None or channels is None:
        raise _lacking("audio", "sample_rate and channels")
    return events.Audio(
        _sound(fields),
        sample_rate,
        channels,
        sequence=_whole(fields, "sequence") or 0,
        take=_whole(fields, "take") or 0,
        realtime_factor=_number(fields, "realtime_factor"),
        buffer_seconds=_number(fields, "buffer_seconds"),
        wire=_without_sound(fields),
    )


def _warning(fields: Fields) -> events.Warning:
    return events.Warning(_text(fields, "message") or "", _text(fields, "code"), wire=fields)


def _completed(fields: Fields) -> events.Completed:
    return events.Completed(
        _sound(fields),
        job_id=_text(fields, "job_id"),
        model=_text(fields, "model"),
        seed=_whole(fields, "seed"),
        sample_rate=_whole(fields, "sample_rate"),
        duration_seconds=_number(fields, "duration"),
        stems=_stems(fields),
        takes=_takes(fields),
        lyrics=_text(fields, "lyrics"),
        wire=_without_sound(fields),
    )


def _stems(fields: Fields) -> dict[str, bytes]:
    stems = fields.get("stems")
    if not isinstance(stems, dict):
        return {}
    return {name: _sound({"event": "completed", "audio": stem}) for name, stem in stems.items()}


def _takes(fields: Fields) -> tuple[events.Take, ...]:
    takes = fields.get("takes")
    if not isinstance(takes, list):
        return ()
    whole = [{"event": "completed", **take} for take in takes if isinstance(take, dict)]
    return tuple(events.Take(_sound(take), _whole(take, "seed"), _stems(take)) for take in whole)


def _error(fields: Fields) -> events.Event:
    message = _text(fields, "message") or "the server could not finish and did not say why"
    raise GenerationFailed(message, _text(fields, "error") or _text(fields, "code"))


def _unknown(fields: Fields) -> events.Unknown:
    return events.Unknown(str(fields["event"]), wire=fields)


_READERS: dict[str, Callable[[Fields], events.Event]] = {
    "queued": _queued,
    "start": _started,
    "progress": _progress,
    "audio": _audio,
    "warning": _warning,
    "completed": _completed,
    "error": _error,
}


# --- one key of a message; one that is missing or of another type is None ---


def _parse_object(text: str) -> dict[str, object] | None:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _text(fields: Fields, key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) else None


def _number(fields: Fields, key: str) -> float | None:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def _whole(fields: Fields, key: str) -> int | None:
    value = fields.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _sound(fields: Fields) -> bytes:
    try:
        return base64.b64decode(_text(fields, "audio") or "", validate=True)
    except binascii.Error as error:
        raise UnexpectedAnswer(
            f"the server sent a {fields['event']} event whose audio is no base64 ({error})"
        ) from error


def _without_sound(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if key not in ("audio", "stems", "takes")}


def _lacking(name: str, what: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"the server sent a {name} event without {what}")


def _quote(text: str) -> str:
    """`text` as it may stand in a message: one line, never long."""
    line = " ".join(text[: 2 * LONGEST_QUOTE].split())
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + "…"
