"""What the interface description says of /api/v1/jobs beyond what FastAPI sees."""

from __future__ import annotations

from functools import partial

from server.audio.formats import FORMATS
from server.controllers.answer_descriptions import Responses, errors_of_work, file_of
from server.controllers.job_bodies import EVENTS
from server.controllers.musicgen_sse import GenerateMusic
from server.controllers.openapi import json_or_form, reference
from server.controllers.problems import ProblemBody

problems = partial(
    errors_of_work, {"content": {"application/problem+json": {"schema": reference(ProblemBody)}}}
)

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
SOUND = file_of(known.media_type for known in FORMATS.values())
