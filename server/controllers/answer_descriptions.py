"""What the interface description says of answers that several routes give: errors and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

Responses: TypeAlias = dict[int | str, dict[str, Any]]

#: What an error means, where its route does not say it more precisely.
MEANINGS = {
    400: "The request cannot be met; says which field is wrong, and how",
    401: "The server asks for a key, and none came, or a wrong one",
    403: "It needs a key of ADMIN_KEYS",
    404: "No such job",
    409: "Not ready yet",
    410: "Expired, or nothing came of it",
    413: "The body is too long",
    422: "The request cannot be met; says which field is wrong, and how",
    429: "Too many requests, or the queue is full; `Retry-After` says when to try again",
    500: "A fault of the server; the log has the request id",
    503: "Busy, loading, stopping, or the model cannot run here; says which, and what to do",
}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
#: Who asks again later may be served.
OF_NOW = (429, 503)


def errors(form: Mapping[str, Any], *statuses: int) -> Responses:
    """These errors, in that form: a `model`, or `content`."""
    return {status: _error(form, status) for status in statuses}


def errors_of_work(form: Mapping[str, Any], *statuses: int) -> Responses:
    """These errors of a route that works on music, and those that every such route may give."""
    return errors(form, *statuses, 500, 503)


def _error(form: Mapping[str, Any], status: int) -> dict[str, Any]:
    error = {**form, "description": MEANINGS[status]}
    return error | {"headers": RETRY_AFTER} if status in OF_NOW else error


def file_of(media_types: Iterable[str]) -> Responses:
    """A file, whole or by `Range`."""
    content: dict[str, Any] = {media_type: {} for media_type in media_types}
    return {
        200: {"description": "The file", "content": content},
        206: {"description": "The part of it that `Range` asks for", "content": content},
        400: {"description": "`Range` cannot be read"},
        416: {"description": "`Range` lies outside of the file"},
    }
