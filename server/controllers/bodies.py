"""Reads request bodies and says in words what is wrong with one."""

from __future__ import annotations

import base64
import difflib
import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails
from starlette.requests import Request

from server.controllers.forms import is_form, read_form
from server.errors import BadRequest, MalformedBody, UnknownField, echo, range_in_words
from server.generation import MAX_SEED, WeightedPrompt

BodyT = TypeVar("BodyT", bound="Body")


def _whole(value: object) -> object:
    """JSON has one kind of number: 30.0 is the integer 30."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: An integer as JSON means it; true, "30" and 30.5 are none.
Integer = Annotated[int, BeforeValidator(_whole)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED), BeforeValidator(_whole)]


def _encodable(value: str) -> str:
    value.encode()  # JSON can write half a surrogate pair, which is no character
    return value


#: A string that can be logged, stored and sent on.
Text = Annotated[str, AfterValidator(_encodable)]


def _from_base64(value: object) -> object:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


#: A sound file: base64 in JSON, a file in a form.
SoundFile = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "contentMediaType": "audio/*"}),
]


def _from_file(value: object) -> object:
    """UnicodeDecodeError is a ValueError, as pydantic wants it."""
    text = value.decode() if isinstance(value, bytes) else value
    return text.removeprefix("\ufeff") if isinstance(text, str) else text


#: A text that may be a file in a form; its byte-order mark is left out.
TextFile = Annotated[
    Text,
    BeforeValidator(_from_file),
    WithJsonSchema({"type": "string", "contentMediaType": "text/plain"}),
]


def _from_text(value: object) -> object:
    """What a text in a form spells, for a field that is no text."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except RecursionError:
        raise ValueError("it is too deep") from None


def _as_pairs(value: object) -> object:
    """Tuples of numbers: other than elsewhere in a form, no text stands for one."""
    pairs = _from_text(value)
    if not isinstance(pairs, list):
        raise ValueError("it is no list")
    return tuple(_as_pair(pair) for pair in pairs)


def _as_pair(pair: object) -> tuple[object, ...]:
    if isinstance(pair, list) and [type(end) in (int, float) for end in pair] == [True, True]:
        return tuple(pair)
    raise ValueError("it is no pair of numbers")


#: Parts of a song by their ends in seconds, in a form as JSON; -1 is the song's start or end.
Segments = Annotated[
    tuple[tuple[float, float], ...],
    BeforeValidator(_as_pairs),
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "array",
                "items": {"type": "number", "minimum": -1},
                "minItems": 2,
                "maxItems": 2,
            },
            "examples": [[[-1, 25], [50.0, -1]]],
        }
    ),
]


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("it is blank")
    return value


def _other_than_zero(value: float) -> float:
    if value == 0:
        raise ValueError("it is zero")
    return value


class Body(BaseModel):
    """A JSON body: nothing is guessed, nothing unknown passes, no number is infinite or NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


#: In an interface description, what a text that is not blank matches.
NOT_BLANK = r"\S"
Words = Annotated[Text, AfterValidator(_not_blank), Field(json_schema_extra={"pattern": NOT_BLANK})]


class PromptBody(Body):
    """One of several prompts."""

    text: Words
    weight: Annotated[float, AfterValidator(_other_than_zero)] = Field(
        1.0,
        description="how much it counts beside the others; any number but 0",
        json_schema_extra={"not": {"const": 0}},
    )


#: What Lyria RealTime may favour.
Mode = Literal["QUALITY", "DIVERSITY", "VOCALIZATION"]
MAX_PROMPTS = 16
#: Several prompts: a list in JSON, its JSON as a text in a form.
Prompts = Annotated[
    list[PromptBody], Field(min_length=1, max_length=MAX_PROMPTS), BeforeValidator(_from_text)
]


def weighted_prompts(prompts: list[dict[str, Any]]) -> tuple[WeightedPrompt, ...]:
    """The prompts of a body in the server's words."""
    return tuple(WeightedPrompt(**prompt) for prompt in prompts)


