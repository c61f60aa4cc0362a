"""Reads a form, multipart/form-data: the same fields as the JSON body, sound as files."""

from __future__ import annotations

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from server.errors import BadRequest, MalformedBody

FORM = "multipart/form-data"
#: More than any request has.
MAX_PARTS = 100


class _WholeForm(MultiPartParser):
    """Starlette's parser takes a form that breaks off for one that ends; this one knows."""

    ended = False

    def on_end(self) -> None:
        self.ended = True


def is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith(FORM)


async def read_form(request: Request) -> dict[str, str | bytes]:
    """The fields of a form by name, texts and whole files. Large files are on disk while they come
    in. Raises `MalformedBody`, `BadRequest`, and what reading raises: `BodyTooLarge`.
    """
    form = _WholeForm(request.headers, request.stream(), max_files=MAX_PARTS, max_fields=MAX_PARTS)
    try:
        parts = await form.parse()
    except MultiPartException as error:
        raise MalformedBody(None, f"the form cannot be read: {error.message}") from None
    try:
        if not form.ended:
            raise MalformedBody(None, "the form breaks off: it has no closing boundary")
        return await _by_name(parts.multi_items())
    finally:
        await parts.close()


async def _by_name(parts: list[tuple[str, str | UploadFile]]) -> dict[str, str | bytes]:
    fields: dict[str, str | bytes] = {}
    for name, part in parts:
        if name in fields:
            raise BadRequest(name, "stands in the form more than once")
        fields[name] = part if isinstance(part, str) else await part.read()
    return fields
