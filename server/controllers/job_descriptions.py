"""What the interface description says of /api/v1/jobs beyond what FastAPI sees."""

from __future__ import annotations

from typing import Any, TypeAlias

from server.audio.formats import FORMATS
from server.controllers.job_bodies import EVENTS
from server.controllers.musicgen_sse import GenerateMusic
from server.controllers.openapi import json_or_form, reference
from server.controllers.problems import ProblemBody

Responses: TypeAlias = dict[int | str, dict[str, Any]]

MEANINGS = {
    404: "No such job",
    409: "Not ready yet",
    410: "Expired, or it never came to be",
    413: "The body is too long",
    422: "The request cannot be met; `field` says where",
    429: "The queue is full; `Retry-After` says when to try again",
    500: "A fault of the server; the log has the request id",
    503: "Not now; the message says why",
}
_PROBLEM = {"application/problem+json": {"schema": reference(ProblemBody)}}


def problems(*statuses: int) -> Responses:
    """The errors of a route."""
    known = (*statuses, 500, 503)
    return {status: {"description": MEANINGS[status], "content": _PROBLEM} for status in known}


_WISH = reference(GenerateMusic)
_LIST = {"type": "array", "items": _WISH, "minItems": 1, "maxItems": 100}
#: A wish with the fields of /api/v1/generate_music, or a list of them.
BODY = {
    "requestBody": {
        "required": True,
        "content": json_or_form(GenerateMusic)["requestBody"]["content"]
        | {"application/json": {"schema": {"anyOf": [_WISH, _LIST]}}},
    }
}
_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"oneOf": [reference(event) for event in EVENTS]},
        },
    },
}
EVENT_STREAM: Responses = {
    200: {
        "description": "Server-Sent Events with `id` and `event`, one JSON object each",
        "content": {"text/event-stream": {"schema": _EVENT}},
    },
    204: {"description": "There is nothing after `Last-Event-ID`, nor will there be"},
}
_SOUND: dict[str, Any] = {known.media_type: {} for known in FORMATS.values()}
SOUND: Responses = {
    200: {"description": "The file", "content": _SOUND},
    206: {"description": "The part of it that `Range` asks for", "content": _SOUND},
    400: {"description": "`Range` cannot be read"},
    416: {"description": "`Range` lies outside of the file"},
}