async def read_body(kind: type[BodyT], request: Request) -> BodyT:
    """The request's body: a form, or else JSON, whatever content type it claims.

    Raises `BadRequest`, `BodyTooLarge`.
    """
    if is_form(request):
        return validate(kind, await read_form(request), strict=False)  # a form has only texts
    return validate(kind, await read_json(request))


async def read_json(request: Request) -> object:
    """The body as JSON. Raises `MalformedBody`, `BodyTooLarge`."""
    return parse_json(await request.body())


def parse_json(raw: bytes | str) -> object:
    """The value that `raw` spells. Raises `MalformedBody`."""
    try:
        return json.loads(raw)
    except UnicodeDecodeError:
        raise MalformedBody(None, "the body must be JSON in UTF-8; it is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise MalformedBody(None, f"the body must be JSON; {error or 'it is too deep'}") from None


def validate(kind: type[BodyT], value: object, strict: bool = True) -> BodyT:
    """`value` as a body of that kind; if not `strict`, texts may stand for what they spell.

    Raises `BadRequest` about the first fault, field by field.
    """
    if not isinstance(value, dict):
        raise MalformedBody(None, f"the body must be a JSON object; got {echo(value)}")
    try:
        return kind.model_validate(value, strict=strict)
    except ValidationError as error:
        raise _in_words(kind, error.errors()[0]) from None


def _in_words(kind: type[Body], fault: ErrorDetails) -> BadRequest:
    if not fault["loc"]:  # a name that is no Unicode text
        return MalformedBody(None, f"the body is wrong: {fault['msg']}")
    if fault["type"] == "extra_forbidden":
        _, schema = _place(kind, fault["loc"][:-1])
        return _unknown(schema, ".".join(map(str, fault["loc"])))
    name, schema = _place(kind, fault["loc"])
    if fault["type"] == "missing":
        return BadRequest(name, f"is required: {_allowed(schema)}")
    return BadRequest.value(name, _allowed(schema), fault["input"])


def _place(kind: type[Body], steps: tuple[int | str, ...]) -> tuple[str, dict[str, Any]]:
    """A place in a body: its name, and what the JSON schema says of it. A list of anything but
    objects is one place."""
    whole = kind.model_json_schema()
    found, names = whole, []
    for step in steps:
        inner = found["items"] if isinstance(step, int) else found["properties"][step]
        if isinstance(step, int) and "$ref" not in inner:
            break
        options = [o for o in inner.get("anyOf", []) if o.get("type") != "null"]
        found = options[0] if options else inner
        if "$ref" in found:
            found = whole["$defs"][found["$ref"].rsplit("/", 1)[1]]
        names.append(str(step))
    return ".".join(names), found


def _unknown(schema: dict[str, Any], name: str) -> UnknownField:
    fields = list(schema["properties"])
    close = difflib.get_close_matches(name.rsplit(".", 1)[-1], fields, 1)
    hint = f"did you mean {close[0]}?" if close else f"the fields are {', '.join(fields)}"
    return UnknownField(echo(name), f"is not a field of this request; {hint}")


def _allowed(schema: dict[str, Any]) -> str:
    """What a field takes, in words, from its JSON schema."""
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "contentEncoding" in schema:
        return "a sound file, in JSON as base64"
    if "contentMediaType" in schema:
        return "a text in UTF-8"
    if schema["type"] == "array" and "examples" in schema:
        return f"a list of pairs of seconds, such as {schema['examples'][0]}"
    if schema["type"] == "array":
        return f"a list of {schema['minItems']} to {schema['maxItems']} objects"
    if schema["type"] == "object":
        return f"an object with {', '.join(schema['properties'])}"
    if schema.get("not") == {"const": 0}:
        return "a number other than 0"
    if schema.get("pattern") == NOT_BLANK:
        return "a text that is not blank"
    noun = {
        "integer": "an integer",
        "number": "a number",
        "string": "a string",
        "boolean": "true or false",
    }[schema["type"]]
    return range_in_words(noun, schema.get("minimum"), schema.get("maximum"))
